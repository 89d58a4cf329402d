from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from neural_automl.architecture import Architecture, check_sections, without_batch
from neural_automl.architecture_space._constraints import (
    Constraint,
    as_constraints,
    check_least,
    violations,
)
from neural_automl.architecture_space._describe import SpaceSummary, describe, number_text
from neural_automl.architecture_space._encode import encode
from neural_automl.architecture_space._nodes import (
    LayerChoice,
    LayersLike,
    Node,
    as_nodes,
    node_from_dict,
)
from neural_automl.architecture_space._normal import normalise
from neural_automl.architecture_space._paths import Located, body_paths
from neural_automl.architecture_space._reach import least_costs
from neural_automl.architecture_space._reading import check_nesting, check_offers, read_text
from neural_automl.architecture_space._recover import recover_choices
from neural_automl.architecture_space._size import count_configurations
from neural_automl.architecture_space._suggest import RandomTrial, Trial, Walk
from neural_automl.architecture_space._training import TrainingSpace
from neural_automl.architecture_space._tree import decisions, tied_places
from neural_automl.exceptions import NoFeasibleArchitectureError, SpaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from neural_automl.architecture_space._values import Open
    from neural_automl.primitives import Shape

_TRAINING: Final = ("loss", "optimizer", "training", "execution")
_SECTIONS: Final = ("name", "input", "layers", *_TRAINING, "constraints")
_ATTEMPTS: Final = 1000


class ArchitectureSpace:
    """A declarative tree of fixed layers and choices: every network that may be tried.

    Args:
        input_shape: Channels-last, without the batch: ``(height, width, channels)``,
            ``(length, channels)`` or ``(features,)``. A leading None is taken for the batch.
        layers: From input to output: nodes of this module, names of layer types, or
            dictionaries with ``type``, ``params`` and ``sublayers``.
        hyperparameters: ``loss``, ``optimizer`` (a name, a ``Call`` or ``{"type", "params"}``),
            ``training`` and ``execution`` (mappings), or paths like ``optimizer.learning_rate``;
            the loss and any value of optimizer and training may be open.
        constraints: A mapping of metrics to upper limits, or a list of ``Constraint``.
        layer_choices: Choices that come before ``fixed_layers``; an alternative to ``layers``.
        fixed_layers: Layers that come after ``layer_choices``.
        name: The networks' name.

    Raises:
        SpaceError: Something breaks a rule; the message says where.

    Example:
        >>> space = ArchitectureSpace(
        ...     (8, 8, 1),
        ...     [Layer("Conv2D", Choice(8, 16), 3), "Flatten", Layer("Dense", 10)],
        ... )
        >>> space.get_search_space_size()
        2
    """

    def __init__(
        self,
        input_shape: Shape,
        layers: LayersLike = (),
        hyperparameters: Mapping[str, Any] | None = None,
        constraints: Any = (),
        *,
        layer_choices: Iterable[LayerChoice] = (),
        fixed_layers: LayersLike = (),
        name: str = "Network",
    ) -> None:
        self.input_shape: Shape = without_batch(input_shape)
        self.name = name
        self._nodes: tuple[Node, ...] = ()
        self._training = TrainingSpace.from_hyperparameters(hyperparameters or {})
        self._constraints = as_constraints(constraints)
        self._set((*as_nodes(layers), *as_nodes(layer_choices), *as_nodes(fixed_layers)))

    # --- what it holds ------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The tree, with groups and fixed repetitions written out."""
        return self._nodes

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The limits that an architecture must keep."""
        return self._constraints

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Loss, optimizer, training and execution, as far as given."""
        return self._training.sections()

    def decisions(self, *, training: bool = True) -> dict[str, Open | tuple[Any, ...]]:
        """Return every parameter of a study of this space, in the order of the tree.

        The value is what is open, or the labels that a decision about structure chooses from.
        Without ``training``, what loss, optimizer and training settings alone decide is left out.
        """
        return decisions(self._located(), self._training.values() if training else ())

    def tied(self) -> dict[str, int]:
        """Return the decisions that are used in several places, and in how many."""
        return tied_places(self._located(), self._training.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArchitectureSpace):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.input_shape, self._nodes))

    def __repr__(self) -> str:
        size = number_text(self.get_search_space_size())
        return (
            f"ArchitectureSpace({self.name!r}, input_shape={self.input_shape}, "
            f"{len(self._nodes)} layers, {size} configurations)"
        )

    # --- building it up -----------------------------------------------------------------------

    def add_layer_choice(
        self, alternatives: Iterable[LayersLike] | LayerChoice, *, name: str | None = None
    ) -> None:
        """Append a choice of layers.

        Raises:
            SpaceError: There is no alternative, or a tie offers something else; the space is as
                it was before.
        """
        choice = (
            alternatives
            if isinstance(alternatives, LayerChoice)
            else LayerChoice(alternatives, name=name)
        )
        self._set((*self._nodes, choice))

    def add_fixed_layer(self, layer: LayersLike) -> None:
        """Append a layer; its values may be open.

        Raises:
            SpaceError: It is no layer, or a tie offers something else; the space is as it was
                before.
        """
        self._set((*self._nodes, *as_nodes(layer)))

    def add_hyperparameter(self, name: str, value: Any) -> None:
        """Set a hyperparameter of the training, open or not.

        Args:
            name: ``loss``, ``optimizer`` (its name), or a path like ``optimizer.learning_rate``
                or ``training.batch_size``.

        Raises:
            SpaceError: There is no such hyperparameter, the value breaks a rule, or a tie offers
                something else; the space is as it was before.
        """
        self._set(self._nodes, self._training.with_value(name, value))

    def add_constraint(self, metric: str, limit: float, op: str = "<=") -> None:
        """Append a limit on a cost.

        Raises:
            SpaceError: An unknown metric or operator.
        """
        self._constraints = (*self._constraints, Constraint(metric, op, limit))

    def _set(self, nodes: Iterable[Node], training: TrainingSpace | None = None) -> None:
        """Take nodes and training over, if what bears one name offers the same."""
        written = normalise(nodes)
        training = training or self._training
        decisions(body_paths(written, "layers"), training.values())
        self._nodes, self._training = written, training

    def _located(self) -> list[Located]:
        return body_paths(self._nodes, "layers")

    # --- points of it -------------------------------------------------------------------------

    def suggest(self, trial: Trial) -> Architecture:
        """Return the architecture that a trial decides on.

        Args:
            trial: Any Optuna trial, or what has its three ``suggest`` methods.

        Raises:
            SpaceError: Arithmetic over continuous values leaves the bounds of a hyperparameter.
        """
        walk = Walk(trial)
        layers = walk.layers(self._located())
        training = self._training.suggest(walk)
        return Architecture(
            self.input_shape,
            tuple(layers),
            choices=walk.choices,
            name=self.name,
            **training,
        )

    def choices_of(self, architecture: Architecture) -> dict[str, Any]:
        """Return the decisions that lead to an architecture, one built by hand too.

        Defaults may be given or not. Of several ways to decide, the first is returned.

        Raises:
            SpaceError: The architecture is not in the space; or, very rarely, there are too many
                ways to read it, or arithmetic over a continuous value would have to be solved.
        """
        values = self._training.values()
        return recover_choices(self.suggest, self._located(), values, architecture)

    def encode(self, architecture: Architecture) -> list[float]:
        """Return an architecture as 132 numbers, for models: ``features`` of a sampler.

        Logarithms of 1 plus: counts of primitives with their parameters (32 numbers), of paths of
        two and three primitives (32), and of Weisfeiler-Lehman labels of the simplified graph
        (64), hashed, so that they mean the same in every process and space; parameters, MACs, peak
        activation memory and depth. Training does not count. Takes some milliseconds.

        Raises:
            ShapeError: A layer cannot take the shape that reaches it.
        """
        return encode(architecture)

    def sample_architecture(
        self, seed: int | None = None, *, feasible: bool = True
    ) -> Architecture:
        """Return an architecture drawn at random, without a study.

        Args:
            seed: Of the draw; None draws differently each time.
            feasible: Whether to draw until one meets the constraints.

        Raises:
            NoFeasibleArchitectureError: None of 1,000 draws met them.
        """
        trial = RandomTrial(seed)
        for _ in range(_ATTEMPTS):
            try:
                architecture = self.suggest(trial)
            except SpaceError:  # its training leaves its bounds: as infeasible as a shape
                continue
            if not feasible or not self.violations(architecture):
                return architecture
        raise NoFeasibleArchitectureError(
            f"none of {_ATTEMPTS} sampled architectures met the constraints "
            f"({', '.join(map(str, self._constraints)) or 'shapes that follow'})"
        )

    def violations(self, architecture: Architecture) -> dict[str, float]:
        """Return what makes an architecture infeasible, with by how much; empty if it is not.

        Shapes that cannot follow are the violation ``shape``, by 1; of several limits on one cost
        the one broken by most counts.

        Raises:
            UnknownLayerError: A layer is not in the table.
        """
        return violations(self._constraints, architecture)

    def get_search_space_size(self, *, training: bool = True) -> int | float:
        """Return how many configurations there are; ``inf`` where one is continuous.

        Exact: a parameter counts only where it exists, and what is tied counts once.

        Args:
            training: Whether loss, optimizer and training settings count; without them, it is
                the number of architectures.
        """
        values = self._training.values() if training else []
        return count_configurations(self._located(), values)

    def describe(self, *, samples: int = 500, seed: int = 0) -> SpaceSummary:
        """Return the space in numbers: size, decisions, and costs of random architectures.

        Takes about as long as the costs and keys of 1,500 architectures.

        Args:
            samples: Architectures to draw, at least 1; a space of no more is gone through whole.
            seed: Of the draw.

        Raises:
            ValueError: Fewer samples than 1.
        """
        if samples < 1:
            raise ValueError(f"`samples` must be at least 1 but got {samples}")
        return describe(self, samples, seed)

    def longest_training(self) -> int:
        """Return the most epochs that an architecture of this space asks for."""
        return self._training.longest()

    def check(self) -> None:
        """Look for what no choice can mend.

        Raises:
            ShapeError: A layer cannot take any shape that can reach it.
            NoFeasibleArchitectureError: The least that any architecture costs is above a limit.
        """
        check_least(least_costs(self.input_shape, self._located()), self._constraints)

    # --- text and dictionary ------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the space as JSON-able data in a stable order."""
        data: dict[str, Any] = {
            "name": self.name,
            "input": {"shape": list(self.input_shape)},
            "layers": [node.to_dict() for node in self._nodes],
            **self._training.to_dict(),
        }
        if self._constraints:
            data["constraints"] = [constraint.to_dict() for constraint in self._constraints]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ArchitectureSpace:
        """Return the space of such data.

        Raises:
            SpaceError: The data has another form, or breaks a rule.
        """
        return cls._from_dict(data, {})

    @classmethod
    def _from_dict(
        cls, data: Mapping[str, Any], positions: Mapping[tuple[int, ...], tuple[int, int]]
    ) -> ArchitectureSpace:
        check_nesting(data)
        shape, layers = check_sections(data, "a space", _SECTIONS)
        return cls(
            shape,
            [node_from_dict(layer, positions, (index,)) for index, layer in enumerate(layers)],
            {key: data[key] for key in _TRAINING if key in data},
            data.get("constraints", ()),
            name=data.get("name", "Network"),
        )

    @classmethod
    def _convert_from_hpo(cls, model_dict: Mapping[str, Any], hpo_params: Any) -> ArchitectureSpace:
        """Return the space of what ``neural_dsl.ModelTransformer`` gives.

        Args:
            model_dict: The dictionary form.
            hpo_params: What is open in it, or None: the dictionary says it all, and a list is
                compared with it.

        Raises:
            SpaceError: The dictionary breaks a rule, or the two disagree.
        """
        space = cls.from_dict(model_dict)
        if hpo_params is not None:
            check_offers(hpo_params, space.decisions())
        return space

    @classmethod
    def from_dsl(cls, text_or_path: str | Path) -> ArchitectureSpace:
        """Return the space of a text of the space language, or of a file of it.

        Args:
            text_or_path: A string without ``{`` and newline is a path.

        Raises:
            DSLError: The text breaks a rule; the error has line and column.
            OSError: The file cannot be read.
        """
        from neural_automl.dsl import is_text, parse

        if isinstance(text_or_path, Path) or not is_text(text_or_path):
            text_or_path = read_text(Path(text_or_path))
        network = parse(text_or_path)
        for text in network.warnings:
            warnings.warn(text, UserWarning, stacklevel=2)
        try:
            space = cls._from_dict(network.model, network.positions)
            space.check()
        except SpaceError as error:
            raise network.error(error.message, error.position) from error
        except NoFeasibleArchitectureError as error:
            raise network.error(str(error), network.sections.get("constraints")) from error
        return space

    def to_dsl(self) -> str:
        """Return the space as text of the space language."""
        from neural_automl.dsl import print_network

        return print_network(self.to_dict())
