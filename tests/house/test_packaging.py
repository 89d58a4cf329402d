from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import neural_automl
from tests.house.repository import LINKS, ROOT, SOURCE_FOLDERS, files, modules, project, setup


def test_every_folder_with_code_is_declared() -> None:
    declared = setup()["options"]["packages"].split()
    folders = {
        ".".join((package, *path.parent.relative_to(ROOT / folder).parts))
        for folder, package in SOURCE_FOLDERS.items()
        for path in modules().values()
        if path.is_relative_to(ROOT / folder)
    }

    assert declared == sorted(folders)


def test_every_package_has_its_init() -> None:
    names = modules()

    missing = [
        name
        for name in setup()["options"]["packages"].split()
        if name not in names or names[name].name != "__init__.py"
    ]

    assert missing == []


@pytest.mark.parametrize(("link", "target"), LINKS.items(), ids=LINKS)
def test_link_resolves(link: str, target: str) -> None:
    path = ROOT / link

    assert path.is_symlink()
    assert not path.readlink().is_absolute()
    assert path.resolve() == ROOT / target


def test_mapping_and_links_say_the_same() -> None:
    lines = setup()["options"]["package_dir"].strip().splitlines()
    mapping = dict(line.split(" = ") for line in lines)

    assert mapping == {package: folder for folder, package in SOURCE_FOLDERS.items()}
    assert {link.replace("/", "."): target for link, target in LINKS.items()}.items() <= (
        mapping.items()
    )


def test_no_key_is_in_both_files() -> None:
    sections = {name: set(section) for name, section in setup().items() if section}

    assert sections.keys() == {"options", "options.package_data"}
    assert sections["options"] == {"packages", "package_dir"}
    assert "setuptools" not in project()["tool"]
    assert "dynamic" not in project()["project"]


def test_package_and_project_have_one_version() -> None:
    assert neural_automl.__version__ == project()["project"]["version"]


def test_extra_all_is_every_extra_for_users() -> None:
    extras = project()["project"]["optional-dependencies"]
    users = [name for name in extras if name not in ("all", "dev")]

    assert extras["all"] == [f"neural-automl[{','.join(users)}]"]


def test_every_requirement_says_what_needs_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    base = text.split("\ndependencies = [\n")[1].split("\n]")[0]
    extras = text.split("[project.optional-dependencies]\n")[1].split("\nall = ")[0]

    assert [line for line in [*base.splitlines(), *extras.splitlines()] if "  # " not in line] == []


def test_samplers_and_pruners_have_the_form_of_the_hub() -> None:
    wanted = {"samplers": "_sampler.py", "pruners": "_pruner.py"}
    missing = [
        f"{folder}/{package.name}/{name}"
        for folder, code in wanted.items()
        for package in (ROOT / folder).iterdir()
        if package.is_dir() and not package.name.startswith("_")
        for name in ("__init__.py", code, "README.md")
        if not (package / name).is_file()
    ]

    assert missing == []


@pytest.fixture(scope="module", params=["with links", "links lost"])
def checkout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that are committed; without links, as where they are not checked out."""
    root = tmp_path_factory.mktemp("checkout")
    for path in files():
        copy = root / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    if request.param == "with links":
        for link, target in LINKS.items():
            (root / link).symlink_to(f"../{target}")
    return root


@pytest.fixture(scope="module")
def built(checkout: Path) -> Iterator[Path]:
    """The folder with the sdist, and the wheel that was built from the unpacked sdist."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", str(checkout)],
        cwd=checkout,
        check=True,
        capture_output=True,
    )
    yield checkout / "dist"
    shutil.rmtree(checkout)


@pytest.mark.slow
def test_distribution_has_one_top_level_name_and_every_file(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    version = project()["project"]["version"]
    shipped = {
        name.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")
        for name, path in modules().items()
    }
    data = {
        str(path.relative_to(ROOT))
        for path in files()
        if path.is_relative_to(ROOT / "neural_automl") and path.suffix != ".py"
    }

    assert {name.partition("/")[0] for name in names} == {
        "neural_automl",
        f"neural_automl-{version}.dist-info",
    }
    assert len(names) == len(set(names))
    assert {name for name in names if name.startswith("neural_automl/")} == shipped | data
    assert {"neural_automl/samplers/__init__.py", "neural_automl/pruners/__init__.py"} <= shipped


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_distribution_installs(built: Path, kind: str, tmp_path: Path) -> None:
    (archive,) = built.glob(kind)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*pip, "--target", str(tmp_path / "site"), str(archive)], check=True, capture_output=True
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import neural_automl.samplers, neural_automl.pruners\n"
        "print(neural_automl.__file__, neural_automl.samplers.__file__)"
    )
    output = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "site")],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    site = tmp_path / "site" / "neural_automl"
    assert output.split() == [str(site / "__init__.py"), str(site / "samplers" / "__init__.py")]
