"""When two networks compute the same function: a graph simplified, in an order of its own."""

from neural_automl.canonical._key import CanonicalForm, canonical_form
from neural_automl.canonical._rules import COMMUTATIVE
from neural_automl.canonical._simplify import SimpleGraph, SimpleNode, simplify

__all__ = [
    "COMMUTATIVE",
    "CanonicalForm",
    "SimpleGraph",
    "SimpleNode",
    "canonical_form",
    "simplify",
]
