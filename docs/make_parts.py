"""Draw the parts of the project from the table of floors.

    python docs/make_parts.py

writes docs/images/parts.svg; a test compares it with what this makes.
"""

from __future__ import annotations

import runpy
import textwrap
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "images" / "parts.svg"
TITLES = {
    5: ("commands", "#dbe4f3"),
    4: ("what users call", "#dbe4f3"),
    3: ("the bridge to Optuna", "#d9ecdf"),
    2: ("training and code", "#fbe9cf"),
    1: ("spaces", "#eee3f3"),
    0: ("networks", "#eee3f3"),
}
BEGINS = {3: "Optuna begins here", 2: "PyTorch begins here", 0: "pure Python"}
WIDTH, LEFT, MAIN, GAP, LINE, CHARACTERS = 920, 20, 640, 10, 17, 92
HEAD = 36  # of a box, above its lines


def drawing() -> str:
    """Return the picture: a box for each floor, the highest at the top, and the sides beside."""
    table = runpy.run_path(str(ROOT / "tests" / "house" / "floors.py"))
    parts: list[str] = []
    tops: dict[int, int] = {}
    top = GAP
    for floor, (title, colour) in TITLES.items():
        lines = textwrap.wrap("\u00a0· ".join(_there(table["FLOORS"][floor])), CHARACTERS)
        tops[floor] = top
        parts.append(_box(LEFT, top, MAIN, HEAD + LINE * len(lines), colour))
        parts.append(_text(LEFT + 12, top + 20, f"{floor}  {title}", "bold"))
        if floor in BEGINS:
            parts.append(_text(LEFT + MAIN - 12, top + 20, BEGINS[floor], "note"))
        for number, line in enumerate(lines):
            parts.append(_text(LEFT + 12, top + 41 + LINE * number, line, "name"))
        top += HEAD + LINE * len(lines) + GAP
    bottom, top = top, tops[table["FLOOR_ABOVE_SIDES"]]
    width = WIDTH - 2 * LEFT - MAIN - GAP
    parts.append(_box(LEFT + MAIN + GAP, top, width, bottom - GAP - top, "#d9ecdf"))
    x = LEFT + MAIN + GAP + 12
    parts.append(_text(x, top + 20, "beside them", "bold"))
    words = [*(f"{side}/" for side in table["SIDES"]), "", "any Optuna study may use them:"]
    words += ["they know Optuna, NumPy, SciPy,", "and no space of networks"]
    for number, word in enumerate(words):
        parts.append(_text(x, top + 41 + LINE * number, word, "name"))
    return _HEAD.format(width=WIDTH, height=bottom) + "\n".join(parts) + "\n</svg>\n"


def _there(names: tuple[str, ...]) -> list[str]:
    """Keep the public parts that exist: the table names some that may come."""
    package = ROOT / "neural_automl"
    return [
        name
        for name in names
        if name[0] != "_" and ((package / name).is_dir() or (package / f"{name}.py").exists())
    ]


_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>The floors of neural_automl: an import goes to the same floor or to a lower one</title>
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2933; }}
.bold {{ font-weight: 600; }}
.note {{ font-style: italic; text-anchor: end; }}
.name {{ font-size: 12.5px; }}
</style>
<rect width="100%" height="100%" fill="#ffffff"/>
"""


def _box(x: int, y: int, width: int, height: int, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{colour}"/>'


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(text)}</text>'


if __name__ == "__main__":
    TARGET.write_text(drawing(), encoding="utf-8")
