from __future__ import annotations

from types import ModuleType

import neural_automl


def test_list_is_in_order() -> None:
    names = neural_automl.__all__

    assert list(names) == sorted(set(names), key=str.casefold)


def test_list_is_short() -> None:
    assert len(neural_automl.__all__) <= 25


def test_every_name_resolves() -> None:
    missing = [name for name in neural_automl.__all__ if not hasattr(neural_automl, name)]

    assert missing == []


def test_public_names_are_those_of_the_list() -> None:
    # Submodules appear once they are imported, and the future import leaves a name of its own.
    shown = {
        name
        for name in dir(neural_automl)
        if not name.startswith("_")
        and name != "annotations"
        and not isinstance(getattr(neural_automl, name), ModuleType)
    }

    assert shown == set(neural_automl.__all__)


def test_nothing_of_ours_is_there_unlisted() -> None:
    unlisted = [
        name
        for name, value in vars(neural_automl).items()
        if not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith("neural_automl")
        and name not in neural_automl.__all__
    ]

    assert unlisted == []


def test_every_name_comes_from_inside() -> None:
    strangers = [
        name
        for name in neural_automl.__all__
        if not getattr(getattr(neural_automl, name), "__module__", "neural_automl").startswith(
            "neural_automl"
        )
    ]

    assert strangers == []
