"""A network drawn: layers as boxes from top to bottom, branches as lanes side by side."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from neural_automl.report._boxes import Box, boxes_of

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture

#: Boxes that are drawn at most; what follows is left out, and said.
MOST_BOXES: Final = 250
_WIDTH: Final = 168
_LINE: Final = 15
_GAP: Final = 22
_LANE: Final = 190
_PASS: Final = 28
_LONGEST: Final = 22


@dataclass
class _Place:
    """A box, or the way of a long edge through one level; ``box`` is None for that."""

    box: int | None
    level: int
    inputs: list[int]
    lane: int = 0


def draw(architecture: Architecture) -> str:
    """Return a network as SVG; colours come from the page's style, by class.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    boxes = boxes_of(architecture)
    left = len(boxes) - MOST_BOXES
    places = _placed(boxes[:MOST_BOXES])
    tops, heights = _rows(places, boxes)
    columns = _columns(places)
    width = max(x + min(room, _WIDTH) / 2 for x, room in columns.values()) + 6
    bottom = tops[-1] + heights[-1] + 10
    parts = [
        _edge(places, boxes, source, place, columns, tops, heights)
        for place in places
        for source in place.inputs
    ]
    for place in places:
        if place.box is not None:
            x, _ = columns[place.lane]
            height = heights[place.level]
            parts.append(_box(boxes[place.box], x, tops[place.level], height))
    if left > 0:
        bottom += _LINE
        parts.append(
            f'<text class="net-sub" x="{_WIDTH / 2 + 4}" y="{bottom - 6}">and {left} more</text>'
        )
    size = f'viewBox="0 0 {width:.0f} {bottom:.0f}" width="{width:.0f}" height="{bottom:.0f}"'
    name = escape(f"The network {architecture.name}, layer by layer")
    return f'<svg class="net" {size} role="img" aria-label="{name}">{"".join(parts)}</svg>'


def draw_alone(architecture: Architecture) -> str:
    """Return the drawing with its colours in it, as a file of its own.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    head = f'<svg xmlns="http://www.w3.org/2000/svg"{draw(architecture).removeprefix("<svg")}'
    start, _, rest = head.partition(">")
    return f'{start}><style>{_ALONE}</style><rect width="100%" height="100%" fill="#fff"/>{rest}'


_ALONE: Final = (
    "text{text-anchor:middle;font:11px sans-serif;fill:#555}.net-title{font:bold 12px sans-serif;"
    "fill:#222}g rect{fill:#eff0f3;stroke:#cdd2da}.net-weighted rect{fill:#d7e6ff}"
    ".net-pool rect{fill:#dcf1dd}.net-merge rect{fill:#fbe7cf}.net-edge{fill:none;stroke:#667}"
)


# --- where things stand ----------------------------------------------------------------------


def _placed(boxes: list[Box]) -> list[_Place]:
    """Give each box its level, below all that feed it, and its lane."""
    levels: list[int] = []
    for box in boxes:
        levels.append(1 + max((levels[source] for source in box.inputs), default=-1))
    places = [_Place(index, level, []) for index, level in enumerate(levels)]
    for index, box in enumerate(boxes):
        for source in box.inputs:
            last = source
            for level in range(levels[source] + 1, levels[index]):
                places.append(_Place(None, level, [last]))
                last = len(places) - 1
            places[index].inputs.append(last)
    _choose_lanes(places)
    return places


def _choose_lanes(places: list[_Place]) -> None:
    """A place stands below the first that feeds it, or beside; what passes by, to the right."""
    by_level: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        by_level.setdefault(place.level, []).append(index)
    for level in sorted(by_level):
        taken: set[int] = set()

        def wanted(index: int) -> tuple[int, bool, int]:
            place = places[index]
            lane = min((places[source].lane for source in place.inputs), default=0)
            return lane, place.box is None, index

        for index in sorted(by_level[level], key=wanted):
            lane = wanted(index)[0]
            while lane in taken:
                lane += 1
            taken.add(lane)
            places[index].lane = lane


def _columns(places: list[_Place]) -> dict[int, tuple[float, float]]:
    """Return centre and width of each lane: one that nothing but edges uses is narrow."""
    wide = {place.lane for place in places if place.box is not None}
    columns: dict[int, tuple[float, float]] = {}
    x = 4.0
    for lane in range(max(place.lane for place in places) + 1):
        width = _LANE if lane in wide else _PASS
        columns[lane] = (x + min(width, _WIDTH) / 2, width)
        x += width
    return columns


def _rows(places: list[_Place], boxes: list[Box]) -> tuple[list[float], list[float]]:
    """Return top and height of each level."""
    heights = [0.0] * (1 + max(place.level for place in places))
    for place in places:
        if place.box is not None:
            lines = len(_lines(boxes[place.box]))
            heights[place.level] = max(heights[place.level], lines * _LINE + 10.0)
    tops = [6.0]
    for height in heights[:-1]:
        tops.append(tops[-1] + height + _GAP)
    return tops, heights


# --- what is drawn ---------------------------------------------------------------------------


def _lines(box: Box) -> list[str]:
    if box.kind == "merge":
        return [box.title]
    size = " × ".join(map(str, box.shape))
    second = f"{size} · {box.params:,} p" if box.params else size
    lines = [box.title, second]
    if box.followers:
        lines.append("then " + ", ".join(box.followers))
    return lines


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _box(box: Box, x: float, top: float, height: float) -> str:
    lines = _lines(box)
    width = 2 * _LINE if len(box.title) == 1 else _WIDTH
    own = len(lines) * _LINE + 10.0
    y = top + (height - own) / 2
    texts = "".join(
        f'<text class="{"net-sub" if row else "net-title"}" x="{x:.0f}" '
        f'y="{y + 16 + row * _LINE:.0f}">{escape(_short(line))}</text>'
        for row, line in enumerate(lines)
    )
    hint = escape("\n".join((*lines, box.path)).strip())
    return (
        f'<g class="net-{box.kind}"><title>{hint}</title><rect x="{x - width / 2:.0f}" '
        f'y="{y:.0f}" width="{width}" height="{own:.0f}" rx="5"/>{texts}</g>'
    )


def _edge(
    places: list[_Place],
    boxes: list[Box],
    source: int,
    place: _Place,
    columns: dict[int, tuple[float, float]],
    tops: list[float],
    heights: list[float],
) -> str:
    first = places[source]
    x, _ = columns[first.lane]
    to, _ = columns[place.lane]
    start, end = tops[first.level] + heights[first.level], tops[place.level]
    if first.box is not None:  # a box may be lower than its row
        start -= (heights[first.level] - (len(_lines(boxes[first.box])) * _LINE + 10)) / 2
    if place.box is not None:
        end += (heights[place.level] - (len(_lines(boxes[place.box])) * _LINE + 10)) / 2
    else:
        end += heights[place.level]  # straight through the level
    if place.box is None:
        bend = tops[place.level]
        way = f"V{end:.0f}"
    else:
        bend, way = end, ""
    middle = (start + bend) / 2
    curve = f"C{x:.0f} {middle:.0f} {to:.0f} {middle:.0f} {to:.0f} {bend:.0f}"
    return f'<path class="net-edge" d="M{x:.0f} {start:.0f}{curve}{way}"/>'
