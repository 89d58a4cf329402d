"""Looks at what a space is read from: files, nested data, lists of what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture_space._values import (
    Open,
    offer_text,
    value_from_plain,
    value_label,
)
from neural_automl.exceptions import SpaceError, excerpt
from neural_automl.hyperparameters import LOSS_ALIASES
from neural_automl.parameters import did_you_mean
from neural_automl.values import to_plain

if TYPE_CHECKING:
    from pathlib import Path

    Offers = Mapping[str, Open | tuple[Any, ...]]

_DEEPEST: Final = 300
_LONGEST: Final = 40
# Characters that are read: far more than the parser takes, which then says how many it does.
_LARGEST: Final = 1 << 24


def check_nesting(data: Any) -> None:
    """Look for lists and dictionaries that would be too deep for recursion.

    Raises:
        SpaceError: There are.
    """
    stack = [(data, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > _DEEPEST:
            raise SpaceError(f"the data of a space may be nested {_DEEPEST} deep but is deeper")
        if isinstance(item, dict):
            stack.extend((value, depth + 1) for value in item.values())
        elif isinstance(item, list | tuple):
            stack.extend((value, depth + 1) for value in item)


def read_text(file: Path) -> str:
    """Return the text of a file.

    Raises:
        OSError: The file cannot be read.
        SpaceError: It is no UTF-8.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(_LARGEST)  # a device, or a pipe, may have no end
    except UnicodeDecodeError as error:
        raise SpaceError(f"{file} is no text in UTF-8: {error.reason}") from error


def check_offers(hpo_params: Any, offers: Offers) -> None:
    """Compare a list of what is open with what a space leaves open.

    Args:
        hpo_params: Entries with a ``path`` and what it offers, as the space language gives them:
            then all that is open must be there. Or the Neural DSL's older entries with
            ``layer_type``, ``param_name`` and ``hpo``: each must be found in some layer of that
            type.
        offers: What each decision of the space chooses from, by path.

    Raises:
        SpaceError: The two disagree, or an entry has neither form.
    """
    if not isinstance(hpo_params, Sequence) or isinstance(hpo_params, str):
        raise SpaceError(f"hpo_params must be a list but got {excerpt(hpo_params)}")
    check_nesting(hpo_params)
    listed = set()
    is_older = False
    for place, entry in enumerate(hpo_params):
        here = f"hpo_params[{place}]"
        match entry:
            case {"path": str(path), "type": str()}:
                _check_entry(here, path, entry, offers)
                listed.add(path)
            case {"layer_type": str(owner), "param_name": str(name), "hpo": form}:
                is_older = True
                _check_older_entry(here, (owner, name), form, offers)
            case _:
                raise SpaceError(
                    "an entry must have 'path' and 'type', or 'layer_type', 'param_name' and "
                    f"'hpo', but got {excerpt(entry)}",
                    path=here,
                )
    missing = [path for path in offers if path not in listed]
    if missing and not is_older:
        raise SpaceError(
            f"hpo_params lacks {excerpt(missing[0])}, which the dictionary leaves open"
        )


def _check_entry(here: str, path: str, entry: Mapping[str, Any], offers: Offers) -> None:
    if path not in offers:
        near = did_you_mean(path, offers)
        raise SpaceError(f"the dictionary leaves nothing open at {path!r}{near}", path=here)
    form = {key: value for key, value in entry.items() if key != "path"}
    offer = offers[path]
    if _listed(here, form, offer) != _plain(offer):
        raise SpaceError(
            f"{path!r} offers {excerpt(form)} here but {_cut(offer)} in the dictionary",
            path=here,
        )


def _check_older_entry(here: str, owned: tuple[str, str], form: Any, offers: Offers) -> None:
    owner, name = owned
    section = {"optimizer": "optimizer", "training_config": "training", "training": "training"}
    prefix = section.get(owner.lower())
    end = f".{prefix or owner}.{name.removeprefix('params.')}".lower()
    # Older spellings of a type differ in case; a section's path is that alone.
    found = [
        offer
        for path, offer in offers.items()
        if (f".{path}".lower() == end if prefix else path.lower().endswith(end))
    ]
    if _listed(here, form) not in [_plain(offer) for offer in found]:
        raise SpaceError(
            f"the dictionary leaves no {owner}.{name} open over {excerpt(form)}"
            + "".join(f"; it offers {_cut(offer)}" for offer in found[:1]),
            path=here,
        )


def _cut(offer: Any) -> str:
    # Quoted as a string it would be no text of the language.
    text = offer_text(offer)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _listed(here: str, form: Any, offer: Any = None) -> Any:
    """Return what an entry offers, in the form that ``_plain`` gives."""
    try:
        if isinstance(offer, tuple):
            # Labels stand for structure: names and calls mix, as they do in no choice of values.
            return _normal(form)
        return _plain(value_from_plain({"hpo": form}))
    except (SpaceError, TypeError, ValueError) as error:
        raise SpaceError(getattr(error, "message", str(error)), path=here) from error


def _plain(offer: Any) -> Any:
    """Return an offer as data in which what means the same is the same."""
    if isinstance(offer, tuple):
        return {"type": "categorical", "values": [*offer]}
    return _normal(to_plain(offer)["hpo"])


def _normal(data: Any) -> Any:
    """Return plain data without names, calls as their labels, losses in one spelling.

    A name in the dictionary may hold the place of a copy, where the study's says it.
    """
    if isinstance(data, list | tuple):
        return [_normal(element) for element in data]
    if isinstance(data, Mapping):
        if "params" in data or "expr" in data:
            return value_label(value_from_plain(data))
        return {key: _normal(value) for key, value in data.items() if key != "name"}
    return LOSS_ALIASES.get(data, data) if isinstance(data, str) else data
