"""Write docs/layers.md from the table of layers itself.

    python docs/make_layers.py

A test checks that the page and the table agree.
"""

from __future__ import annotations

from pathlib import Path

from neural_automl.hyperparameters import LOSSES, OPTIMIZERS, SCHEDULES, TRAINING
from neural_automl.layers import ALIASES, LAYERS, LayerType
from neural_automl.parameters import Parameter

TARGET = Path(__file__).parent / "layers.md"
HEAD = """\
# Layers and settings

Made by `python docs/make_layers.py` from the tables that the program reads. Parameters stand in the
order of positional arguments; `*` marks one that must be given, the others show their default.
Shapes are channels-last: `(height, width, channels)`, `(length, channels)`, `(features,)`. A choice
may stand wherever a value stands.
"""
TRAINING_NOTES = """\
`validation_split` is the share of the training data that `neural-automl search`, or an evaluator
without validation data, holds out; a validation part that the data brings is taken as it is. What
`load_data` has split keeps its split: give it `validation_split=` there. For a search it must be a
plain number above 0. `search_method` is kept, for files of the Neural DSL, and has no effect:
`--strategy`, or the sampler, decides.

A last `softmax` (or `sigmoid`, with binary cross-entropy) belongs to the loss: it is left out of
the model that is built and exported, which gives logits. Apply it to them for probabilities.
"""


def shown(value: object) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def listed(parameters: tuple[Parameter, ...]) -> str:
    return ", ".join(
        f"`{p.name}`\\*" if p.required else f"`{p.name}` {shown(p.default)}" for p in parameters
    )


def row(layer: LayerType) -> str:
    block = {"none": "", "body": "a block", "branches": "branches"}[layer.blocks]
    return f"| `{layer.name}` | {listed(layer.parameters)} | {block} |"


def page() -> str:
    lines = [HEAD, "## Layers", "", "| layer | parameters | takes |", "|---|---|---|"]
    lines += [row(layer) for layer in LAYERS.values() if layer.name != "sequence"]
    lines += ["", "## Other spellings", "", "| written | means |", "|---|---|"]
    for alias, (name, preset) in ALIASES.items():
        values = ", ".join(f"{key}={value}" for key, value in preset.items())
        lines.append(
            f"| `{alias}` | `{name}({values})` |" if values else f"| `{alias}` | `{name}` |"
        )
    lines += ["", "## Optimizers", "", "| optimizer | parameters |", "|---|---|"]
    lines += [f"| `{name}` | {listed(parameters)} |" for name, parameters in OPTIMIZERS.items()]
    lines += ["", "## Schedules", "", "A schedule stands where a learning rate may.", ""]
    lines += ["| schedule | parameters |", "|---|---|"]
    lines += [f"| `{name}` | {listed(parameters)} |" for name, parameters in SCHEDULES.items()]
    lines += ["", "## Training", "", f"`train {{ ... }}` takes {listed(TRAINING)}.", ""]
    lines += [TRAINING_NOTES]
    lines += [f"`loss:` is one of {', '.join(f'`{name}`' for name in LOSSES)}.", ""]
    return "\n".join(lines)


def main() -> None:
    TARGET.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
