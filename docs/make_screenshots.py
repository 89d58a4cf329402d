"""Make the pictures of the report and of optuna-dashboard, with a browser that nobody sees.

    python docs/make_screenshots.py

searches digits twice, once for accuracy and once for few multiply-adds too, and writes
docs/images/report_*.png and docs/images/dashboard_*.png. It needs Chromium
(`apt-get install chromium`) and the extras `dashboard` and `images`.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from PIL import Image

from neural_automl import AutoMLEngine, load_data
from neural_automl.commands._show import make_dashboard
from neural_automl.report import write_report

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = 390
#: Pages of the dashboard: picture, path, width, height.
PAGES = (
    ("dashboard_study", "studies/1", 1300, 1500),
    ("dashboard_trials", "studies/1/trials?numbers={best}", 1500, 1500),
    ("dashboard_front", "studies/2", 1300, 1500),
    ("dashboard_note", "studies/1/note", 1500, 1100),
)


def search(folder: Path, trials: int) -> None:
    """Fill a storage with two studies."""
    space, data = ROOT / "examples" / "digits.neural", load_data("digits")
    first = AutoMLEngine(early_stopping="median", output_dir=folder, device="cpu")
    first.search(space, data, max_trials=trials, max_epochs_per_trial=8)
    second = AutoMLEngine(
        search_strategy="nsga2",
        metrics=["val_accuracy", "macs"],
        output_dir=folder,
        study_name="Digits, small",
        device="cpu",
    )
    second.search(space, data, max_trials=trials, max_epochs_per_trial=4)


def browser() -> str:
    """Return the browser's program.

    Raises:
        SystemExit: None is installed.
    """
    for name in BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise SystemExit(f"none of {', '.join(BROWSERS)} is installed")


def take(url: str, name: str, width: int, height: int, *, dark: bool = False) -> Path:
    """Take a picture of a page; one narrower than a window can be is shown in a frame."""
    target = IMAGES / f"{name}.png"
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder, "taken.png")
        if width < 500:
            frame = Path(folder, "frame.html")
            style = f"width:{width}px;height:{height}px;border:0"
            frame.write_text(
                f'<body style="margin:0"><iframe src="{url}" style="{style}"></iframe>'
            )
            url = frame.as_uri()
        subprocess.run(
            [
                browser(),
                *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(["--blink-settings=preferredColorScheme=0"] if dark else []),
                f"--user-data-dir={folder}/profile",
                "--virtual-time-budget=20000",
                f"--window-size={max(width, 500)},{height}",
                f"--screenshot={taken}",
                url,
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        picture = Image.open(io.BytesIO(taken.read_bytes())).convert("RGB")
    # Few colours: such a picture is a fifth of the size, and looks the same.
    picture.crop((0, 0, width, height)).quantize(96).save(target, optimize=True)
    return target


def main() -> None:
    """Search, serve, and take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--results", type=Path, help="Folder of an earlier run of this script")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.results or Path(made)
        if not (folder / "study.db").exists():
            search(folder, options.trials)
        result = AutoMLEngine(output_dir=folder).load_checkpoint(folder, "Digits")
        page = write_report(result.study, Path(made, "report.html")).as_uri()
        take(page, "report_desktop", 1100, 2700)
        take(page, "report_dark", 1100, 1350, dark=True)
        take(page, "report_phone", PHONE, 2400)
        server = make_dashboard(str(folder), 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, path, width, height in PAGES:
            path = path.format(best=result.best_trial.number)
            take(f"http://127.0.0.1:{server.server_port}/dashboard/{path}", name, width, height)
        server.shutdown()


if __name__ == "__main__":
    main()
