"""The report in a real browser, where one is installed: every figure is drawn, at any width."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from neural_automl.report import make_report
from tests.report.studies import HOSTILE, add, empty_study, full_study

if TYPE_CHECKING:
    from pathlib import Path

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
    pytest.mark.slow,
]
#: What the page says of itself once its scripts ran.
ASK = """<script>addEventListener("load", function () { setTimeout(function () {
var wide = document.documentElement.scrollWidth > innerWidth;
var over = [].filter.call(document.querySelectorAll(".figure"), function (figure) {
  return figure.getBoundingClientRect().right > innerWidth + 1; });
document.body.setAttribute("data-wide", wide);
document.body.setAttribute("data-over", over.length); }, 500); });</script></body>"""


def _drawn(folder: Path, page: str, *, asking: bool = True) -> str:
    """Return the page as the browser has it after its scripts ran."""
    if asking:  # our own question is no script of the page's: its policy would stop it
        page = re.sub(r"<meta http-equiv=[^>]*>", "", page).replace("</body>", ASK)
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    ran = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900"),
            *(f"--user-data-dir={folder}/profile", "--virtual-time-budget=5000", "--dump-dom"),
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout


def test_every_figure_is_drawn_under_its_policy(tmp_path: Path) -> None:
    page = make_report(full_study())

    drawn = _drawn(tmp_path, page, asking=False)

    assert page.count('class="figure"') >= 7
    assert drawn.count('class="figure js-plotly-plot"') == page.count('class="figure"')
    assert drawn.count('class="main-svg"') >= page.count('class="figure"')


def test_nothing_is_wider_than_a_narrow_window(tmp_path: Path) -> None:
    drawn = _drawn(tmp_path, make_report(full_study()))

    assert 'data-wide="false"' in drawn
    assert 'data-over="0"' in drawn


def test_hostile_texts_make_no_element(tmp_path: Path) -> None:
    study = empty_study(name=HOSTILE, fallbacks=[HOSTILE])
    score: dict[str, Any] = {f"zero_cost.{HOSTILE}": 1.0}
    for seed in range(12):
        add(study, [0.1 * seed], {1: 0.1}, seed=seed, **score)

    drawn = _drawn(tmp_path, make_report(study))

    assert "data-wide" in drawn  # the scripts ran to their end
    assert not re.search(r"<img[^>]*onerror", drawn)
    assert not re.search(r"<a[^>]*javascript:", drawn)
