"""The random numbers of a sampler that somebody else wrote, made to belong to one trial."""

from __future__ import annotations

import random
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np
from optuna.samplers._lazy_random_state import LazyRandomState

# A sampler holds its generators itself, in samplers that it holds, or in their strategies.
_DEEPEST: Final = 6
_LONGEST: Final = 100
_NO_HOLDERS: Final = (type, FunctionType, MethodType, ModuleType)


def reseed(sampler: object, rng: np.random.Generator) -> None:
    """Seed every random generator that a sampler holds.

    Args:
        sampler: The sampler; its attributes are followed some levels down.
        rng: Draws the seeds, in the order of the attributes.
    """
    visited: set[int] = set()

    def visit(item: Any, depth: int) -> None:
        if id(item) in visited or depth > _DEEPEST:
            return
        visited.add(id(item))
        if isinstance(item, LazyRandomState):
            item.rng.seed(int(rng.integers(2**32)))
        elif isinstance(item, np.random.RandomState):
            item.seed(int(rng.integers(2**32)))
        elif isinstance(item, np.random.Generator):
            fresh = type(item.bit_generator)(int(rng.integers(2**32)))
            item.bit_generator.state = fresh.state
        elif isinstance(item, random.Random):
            item.seed(int(rng.integers(2**32)))
        elif isinstance(item, list | tuple):
            for element in item[:_LONGEST]:
                visit(element, depth + 1)
        elif isinstance(item, dict):
            for element in list(item.values())[:_LONGEST]:
                visit(element, depth + 1)
        elif hasattr(item, "__dict__") and not isinstance(item, _NO_HOLDERS):
            visit(vars(item), depth + 1)

    visit(vars(sampler), 0)
