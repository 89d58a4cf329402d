"""Strategies of one's own, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from neural_automl._options import check_options, lookup
from neural_automl.exceptions import excerpt
from neural_automl.search_strategies._strategy import STRATEGIES, SearchStrategy

_Class = TypeVar("_Class", bound=type[SearchStrategy])

_REGISTERED: dict[str, type[SearchStrategy]] = {}


def register_strategy(strategy: _Class) -> _Class:
    """Give a class of strategies the name that its instances bear; a decorator.

    From then on the name stands wherever a strategy's name may: in ``create_sampler``, in
    ``AutoMLEngine(search_strategy=...)`` and, with ``--import MODULE``, on the command line. The
    constructor's arguments are its options.

    Raises:
        TypeError: It is no class of strategies, does not say what to ``suggest``, or needs
            arguments.
        ValueError: Its name is taken.

    Example:
        >>> @register_strategy
        ... class Blind(SearchStrategy):
        ...     def __init__(self):
        ...         super().__init__("blind")
        ...
        ...     def suggest(self, space, trial_number):
        ...         return space.sample_architecture(trial_number)
        >>> unregister_strategy("blind")
    """
    if not isinstance(strategy, type) or not issubclass(strategy, SearchStrategy):
        raise TypeError(f"a strategy must be a class of SearchStrategy but got {excerpt(strategy)}")
    if strategy.suggest is SearchStrategy.suggest:
        raise TypeError(f"{strategy.__name__} must define suggest(self, space, trial_number)")
    try:
        # A subclass has arguments of its own.
        instance = strategy()  # type: ignore[call-arg]
    except TypeError as error:
        raise TypeError(
            f"{strategy.__name__} can't be made without arguments ({error}): give each a default"
        ) from error
    name = name_of(instance)
    if name in STRATEGIES or name in _REGISTERED:
        raise ValueError(f"there is a strategy {name!r} already; choose another name")
    _REGISTERED[name] = strategy
    return strategy


def unregister_strategy(name: str) -> None:
    """Take a registered strategy out again, as a notebook needs before it runs a cell anew.

    Raises:
        ValueError: No strategy of that name was registered.
    """
    lookup("registered strategy", name, _REGISTERED)
    del _REGISTERED[name]


def strategy_names() -> tuple[str, ...]:
    """Return the names that were registered."""
    return tuple(_REGISTERED)


def find_strategy(name: str, options: Mapping[str, Any]) -> SearchStrategy:
    """Return a registered strategy, made with options.

    Raises:
        ValueError: There is no such name.
        TypeError: Its constructor has no such option.
    """
    made = lookup("registered strategy", name, _REGISTERED)
    check_options(name, options, made)
    return made(**options)


def name_of(strategy: SearchStrategy) -> str:
    """Return a strategy's name.

    Raises:
        TypeError: Its constructor did not call that of ``SearchStrategy``.
    """
    if not hasattr(strategy, "name"):
        raise TypeError(f"{type(strategy).__name__} has no name: call super().__init__ with one")
    return strategy.name
