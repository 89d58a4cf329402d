"""Whole configurations of a define-by-run function, for every sampler that proposes them."""

from __future__ import annotations

from neural_automl.samplers._define_by_run._announce import AnnouncingSampler
from neural_automl.samplers._define_by_run._claims import EXHAUSTED, STOP_REASON
from neural_automl.samplers._define_by_run._configuration import (
    Configuration,
    complete,
    draw,
    replay,
    trial_rng,
    values_key,
)
from neural_automl.samplers._define_by_run._losses import (
    final_values,
    losses,
    values_are_known,
)
from neural_automl.samplers._define_by_run._moves import (
    Feasible,
    Identity,
    changeable,
    crossover,
    is_allowed,
    mutate,
    neighbours,
    new_or_any,
    perturbed,
    propose_new,
)
from neural_automl.samplers._define_by_run._observations import (
    SKIPPED,
    Observation,
    StudyReader,
    seen_keys,
)
from neural_automl.samplers._define_by_run._options import check_at_least
from neural_automl.samplers._define_by_run._per_study import PerStudy
from neural_automl.samplers._define_by_run._recording import RecordingTrial, Suggest
from neural_automl.samplers._define_by_run._sampler import ConfigurationSampler, check_suggest
from neural_automl.samplers._define_by_run._values import (
    NumericDistribution,
    contains,
    draw_value,
    ends,
    from_unit,
    is_long,
    n_values,
    other_value,
    other_values,
    to_unit,
)

__all__ = [
    "EXHAUSTED",
    "SKIPPED",
    "STOP_REASON",
    "AnnouncingSampler",
    "Configuration",
    "ConfigurationSampler",
    "Feasible",
    "Identity",
    "NumericDistribution",
    "Observation",
    "RecordingTrial",
    "StudyReader",
    "Suggest",
    "changeable",
    "PerStudy",
    "check_at_least",
    "check_suggest",
    "complete",
    "contains",
    "crossover",
    "draw",
    "draw_value",
    "ends",
    "final_values",
    "from_unit",
    "is_allowed",
    "is_long",
    "losses",
    "mutate",
    "n_values",
    "neighbours",
    "new_or_any",
    "other_value",
    "other_values",
    "perturbed",
    "propose_new",
    "replay",
    "seen_keys",
    "to_unit",
    "trial_rng",
    "values_are_known",
    "values_key",
]
