"""How our docstrings are to be read, for mkdocstrings: ``mkdocs.yml`` names it as an extension."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Module, Object


class OurForms(Extension):
    """Knows the section ``Example:``, and that folders give names without listing them."""

    def on_module(self, *, mod: Module, **_: Any) -> None:
        """Take what an ``__init__`` without ``__all__`` imports for what it exports."""
        if mod.is_init_module and mod.exports is None:
            mod.exports = [name for name in mod.members if not name.startswith("_")]

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rename the section; griffe knows the plural alone."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
