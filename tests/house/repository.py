"""The checkout as data: its files, its packages, its configuration."""

from __future__ import annotations

import configparser
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# Folder to the package that it is shipped as.
SOURCE_FOLDERS = {
    "neural_automl": "neural_automl",
    "samplers": "neural_automl.samplers",
    "pruners": "neural_automl.pruners",
}
LINKS = {"neural_automl/samplers": "samplers", "neural_automl/pruners": "pruners"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed; links are not followed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in sorted(listing.split("\0")) if name)
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


def texts() -> dict[str, str]:
    """The text files, relative path to content."""
    found = {}
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content:
            found[str(path.relative_to(ROOT))] = content.decode()
    return found


def modules() -> dict[str, Path]:
    """Every Python file that ships, dotted name to path."""
    found = {}
    for folder, package in SOURCE_FOLDERS.items():
        for path in files():
            if path.suffix == ".py" and path.is_relative_to(ROOT / folder):
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


def project() -> dict[str, Any]:
    """The content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def setup() -> configparser.ConfigParser:
    """The content of setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser
