"""Names for samplers, and strategies of one's own: how the next architecture is proposed."""

from neural_automl.search_strategies._auto import Pick, pick_strategy
from neural_automl.search_strategies._names import (
    SAMPLER_NAMES,
    check_strategy,
    create_sampler,
    make_sampler,
)
from neural_automl.search_strategies._register import (
    register_strategy,
    strategy_names,
    unregister_strategy,
)
from neural_automl.search_strategies._strategy import SearchStrategy

__all__ = [
    "SAMPLER_NAMES",
    "Pick",
    "SearchStrategy",
    "check_strategy",
    "create_sampler",
    "make_sampler",
    "pick_strategy",
    "register_strategy",
    "strategy_names",
    "unregister_strategy",
]
