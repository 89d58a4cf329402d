"""How much each choice mattered, where Optuna's PED-ANOVA can tell."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import optuna

if TYPE_CHECKING:
    from neural_automl.report._facts import Facts

#: With fewer results the estimate is noise.
_LEAST: Final = 10


def importances_of(facts: Facts) -> tuple[dict[str, float], str]:
    """Return the importance of each choice, largest first, and a sentence on it.

    Where it does not apply, there are none, and the sentence says why.

    Source: Watanabe et al., PED-ANOVA, IJCAI 2023; as Optuna computes it.
    """
    results = len(facts.complete)
    if results < _LEAST:
        return {}, f"Not estimated: {results} trials have a result, and it takes {_LEAST}."
    if facts.several:
        note = f"Of {facts.metrics[0]}, the first objective."
    else:
        note = f"Of {facts.metrics[0]}."
    if len({trial.values[0] for trial in facts.complete}) == 1:
        return {}, "Not estimated: all results are equal."
    target = (lambda trial: float(trial.values[0])) if facts.several else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few trials: the text says so
            found = optuna.importance.get_param_importances(facts.study, target=target)
    except (ValueError, RuntimeError) as error:
        return {}, f"Not estimated: {error}"
    if len(found) < 2:
        return {}, "Not estimated: fewer than two choices were open."
    text = (
        f"{note} PED-ANOVA compares how often a value stands among the best tenth of trials with "
        "how often among all; choices that few trials had are estimated from few."
    )
    return found, text
