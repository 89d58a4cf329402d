from __future__ import annotations

from typing import TYPE_CHECKING

from neural_automl.backends._plan import class_name
from neural_automl.backends.pytorch._plan import make_plan

if TYPE_CHECKING:
    from torch import nn

    from neural_automl.architecture import Architecture


def build(architecture: Architecture) -> nn.Module:
    """Return the architecture as a module with fresh weights.

    Its parameters have the names that the source of the architecture gives them.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    plan = make_plan(architecture.graph)
    # Here, so that planning and writing source load no torch.
    from neural_automl.backends.pytorch._module import GraphModule

    return GraphModule(plan, class_name(architecture.name))
