"""What MkDocs does not know of this repository: pages outside docs/, notebooks, the reference.

``mkdocs.yml`` names this file under ``hooks``. The links of a page in docs/ lead to
files, so that they work where the repository is read; here they are led to the site's pages.

- A file that a page links to and that lies outside docs/ (a README of another folder, a notebook, a
  source file, a folder of examples) becomes a page under ``repository/``. README.md is the first.
- Every public module gets a page under ``reference/``, filled from its docstrings by mkdocstrings.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
FENCE = r"^```.*?^```$"
LINK = re.compile(
    rf"(?P<fence>{FENCE})|\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)",
    flags=re.MULTILINE | re.DOTALL,
)
#: Pages that the site shows whether a page links to them or not.
ROOTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "notebooks/README.md",
)
#: Modules that nobody imports: their words are those of the command line.
UNLISTED = {"cli", "commands", "__main__"}
LANGUAGES = {".py": "python", ".neural": "neural", ".toml": "toml", ".json": "json"}

_sources: dict[str, str] = {}  # path in the repository, by path in the site


# --- where things stand ------------------------------------------------------------------------


def place(path: str) -> str:
    """Return where the site keeps what is at a path of the repository."""
    if path == "README.md":
        return "index.md"
    if path == "docs/README.md":
        return "contents.md"
    if inside(path):
        return path.removeprefix("docs/")
    return f"repository/{path}" if path.endswith(".md") else f"repository/{path}.md"


def inside(path: str) -> bool:
    """Tell whether MkDocs takes a file by itself; the scripts of docs/ it is told to leave."""
    return path.startswith("docs/") and not path.endswith(".py")


def links(markdown: str) -> Iterator[str]:
    """Give the files that a page links to, as they are written; addresses are left out."""
    for found in LINK.finditer(re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)):
        if found["target"] is not None and "://" not in found["target"]:
            yield found["target"]


def resolve(page: str, target: str) -> str:
    """Return the path in the repository of what a page at ``page`` calls ``target``."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def outside() -> dict[str, str]:
    """Find what the site shows from outside docs/: Markdown by path, links followed to the end."""
    docs = (path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    waiting = [*docs, *ROOTS, *notebooks()]
    pages: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        if path in pages or (inside(path) and not path.endswith(".md")):
            continue
        pages[path] = page_of(path)
        goals = (resolve(path, target) for target in links(pages[path]))
        # What is not there is said by MkDocs; a notebook's pictures are made below.
        waiting += [goal for goal in goals if (ROOT / goal).exists()]
    return {path: text for path, text in pages.items() if not inside(path)}


def notebooks() -> list[str]:
    """Name the notebooks, in order."""
    found = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return [path.relative_to(ROOT).as_posix() for path in found]


# --- what becomes a page -----------------------------------------------------------------------


def page_of(path: str) -> str:
    """Return a file or a folder of the repository as Markdown."""
    file = ROOT / path
    if file.is_dir():
        parts = (f"## {each.name}\n\n{_listing(each)}" for each in sorted(file.iterdir()))
        return f"# {path}\n\n" + "\n".join(parts)
    if file.suffix == ".md":
        return file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        return notebook_page(json.loads(file.read_text(encoding="utf-8")), file.stem)[0]
    return f"# {path}\n\n{_listing(file)}"


def _listing(file: Path) -> str:
    language = LANGUAGES.get(file.suffix, "text")
    return f"```{language}\n{file.read_text(encoding='utf-8').rstrip()}\n```\n"


def notebook_page(notebook: dict[str, Any], stem: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and its pictures by file name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{stem}_{len(pictures) + 1}.png"
                pictures[name] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![what the cell draws]({name})")
            elif "text/html" in data:
                parts.append(_table("".join(data["text/html"])))
            else:
                text = "".join(output.get("text") or data.get("text/plain", ""))
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n", pictures


def _table(html: str) -> str:
    """Return the table of a pandas output, without styles of its own and lines between."""
    found = re.search(r"<table.*?</table>", html, flags=re.DOTALL)
    assert found is not None, html
    table = re.sub(r"<(table|tr|th)\b[^>]*>", r"<\1>", found[0])
    return "\n".join(line for line in table.splitlines() if line.strip())


# --- the reference -----------------------------------------------------------------------------


def modules() -> list[str]:
    """Name the public modules: files, and folders whose ``__init__`` gives names."""
    package = ROOT / "neural_automl"
    names = {path.stem for path in package.glob("*.py")}
    for init in (*package.glob("*/__init__.py"), *package.glob("*/*/__init__.py")):
        if re.search(r"^(from|import) (?!__future__)", init.read_text("utf-8"), re.MULTILINE):
            names.add(".".join(init.parent.relative_to(package).parts))
    return sorted(
        name
        for name in names
        if not name.startswith("_") and "._" not in name and name not in UNLISTED
    )


# --- MkDocs calls these ------------------------------------------------------------------------


def on_config(config: Any) -> Any:
    """Fill the part of the navigation that is found, not written."""
    for part in config.nav:
        if "Reference" in part:
            names = ["neural_automl", *(f"neural_automl.{name}" for name in modules())]
            part["Reference"] = [{name: f"reference/{name}.md"} for name in names]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/, and those of the reference."""
    readme = files.get_file_from_path("README.md")
    assert readme is not None
    files.remove(readme)
    pages = {"docs/README.md": page_of("docs/README.md"), **outside()}
    for path, text in pages.items():
        _sources[place(path)] = path
        files.append(File.generated(config, place(path), content=text))
    for path in notebooks():
        notebook = json.loads((ROOT / path).read_text(encoding="utf-8"))
        for name, content in notebook_page(notebook, Path(path).stem)[1].items():
            uri = f"repository/notebooks/{name}"
            files.append(File.generated(config, uri, content=content))
    for name in ["neural_automl", *(f"neural_automl.{module}" for module in modules())]:
        page = f"# {name}\n\n::: {name}\n"
        files.append(File.generated(config, f"reference/{name}.md", content=page))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead the links of a page to the site's pages, and give a page without heading its title."""
    uri = page.file.src_uri
    source = _sources.get(uri, f"docs/{uri}")

    def led(found: re.Match[str]) -> str:
        target = found["target"]
        beside = source.endswith(".ipynb") and target is not None and target.endswith(".png")
        if target is None or "://" in target or beside:
            return found[0]
        goal = posixpath.relpath(_goal(resolve(source, target)), posixpath.dirname(uri) or ".")
        return f"]({goal}{found['anchor'] or ''})"

    if not uri.startswith("reference/"):
        markdown = LINK.sub(led, markdown)
    # The second word of a block says what the tests do with it.
    markdown = re.sub(r"^```(\w+) \w+$", r"```\1", markdown, flags=re.MULTILINE)
    if "title" in page.meta and not re.search(r"^# ", markdown, flags=re.MULTILINE):
        markdown = f"# {page.meta['title']}\n\n{markdown}"
    return markdown


def _goal(path: str) -> str:
    return path.removeprefix("docs/") if inside(path) and path[-3:] != ".md" else place(path)
