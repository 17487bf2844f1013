"""The one place where JSON is untyped: objects on their way in or out.

``to_dict`` returns a `JsonObject` and ``from_dict`` takes a `JsonMapping`; between the two a dataclass declares the
fields. A dict whose keys are fixed but that stays a dict in memory is a ``TypedDict`` beside the code that writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

#: A value as ``json.loads`` returns it, or a template renders it.
Json: TypeAlias = Any
#: An object as it is written, or as ``json.loads`` returns it.
JsonObject: TypeAlias = dict[str, Any]
#: The same where it is only read.
JsonMapping: TypeAlias = Mapping[str, Any]
