"""What a study holds of the search that began it, so that workers can join it from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from neural_automl.exceptions import StudyError

if TYPE_CHECKING:
    import optuna

#: The attribute of the study: JSON, nothing that is executed.
SETTINGS: Final = "settings"


@dataclass(frozen=True)
class StudySettings:
    """How the trials of a study are proposed, trained and stopped.

    Attributes:
        engine: Options of ``AutoMLEngine`` by name; ``search_strategy`` and ``early_stopping`` are
            None where they were objects.
        epochs: The option ``max_epochs_per_trial`` of the search.
        data: Arguments of ``load_data``; None where the data came otherwise.
        artifacts: Folder of weights and sources.
    """

    engine: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    data: Mapping[str, Any] | None = None
    artifacts: str | None = None

    def write(self, study: optuna.Study) -> None:
        """Write the settings into a study, if they are not those that it holds."""
        now = asdict(self)
        if study.user_attrs.get(SETTINGS) != now:
            study.set_user_attr(SETTINGS, now)


def recorded(**options: Any) -> dict[str, Any]:
    """Return options of an engine as a study keeps them.

    What has its default, None, is left out. A strategy or early stopping that is an object, which
    no other program has, is kept as None.
    """
    found = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None
    }
    for name in ("search_strategy", "early_stopping"):
        found[name] = found[name] if isinstance(found.get(name), str) else None
    return found


def read_settings(study: optuna.Study) -> StudySettings:
    """Return the settings of a study.

    Raises:
        StudyError: It holds none, or those of another version of this package.
    """
    held = study.user_attrs.get(SETTINGS)
    if not isinstance(held, Mapping):
        raise StudyError(
            f"the study {study.study_name!r} does not say how it is searched: begin it with "
            "`neural-automl search` or AutoMLEngine"
        )
    version = study.user_attrs.get("neural_automl_version")
    try:
        settings = StudySettings(**held)
    except TypeError as error:
        raise StudyError(
            f"the study {study.study_name!r} was begun by version {version} of neural_automl, "
            f"whose settings this one does not know: {error}"
        ) from error
    if not isinstance(settings.engine, Mapping) or not isinstance(settings.data or {}, Mapping):
        raise StudyError(f"the settings of the study {study.study_name!r} can't be read")
    return settings
