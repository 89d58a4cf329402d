"""Layers of a user's own: in text and Python, counted, built, searched, taken home."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

import neural_automl
from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import (
    ArchitectureSpace,
    Choice,
    Layer,
    LayerChoice,
    Residual,
)
from neural_automl.data import load_data
from neural_automl.dsl import _evaluate, _grammar
from neural_automl.engine import AutoMLEngine
from neural_automl.exceptions import (
    ExportError,
    NeuralAutoMLError,
    ShapeError,
    SpaceError,
    UnknownLayerError,
)
from neural_automl.export import export_architecture
from neural_automl.layers import LAYERS, REGISTERED, register_layer, unregister_layer
from neural_automl.layers._register import RESERVED
from neural_automl.nas_operations import NASOperation, register_operation
from neural_automl.parameters import Parameter
from neural_automl.primitives import PRIMITIVES

if TYPE_CHECKING:
    from collections.abc import Iterator


ROOT = Path(__file__).parents[1]


class Mix(nn.Module):
    """Two 1x1 convolutions, added; (batch, channels, height, width)."""

    def __init__(self, in_channels: int, width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.left = nn.Conv2d(in_channels, width, 1)
        self.right = nn.Conv2d(in_channels, width, 1, bias=False)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.left(x) + self.scale * self.right(x)
        return made

    class Inside(nn.Module):
        def __init__(self, input_shape: tuple[int, ...]) -> None:
            super().__init__()
            self.input_shape = input_shape

        def forward(self, x: Tensor) -> Tensor:
            assert tuple(x.shape[1:]) == self.input_shape
            return x


def make_mix(values: Any, input_shape: tuple[int, ...]) -> nn.Module:
    return Mix(input_shape[-1], values["width"], values["scale"])


def make_layer(values: Any, input_shape: tuple[int, ...], name: str) -> Any:
    return None


def make_nothing(values: Any, input_shape: tuple[int, ...]) -> Any:
    return "no module"


def mix_shape(values: Any, x: tuple[int, ...]) -> tuple[int, ...]:
    height, width, _ = x
    return (height, width, values["width"])


def mix_params(values: Any, x: tuple[int, ...]) -> int:
    return int(values["width"] * (2 * x[-1] + 1))


def mix_macs(values: Any, x: tuple[int, ...]) -> int:
    return int(2 * x[0] * x[1] * x[2] * values["width"])


MIX: dict[str, Any] = {
    "parameters": {"width": int, "scale": 1.0},
    "shape": mix_shape,
    "params": mix_params,
    "macs": mix_macs,
    "pytorch": Mix,
}
SAME: dict[str, Any] = {
    "parameters": {},
    "shape": lambda values, x: x,
    "params": lambda values, x: 0,
    "macs": lambda values, x: 0,
}


@pytest.fixture(autouse=True)
def _tables_as_before() -> Iterator[None]:
    before = set(REGISTERED), dict(LAYERS), dict(PRIMITIVES)
    yield
    for name in set(REGISTERED) - before[0]:
        unregister_layer(name)
    assert (dict(LAYERS), dict(PRIMITIVES)) == before[1:]


def image(*layers: LayerConfig, shape: tuple[int, ...] = (5, 4, 3), **options: Any) -> Architecture:
    return Architecture(shape, layers, **options)


def load(source: str) -> Any:
    module = ModuleType("exported")
    exec(compile(source, "model.py", "exec"), module.__dict__)
    return module


TEXT = """
network Mixed {
  input: (8, 8, 1)
  layers:
    Conv2D(4, 3, padding="same")
    Mix(choice(4, 6), scale=0.5)
    residual { Mix(width=channels) }
    GlobalAveragePooling2D()
    Output(10)
  optimizer: Adam(learning_rate=0.01)
}
"""


# --- in spaces ------------------------------------------------------------------------------


def test_text_and_python_know_it_at_once() -> None:
    register_layer("Mix", **MIX)

    space = ArchitectureSpace.from_dsl(TEXT)
    written = ArchitectureSpace(
        (8, 8, 1),
        [
            Layer("Conv2D", 4, 3, padding="same"),
            Layer("Mix", Choice(4, 6), scale=0.5),
            Residual(Layer("Mix", 4)),
            "GlobalAveragePooling2D",
            Layer("Output", 10),
        ],
    )

    assert space.get_search_space_size() == written.get_search_space_size() == 2
    assert ArchitectureSpace.from_dsl(space.to_dsl()).to_dict() == space.to_dict()
    assert ArchitectureSpace.from_dict(json.loads(json.dumps(space.to_dict()))) is not None
    written.check()
    assert written.sample_architecture(0).graph.output_shape == (10,)


def test_values_are_checked_like_those_of_any_layer() -> None:
    parameters = [Parameter("width", "integer", minimum=1), Parameter("scale", "number", 1.0)]
    register_layer("Mix", **{**MIX, "parameters": parameters})

    for arguments, message in (
        ({}, "Mix requires 'width'"),
        ({"width": 0}, "Mix: 'width' must be positive"),
        ({"width": 4, "scale": "a"}, "Mix: 'scale' must be a number"),
        ({"with": 4}, "Mix has no parameter 'with'; did you mean width"),
    ):
        with pytest.raises(SpaceError, match=message):
            Layer("Mix", **arguments)


def test_the_short_form_of_parameters() -> None:
    short = {"a": 1, "b": 0.5, "c": True, "d": "x", "e": (1, 2), "f": int, "g": str, "h": tuple}
    register_layer("Same", **{**SAME, "parameters": short, "pytorch": make_mix})

    assert [(p.name, p.kind, p.required) for p in LAYERS["Same"].parameters] == [
        ("a", "integer", False),
        ("b", "number", False),
        ("c", "boolean", False),
        ("d", "string", False),
        ("e", "shape", False),
        ("f", "integer", True),
        ("g", "string", True),
        ("h", "shape", True),
    ]
    assert [p.default for p in LAYERS["Same"].parameters[:5]] == [1, 0.5, True, "x", (1, 2)]


def test_shapes_that_cannot_follow_name_the_layer() -> None:
    register_layer("Mix", **MIX)

    with pytest.raises(ShapeError, match=r"layers\[0\]: Mix .* not enough values to unpack"):
        _ = image(LayerConfig("Mix", {"width": 3}), shape=(4,)).cost


# --- counted and built ----------------------------------------------------------------------


@pytest.mark.parametrize("pytorch", [Mix, make_mix], ids=["class", "function"])
def test_counts_module_and_source_agree(pytorch: Any) -> None:
    register_layer("Mix", **{**MIX, "pytorch": pytorch})
    layers = [LayerConfig("Mix", {"width": w, "scale": 0.25}) for w in (2, 4)]
    architecture = image(*layers, LayerConfig("Flatten"), LayerConfig("Dense", {"units": 2}))
    torch.manual_seed(0)

    model = architecture.build().eval()
    exported = load(architecture.to_source()).Network().eval()

    exported.load_state_dict(model.state_dict())
    inputs = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(exported(inputs), model(inputs), rtol=0, atol=0)
    cost = architecture.cost
    assert cost.params == sum(p.numel() for p in model.parameters()) == 14 + 20 + 162
    assert cost.macs == 2 * 20 * (3 * 2 + 2 * 4) + 160
    assert cost.depth == 3
    assert list(dict(model.named_children())) == ["mix1", "mix2", "dense1"]


def test_a_model_is_pickled_with_it() -> None:
    register_layer("Mix", **MIX)
    model = image(LayerConfig("Mix", {"width": 3})).build()

    again = pickle.loads(pickle.dumps(model))

    inputs = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(again(inputs), model(inputs))


@pytest.mark.parametrize(
    ("layout", "shape", "seen"),
    [
        ("channels_first", (5, 4, 3), (3, 5, 4)),
        ("channels_last", (5, 4, 3), (5, 4, 3)),
        ("channels_first", (7, 2), (2, 7)),
        ("channels_last", (7, 2), (7, 2)),
        ("channels_first", (6,), (6,)),
        ("channels_last", (6,), (6,)),
    ],
)
def test_the_module_gets_the_layout_that_it_declares(layout: Any, shape: Any, seen: Any) -> None:
    seen_shapes = []

    class Look(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen_shapes.append(tuple(x.shape[1:]))
            return x

    register_layer("Look", **{**SAME, "pytorch": lambda values, x: Look(), "layout": layout})
    architecture = image(LayerConfig("Look"), LayerConfig("ReLU"), shape=shape)
    inputs = torch.rand(2, *((shape[-1], *shape[:-1]) if len(shape) == 3 else shape))

    made = architecture.build()(inputs)

    assert seen_shapes == [seen]
    torch.testing.assert_close(made, inputs)


def test_names_of_attributes_never_meet() -> None:
    for name in ("Conv1", "conv", "Conv1_"):
        register_layer(name, **{**MIX, "pytorch": make_mix})
    layers = [LayerConfig(name, {"width": 3}) for name in ("Conv1", "conv", "Conv1_")]
    layers += [LayerConfig("Conv2D", {"filters": 3, "kernel_size": 1})] * 12

    names = [name for name, _ in image(*layers).build().named_children()]

    assert len(set(names)) == len(names) == 15


class Fewer(Mix):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:1]


class Twice(Mix):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), x


HELD: dict[str, tuple[dict[str, Any], str, type[Exception], str]] = {
    "params": (
        {"params": lambda v, x: 1234},
        "build",
        ValueError,
        "'params' of Mix says 1,234 parameters but its module has 21",
    ),
    "module": ({"pytorch": make_nothing}, "build", TypeError, "must give a module but gave str"),
    "shape": (
        {"shape": lambda v, x: (*x[:2], 9)},
        "run",
        ValueError,
        r"says that its module gives \(9, 5, 4\) but it gives \(3, 5, 4\)",
    ),
    "no shape": ({"shape": lambda v, x: None}, "count", TypeError, "'shape' of Mix must return"),
    "sizes": ({"shape": lambda v, x: (0, 1)}, "count", TypeError, r"for \(5, 4, 3\) returned \(0,"),
    "too long": ({"shape": lambda v, x: (1,) * 4}, "count", TypeError, "one to three positive"),
    "samples": (
        {"pytorch": Fewer},
        "run",
        ValueError,
        r"^layers\[0\]: the module of Mix must return as many samples as it gets, 2, but returned",
    ),
    "two values": (
        {"pytorch": Twice},
        "run",
        TypeError,
        r"^layers\[0\]: the module of Mix must return a tensor but returned tuple",
    ),
    "lazy": (
        {"pytorch": lambda v, x: nn.LazyConv2d(v["width"], 1)},
        "build",
        TypeError,
        r"^layers\[0\]: 'pytorch' of Mix must give a module whose sizes are known but 'weight' is",
    ),
    "values of its own": (
        {"shape": lambda v, x: (*x[:2], v.pop("width"))},
        "count",
        NeuralAutoMLError,
        "'shape' of Mix .* AttributeError: 'mappingproxy'",
    ),
    "real params": (
        {"params": lambda v, x: 0.5},
        "count",
        TypeError,
        "'params' of Mix must return",
    ),
    "negative macs": ({"macs": lambda v, x: -1}, "count", TypeError, "'macs' of Mix must .* -1"),
}


@pytest.mark.parametrize(("changed", "when", "error", "message"), HELD.values(), ids=HELD)
def test_a_layer_is_held_to_what_it_says(
    changed: dict[str, Any], when: str, error: type[Exception], message: str
) -> None:
    register_layer("Mix", **{**MIX, **changed})
    architecture = image(LayerConfig("Mix", {"width": 3}))

    def go_on_until(last: str) -> None:
        _ = architecture.cost
        if last != "count":
            model = architecture.build()
            if last == "run":
                model(torch.zeros(2, 3, 5, 4))

    if when == "run":
        go_on_until("build")
    with pytest.raises(error, match=message):
        go_on_until(when)


class Odd(Exception):
    """What a user's code may raise."""


def _first(values: Any, x: tuple[int, ...]) -> tuple[int, ...]:
    return (x[0], x[1], values["width"])


def _odd(values: Any, x: tuple[int, ...]) -> int:
    raise Odd("away")


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "unpacking": ({}, ValueError, r"Mix can't take the shape \(60,\): not enough values"),
    "index": (
        {"shape": _first},
        IndexError,
        r"Mix can't take the shape \(60,\): 'shape' raised IndexError: tuple index",
    ),
    "type": (
        {"shape": lambda v, x: (*x[:2], v["width"] + (() if x[1:] == () else 0))},
        TypeError,
        "'shape' raised TypeError: unsupported operand",
    ),
    "count": (
        {"shape": lambda v, x: (*x[:2], v["width"])},
        IndexError,
        "'macs' raised IndexError: tuple index",
    ),
}


@pytest.mark.parametrize(("changed", "cause", "message"), REFUSED.values(), ids=REFUSED)
def test_a_shape_that_its_function_fails_on_is_infeasible(
    changed: dict[str, Any], cause: type[Exception], message: str
) -> None:
    register_layer("Mix", **{**MIX, **changed})
    mix = Layer("Mix", width=2)
    space = ArchitectureSpace((5, 4, 3), [LayerChoice(["Flatten", "ReLU"]), mix, "Flatten"])

    with pytest.raises(ShapeError, match=message) as caught:
        _ = image(LayerConfig("Flatten"), LayerConfig("Mix", {"width": 2})).cost

    assert caught.value.path == "layers[1]"
    assert caught.value.__cause__ is not None
    assert type(caught.value.__cause__.__cause__) is cause
    space.check()
    assert 0 < space.describe(samples=40).feasible < 1
    with pytest.raises(ShapeError, match=message):
        ArchitectureSpace((5, 4, 3), ["Flatten", mix]).check()


@pytest.mark.parametrize("what", ["shape", "params", "macs"])
def test_a_mistake_in_a_function_names_it(what: str) -> None:
    register_layer("Mix", **{**MIX, what: _odd})

    message = rf"'{what}' of Mix \(_odd of {__name__}\) failed for the shape \(5, 4, 3\): Odd: away"
    with pytest.raises(NeuralAutoMLError, match=message) as caught:
        ArchitectureSpace((5, 4, 3), [Layer("Mix", width=2)]).describe(samples=2)
    assert isinstance(caught.value.__cause__, Odd)


def test_each_layer_has_a_module_of_its_own() -> None:
    one = nn.Conv2d(3, 3, 1)
    facts = {"params": lambda v, x: 12, "pytorch": lambda v, x: one}
    register_layer("One", **{**SAME, **facts})

    assert image(LayerConfig("One")).build()(torch.zeros(1, 3, 5, 4)).shape == (1, 3, 5, 4)
    with pytest.raises(ValueError, match=r"^layers\[1\]: 'pytorch' of One must make a new module"):
        image(LayerConfig("One"), LayerConfig("One")).build()


def test_a_network_whose_layer_was_taken_out_is_not_built() -> None:
    register_layer("Mix", **MIX)
    architecture = image(LayerConfig("Mix", {"width": 3}))
    assert architecture.graph.output_shape == (5, 4, 3)

    unregister_layer("Mix")

    with pytest.raises(UnknownLayerError, match=r"^layers\[0\]: Mix is no layer any more"):
        architecture.build()
    with pytest.raises(UnknownLayerError, match="Mix is no layer any more"):
        _ = architecture.cost


# --- source ---------------------------------------------------------------------------------


def test_source_imports_what_is_the_users() -> None:
    register_layer("Mix", **MIX)
    register_layer("Inside", **{**SAME, "pytorch": Mix.Inside, "layout": "channels_last"})
    register_layer("Made", **{**MIX, "pytorch": make_mix})
    wide = LayerConfig("Mix", {"width": 3})
    source = image(wide, LayerConfig("Inside"), LayerConfig("Made", {"width": 2}), name="Mix")

    text = source.to_source()

    assert f"\nfrom {__name__} import Mix as Mix_\nfrom {__name__} import make_mix\n" in text
    assert "self.mix1 = Mix_(in_channels=3, width=3, scale=1.0)\n" in text
    assert "self.inside1 = Mix_.Inside(input_shape=(5, 4, 3))\n" in text
    assert 'self.made1 = make_mix({"width": 2, "scale": 1.0}, (5, 4, 3))\n' in text
    assert load(text).Mix()(torch.zeros(1, 3, 5, 4)).shape == (1, 2, 5, 4)


def test_source_of_long_values_is_formatted(tmp_path: Path) -> None:
    long = {f"a_parameter_with_a_long_name_{i}": "a" * 9 * i for i in range(4)}
    register_layer("Long", **{**SAME, "parameters": long, "pytorch": make_mix})
    file = tmp_path / "model.py"
    file.write_text(image(LayerConfig("Long")).to_source())
    command = [sys.executable, "-m", "ruff"]

    for arguments in (["format", "--diff", "--line-length", "88"], ["check", "--select", "E,F,I"]):
        found = subprocess.run(
            [*command, *arguments, "--isolated", "--no-cache", str(file)],
            cwd=ROOT,  # where the class's module is first-party
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr


def _local() -> type[nn.Module]:
    class Local(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    return Local


Renamed = _local()
Renamed.__qualname__ = "Elsewhere"


class InNotebook(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


InNotebook.__module__ = "__main__"


@pytest.mark.parametrize(
    ("pytorch", "message"),
    [
        (_local(), r"can't import _local.<locals>.Local of .*: it is defined inside a function"),
        (lambda values, x: nn.Identity(), "<lambda> of .*: it is defined inside a function"),
        (Renamed, "can't import Elsewhere of .*holds nothing of that name"),
        (InNotebook, "InNotebook of __main__: it is defined in the script or notebook that runs"),
    ],
    ids=["local", "lambda", "renamed", "notebook"],
)
def test_source_cannot_import_what_has_no_place(pytorch: Any, message: str) -> None:
    register_layer("Own", **{**SAME, "pytorch": pytorch})
    architecture = image(LayerConfig("Own"))

    assert architecture.build()(torch.ones(1, 3, 5, 4)).sum() == 60
    with pytest.raises(ExportError, match=message) as caught:
        architecture.to_source()
    assert "define it at the top of a module" in str(caught.value)


class __Hidden(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class Keeping(nn.Module):
    def __init__(self, **values: Any) -> None:
        super().__init__()
        self.values = values

    def forward(self, x: Tensor) -> Tensor:
        return x


def self(values: Any, x: tuple[int, ...]) -> nn.Module:
    return Keeping(**values)


UNWRITABLE: dict[str, tuple[dict[str, Any], str]] = {
    "two underscores": ({"pytorch": globals()["__Hidden"]}, "Python renames in a class"),
    "word of Python": (
        {"pytorch": Keeping, "parameters": {"lambda": 1}},
        "can't name the parameter 'lambda'",
    ),
    "renamed parameter": (
        {"pytorch": Keeping, "parameters": {"__x": 1}},
        "can't name the parameter '__x'",
    ),
    "long integer": (
        {"pytorch": Keeping, "parameters": {"long": 10**5000}},
        "the source can't hold a value of type int too long to write",
    ),
}


@pytest.mark.parametrize(("changed", "message"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_no_file_can_say_is_an_error(changed: dict[str, Any], message: str) -> None:
    register_layer("Own", **{**SAME, **changed})

    with pytest.raises(ExportError, match=message):
        image(LayerConfig("Own")).to_source()


@pytest.mark.parametrize("module", ["my-layers", "class", "2fast", "own.in"])
def test_modules_that_no_statement_imports(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type("Kind", (Keeping,), {"__module__": module})
    held = ModuleType(module)
    held.Kind = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, held)
    register_layer("Own", **{**SAME, "pytorch": kind})

    with pytest.raises(ExportError, match=f"Kind of {module}: an import statement can't name"):
        image(LayerConfig("Own")).to_source()


@pytest.mark.parametrize("name", ["__x", "_", "_1", "Own"])
@pytest.mark.parametrize("pytorch", [self, Keeping], ids=["self", "class"])
def test_odd_names_and_values_make_source_that_runs(name: str, pytorch: Any) -> None:
    register_layer(name, **{**SAME, "pytorch": pytorch, "parameters": {"text": "\ud800é\x7f"}})
    architecture = image(LayerConfig(name), LayerConfig("Conv2D", {"filters": 2, "kernel_size": 1}))

    source = architecture.to_source()
    source.encode()
    exported = load(source).Network()

    assert list(exported.state_dict()) == list(architecture.build().state_dict())
    assert next(iter(exported.children())).values == {"text": "\ud800é\x7f"}


# --- searched -------------------------------------------------------------------------------


class Mixing(NASOperation):
    def __init__(self) -> None:
        super().__init__("mixing")

    def to_layer_config(self, in_ch: int, out_ch: int) -> Any:
        return [{"type": "Mix", "params": {"width": out_ch}}, {"type": "ReLU"}]

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        return out_ch * (2 * in_ch + 1)


def test_a_search_trains_and_exports_them(tmp_path: Path) -> None:
    register_layer("Mix", **MIX)
    register_operation(Mixing)
    text = TEXT.replace("residual {", "mixing(8) cell(3, [mixing, none]) residual {")
    data = load_data("digits")
    train, validation = ((x[:256], y[:256]) for x, y in (data.train, data.validation))
    engine = AutoMLEngine(
        search_strategy="random", early_stopping="none", output_dir=tmp_path / "out"
    )

    result = engine.search(text, train, validation, max_trials=2, max_epochs_per_trial=1)

    best = result.best_architecture
    assert len(result.study.trials) == 2
    assert result.best_trial.user_attrs["params"] == best.cost.params
    files = export_architecture(best, tmp_path / "exported", weights=best.build().state_dict())
    model = load((tmp_path / "exported" / "model.py").read_text()).Mixed()
    from safetensors.torch import load_file

    model.load_state_dict(load_file(files[-1]))
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_search_with_a_module_that_no_file_can_import_keeps_all_but_the_source(
    tmp_path: Path,
) -> None:
    class Local(Mix):
        pass

    register_layer("Mix", **{**MIX, "pytorch": Local})
    data = load_data("digits")
    train, validation = ((x[:64], y[:64]) for x, y in (data.train, data.validation))
    engine = AutoMLEngine(
        search_strategy="random", early_stopping="none", output_dir=tmp_path / "out"
    )

    result = engine.search(TEXT, train, validation, max_trials=1, max_epochs_per_trial=1)

    assert "Local" in result.best_trial.user_attrs["no_source"]
    assert sum(tensor.numel() for tensor in result.weights().values()) > 0


# --- registered and not ---------------------------------------------------------------------


def test_taken_out_it_is_unknown_and_may_mean_something_else() -> None:
    register_layer("Mix", **MIX)
    layer = LayerConfig("Mix", {"width": 2})
    assert image(layer).cost.params == 14

    unregister_layer("Mix")

    with pytest.raises(UnknownLayerError, match="unknown layer 'Mix'"):
        _ = image(layer).cost
    register_layer("Mix", **{**MIX, "params": lambda v, x: 5, "parameters": {"width": 1.5}})
    assert image(layer).cost.params == 5
    with pytest.raises(ValueError, match="no layer named 'Dense' was registered"):
        unregister_layer("Dense")


def test_the_message_of_a_second_registration_tells_the_way_out() -> None:
    register_layer("Mix", **MIX)

    with pytest.raises(ValueError, match=r"call `neural_automl\.layers\.unregister_layer` first"):
        register_layer("Mix", **MIX)


def test_a_kind_of_parameter_is_one_of_the_table() -> None:
    with pytest.raises(
        ValueError, match=r"the kind of 'units' must be one of integer, .* got 'foo'"
    ):
        Parameter("units", "foo", 3)  # type: ignore[arg-type]


def test_what_is_kept_of_a_registration() -> None:
    register_layer("Mix", **MIX, keras=make_layer)

    assert REGISTERED["Mix"].pytorch is Mix
    assert REGISTERED["Mix"].keras is make_layer
    assert REGISTERED["Mix"].row is LAYERS["Mix"]


def test_what_the_text_reserves_is_reserved() -> None:
    words = {*_evaluate.CONSTANTS, *_evaluate.OPEN_VALUES, "channels", "network", "define", "let"}
    words |= {section.lower() for section in _grammar.SECTIONS}

    assert words - RESERVED == set()


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "name of another kind": ({"name": 3}, TypeError, "name must be a string but got 3"),
    "no word": ({"name": "My Mix"}, ValueError, "must be made of letters, digits and '_'"),
    "digit first": ({"name": "3d"}, ValueError, "a digit not first, but is '3d'"),
    "long": (
        {"name": "A" * 101},
        ValueError,
        "a name must have at most 100 characters but is 'AAA",
    ),
    "long parameter": ({"parameters": {"a" * 101: 1}}, ValueError, "at most 100 characters"),
    "default of a row": (
        {"parameters": [Parameter("width", "integer", "3")]},
        TypeError,
        "'width' must be an integer but got '3'",
    ),
    "layer": ({"name": "Dense"}, ValueError, "'Dense' is registered already"),
    "alias": ({"name": "identity"}, ValueError, "'identity' is registered already"),
    "primitive": ({"name": "Pad"}, ValueError, "'Pad' is registered already"),
    "word of the text": ({"name": "input"}, ValueError, "it has a meaning of its own"),
    "parameters": ({"parameters": "width"}, TypeError, "'parameters' must be a list of Parameter"),
    "no parameter": ({"parameters": ["width"]}, TypeError, "must be a Parameter but got 'width'"),
    "default": ({"parameters": {"width": None}}, TypeError, "default of 'width' must be .* None"),
    "infinite default": ({"parameters": {"a": float("nan")}}, TypeError, "must be a finite number"),
    "type": ({"parameters": {"width": list}}, TypeError, "or one of their types, but is"),
    "taken parameter": ({"parameters": {"body": 1}}, ValueError, "'body' can't be the name"),
    "parameter is no word": ({"parameters": {"a b": 1}}, ValueError, "different words but one is"),
    "twice": (
        {"parameters": [Parameter("width", "integer")] * 2},
        ValueError,
        "different words but one is 'width'",
    ),
    "kind": (
        {"parameters": [Parameter("edges", "operations")]},
        ValueError,
        "'edges' of a layer can't be of kind operations",
    ),
    "shape": ({"shape": (3,)}, TypeError, r"'shape' must be a function but got \(3,\)"),
    "params": ({"params": 3}, TypeError, "'params' must be a function but got 3"),
    "macs": ({"macs": None}, TypeError, "'macs' must be a function but got None"),
    "module": ({"pytorch": nn.Identity()}, TypeError, "must be a class of modules or a function"),
    "layout": ({"layout": "NCHW"}, ValueError, "layout must be one of channels_first, channels_l"),
    "class without the parameter": (
        {"parameters": {"width": 3, "depth": 3}},
        TypeError,
        "Mix can't be called with in_channels, width, depth: got an unexpected keyword",
    ),
    "class that wants more": (
        {"parameters": {}},
        TypeError,
        "missing a required argument: 'width'",
    ),
    "function of one": (
        {"pytorch": mix_shape.__get__({})},
        TypeError,
        r"mix_shape can't be called with \(values, input_shape\): too many positional",
    ),
}


@pytest.mark.parametrize(("changed", "error", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_registered(
    changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        register_layer(**{"name": "Mix", **MIX, **changed})


def test_the_facade_names_both() -> None:
    assert neural_automl.register_layer is register_layer
    assert neural_automl.register_operation is register_operation
