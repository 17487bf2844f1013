"""An extension of griffe, which reads docstrings for mkdocstrings.

``Returns:`` is shown as the text that it is. griffe takes what stands before the first colon for a type, and most of
these values are written as dicts.
"""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

from griffe import Extension


class PlainReturns(Extension):  # type: ignore[misc]
    """Turns the section into a paragraph."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Called by griffe for each class and function."""
        if obj.docstring:
            text = re.sub(r"^Returns:\n((?: {4}.*(?:\n|$))+)", _paragraph, obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = text


def _paragraph(match: re.Match[str]) -> str:
    return f"**Returns** {dedent(match[1])}"
