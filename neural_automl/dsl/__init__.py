"""The space language: text to the dictionary form of a space, and back."""

from neural_automl.dsl._network import Network
from neural_automl.dsl._parse import is_text, parse
from neural_automl.dsl._print import print_network

__all__ = ["Network", "is_text", "parse", "print_network"]
