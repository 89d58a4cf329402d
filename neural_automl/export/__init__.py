"""Taking a network home: files that need nothing of this package, tried before it says done."""

from neural_automl.export._card import ModelCard
from neural_automl.export._export import DEFAULT_FORMATS, EXPORT_FORMATS, export_architecture
from neural_automl.export._user_files import export_notes

__all__ = [
    "DEFAULT_FORMATS",
    "EXPORT_FORMATS",
    "ModelCard",
    "export_architecture",
    "export_notes",
]
