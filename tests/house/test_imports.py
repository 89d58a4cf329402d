from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib

import pytest

from neural_automl._imports import _EXTRA_OF, try_import
from tests.house.repository import ROOT


def test_nothing_is_raised_if_all_is_there() -> None:
    with try_import() as imports:
        import json as _json

    assert _json is json
    assert imports.is_successful()
    imports.check()


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        pytest.param("ray", 'pip install "neural-automl[ray]"', id="package of an extra"),
        pytest.param("ray.train", 'pip install "neural-automl[ray]"', id="module inside"),
        pytest.param("onnxscript", 'pip install "neural-automl[onnx]"', id="extra of another name"),
        pytest.param("no_such_package", "pip install no_such_package", id="package of no extra"),
    ],
)
def test_missing_package_is_told_when_it_is_needed(
    module: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    with try_import() as imports:
        importlib.import_module(module)

    assert not imports.is_successful()
    with pytest.raises(ImportError) as caught:
        imports.check()
    assert advice in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


def test_error_without_a_name_is_kept() -> None:
    with try_import() as imports:
        raise ImportError("the driver is too old")

    with pytest.raises(ImportError, match=r"the driver is too old\)$"):
        imports.check()


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), try_import():
        raise ZeroDivisionError


def test_every_extra_that_is_advised_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert set(_EXTRA_OF.values()) <= set(project["optional-dependencies"])


HEAVY = ("dask", "keras", "pandas", "plotly", "ray", "sklearn", "tensorflow", "torch")


def test_bare_import_is_light() -> None:
    code = "import json, sys, neural_automl; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True
    ).stdout

    assert [name for name in json.loads(output) if name in HEAVY] == []
