"""What a study knows of a network, for its model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.export import ModelCard
from neural_automl.registry import summarise

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

#: The study's attribute that says what was done to the values of the inputs.
SCALING: Final = "inputs"
#: The study's attribute that holds what was measured on the test data, and of which trial.
TEST_METRICS: Final = "test_metrics"


def card_of(study: optuna.Study, trial: FrozenTrial) -> ModelCard:
    """Return what a study knows of a trial's network, for its model card."""
    attributes = trial.user_attrs
    metrics = {
        name: value
        for name, value in attributes.items()
        if name.startswith(("val_", "train_loss")) and isinstance(value, int | float)
    }
    test = study.user_attrs.get(TEST_METRICS, {})
    if test.get("trial") == trial.number:
        metrics |= test["metrics"]
    told = ("train_seconds", "seed", "device")
    return ModelCard(
        metrics=metrics,
        data_fingerprint=attributes.get("data_fingerprint", ""),
        found={
            "study": study.study_name,
            "trial": trial.number,
            "networks trained": summarise(study).trained,
            **{name: attributes[name] for name in told if name in attributes},
            **{f"`{name}`": value for name, value in trial.params.items()},
        },
        epochs=attributes.get("epochs"),
        scaling=study.user_attrs.get(SCALING, ""),
    )
