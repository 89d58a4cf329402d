"""Pages that are made by a script agree with what the script makes now."""

from __future__ import annotations

import runpy

from tests.house.repository import ROOT


def test_the_page_of_layers_is_that_of_the_table() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_layers.py"))["page"]()

    assert (ROOT / "docs" / "layers.md").read_text(encoding="utf-8") == made


def test_the_picture_of_the_parts_is_that_of_the_floors() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_parts.py"))["drawing"]()

    assert (ROOT / "docs" / "images" / "parts.svg").read_text(encoding="utf-8") == made
    assert "\u00a0· dsl<" in made
    assert [floor for floor in range(6) if f">{floor}  " not in made] == []
