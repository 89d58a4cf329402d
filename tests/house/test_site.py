"""The documentation is built as a site, strictly, and asks nothing of other servers."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import griffe
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neural_automl
from tests.house.repository import ROOT, modules

DOCSTRINGS = runpy.run_path(str(ROOT / "docs" / "site_docstrings.py"))
HOOKS = runpy.run_path(str(ROOT / "docs" / "site_hooks.py"))
#: What a browser loads by itself; the target of a link it does not.
LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*?(?:src|href)=\"(?:https?:)?//[^\"]*\""
)
LOADED_BY_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//")


#: A table as pandas writes it into a notebook.
HTML = """<div>
<style scoped>th { color: red; }</style>
<table border="1" class="dataframe">
<tr style="text-align: right;"><th>a</th></tr>

</table>
</div>"""


@pytest.mark.slow
def test_the_site_is_built_strictly_and_stands_alone(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    assert "contains a link" not in built.stderr  # to what the site leaves out

    pages = {path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    styles = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.css")]
    assert {
        path.name: LOADED.findall(text) for path, text in pages.items() if LOADED.search(text)
    } == {}
    assert [style for style in [*styles, *pages.values()] if LOADED_BY_STYLE.search(style)] == []

    engine = pages[tmp_path / "reference" / "neural_automl.engine" / "index.html"]
    assert "Runs searches; everything that it knows" in engine
    scores = pages[tmp_path / "reference" / "neural_automl.zero_cost" / "index.html"]
    assert "Draw distinct feasible networks of a space" in scores
    first = pages[tmp_path / "repository" / "notebooks" / "1_first_search.ipynb" / "index.html"]
    assert 'src="../1_first_search_1.png"' in first
    assert (tmp_path / "repository" / "notebooks" / "1_first_search_1.png").stat().st_size > 1000
    assert 'href="search/' in pages[tmp_path / "index.html"]
    assert not (tmp_path / "site_hooks.py").exists()


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        ('<script src="https://x.org/a.js">', True),
        ('<link rel="stylesheet" href="//x.org/a.css">', True),
        ('<img alt="a" src="http://x.org/a.png">', True),
        ('<script src="../a.js">', False),
        ('<a href="https://x.org">', False),
    ],
    ids=["script", "style", "image", "own script", "link"],
)
def test_pattern_of_what_is_loaded(text: str, loads: bool) -> None:
    assert bool(LOADED.search(text)) == loads


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("README.md", "index.md"),
        ("docs/README.md", "contents.md"),
        ("docs/search.md", "search.md"),
        ("docs/site_hooks.py", "repository/docs/site_hooks.py.md"),
        ("samplers/README.md", "repository/samplers/README.md"),
        ("notebooks/1_first_search.ipynb", "repository/notebooks/1_first_search.ipynb.md"),
        ("examples/zoo", "repository/examples/zoo.md"),
    ],
)
def test_places(path: str, place: str) -> None:
    assert HOOKS["place"](path) == place


def _on_page(markdown: str, uri: str, meta: dict[str, str]) -> str:
    class Page:
        def __init__(self) -> None:
            self.meta = meta
            self.file = type("File", (), {"src_uri": uri})

    led: str = HOOKS["on_page_markdown"](markdown, Page())
    return led


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("[a](workers.md#death)", "[a](workers.md#death)"),
        ("[a](../README.md)", "[a](index.md)"),
        ("[a](README.md)", "[a](contents.md)"),
        ("[a](../samplers/README.md#x)", "[a](repository/samplers/README.md#x)"),
        ("![a](images/search.svg)", "![a](images/search.svg)"),
        ("[a](https://x.org/README.md)", "[a](https://x.org/README.md)"),
        ("```python\nx[0](y.md)\n```", "```python\nx[0](y.md)\n```"),
        ("```neural error\nx\n```", "```neural\nx\n```"),
    ],
    ids=["page", "first page", "list", "outside", "picture", "address", "code", "kind of block"],
)
def test_links_lead_to_pages_of_the_site(markdown: str, expected: str) -> None:
    assert _on_page(markdown, "search.md", {}) == expected


def test_a_page_without_heading_gets_its_title() -> None:
    assert _on_page("## What", "a.md", {"title": "Grid"}) == "# Grid\n\n## What"
    assert _on_page("# Own", "a.md", {"title": "Grid"}) == "# Own"


def test_links_are_followed_out_of_the_folder() -> None:
    outside = HOOKS["outside"]()

    assert {"README.md", "CHANGELOG.md", "samplers/grid/README.md", "examples/zoo"} <= set(outside)
    assert [path for path in outside if path.startswith("docs/")] == ["docs/site_hooks.py"]
    assert "```neural\n" in outside["examples/zoo"]


def test_the_reference_has_every_public_module() -> None:
    found = {f"neural_automl.{name}" for name in HOOKS["modules"]()}
    homes = {f"neural_automl.{home}" for home in vars(neural_automl)["_HOMES"].values()}

    assert homes <= found <= set(modules())
    assert "neural_automl.samplers.grid" in found
    assert [name for name in found if "._" in name] == []


CODE = '''
from json import dumps, loads as _loads
def f():
    """Do.

    Example:
        >>> f()
    """
'''


def test_our_forms_of_docstrings_are_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__init__.py").write_text(CODE)
    (tmp_path / "file.py").write_text(CODE)
    extensions = griffe.load_extensions(DOCSTRINGS["OurForms"]())
    folder, file = (
        griffe.load(name, search_paths=[tmp_path], extensions=extensions)
        for name in ("folder", "file")
    )
    docstring = folder["f"].docstring

    assert docstring is not None
    assert [part.kind.value for part in docstring.parse("google")] == ["text", "examples"]
    assert folder.exports == ["dumps", "f"]
    assert file.exports is None


@given(st.lists(st.sampled_from(["text", "code", "picture", "table"]), min_size=1, max_size=6))
def test_a_notebook_becomes_a_page(kinds: list[str]) -> None:
    outputs = {
        "code": {"output_type": "stream", "text": ["seen\n"]},
        "picture": {"output_type": "display_data", "data": {"image/png": "aGVsbG8="}},
        "table": {"output_type": "execute_result", "data": {"text/html": HTML}},
    }
    cells = [
        {"cell_type": "markdown", "source": ["# T"]}
        if kind == "text"
        else {"cell_type": "code", "source": ["f()"], "outputs": [outputs[kind]]}
        for kind in kinds
    ]
    page, pictures = HOOKS["notebook_page"]({"cells": cells}, "book")

    assert page.count("```python\nf()\n```") == len(kinds) - kinds.count("text")
    assert page.count("```text\nseen\n```") == kinds.count("code")
    assert page.count("<table>\n<tr><th>a</th></tr>\n</table>") == kinds.count("table")
    assert list(pictures) == [f"book_{n}.png" for n in range(1, kinds.count("picture") + 1)]
    assert set(pictures.values()) <= {b"hello"}
    assert all(f"]({name})" in page for name in pictures)
