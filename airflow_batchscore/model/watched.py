"""What a digest was taken of, and whether loaded code is still that: a notebook, or a worker that stands for long."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_CODE = (types.FunctionType, types.ModuleType, type)
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
#: What sets names that cannot be seen in code: then no constant is compared.
_SETS_ANY = {"globals", "vars", "setattr", "__setattr__", "__dict__", "exec"}


@dataclass
class Watched:
    """What was looked up, where, and the code of the functions.

    Attributes:
        stored: names that the code itself sets. What it fills while it runs does not count.
    """

    looked_up: list[tuple[Mapping[str, Any], str, Any]] = field(default_factory=list)
    compiled: list[tuple[types.FunctionType, types.CodeType]] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)

    def name(self, names: Mapping[str, Any], name: str) -> None:
        """Note what a name stands for: code, or a plain constant. Other values may change while code runs."""
        there = names.get(name)
        if isinstance(there, _CODE) or _is_plain(there):
            self.looked_up.append((names, name, there))

    def stores(self, stored: frozenset[str], mentioned: frozenset[str]) -> None:
        self.stored |= stored | (mentioned & _SETS_ANY)

    def is_current(self) -> bool:
        """Whether no code was loaded again since, and no constant set anew by others."""
        return all(function.__code__ is code for function, code in self.compiled) and all(
            names.get(name) is there or self._may_differ(name, there, names.get(name))
            for names, name, there in self.looked_up
        )

    def _may_differ(self, name: str, before: Any, now: Any) -> bool:
        if isinstance(before, _CODE):
            return False
        if name in self.stored or self.stored & _SETS_ANY:
            return True
        return _is_plain(now) and repr(now) == repr(before)  # 1, 1.0 and True are different; nan is nan


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_plain, value)))
