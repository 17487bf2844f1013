"""What a digest was computed from, and whether loaded code is unchanged: for notebooks and long-lived workers."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field

_CODE = (types.FunctionType, types.ModuleType, type)
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
#: What sets names in ways the code does not show: constants are then not compared.
_SETS_ANY = {"globals", "vars", "setattr", "__setattr__", "__dict__", "exec"}


@dataclass
class Watched:
    """What was looked up and where, and the code of the functions.

    Attributes:
        stored: names that the code itself sets. What it fills while running does not count.
    """

    looked_up: list[tuple[Mapping[str, object], str, object]] = field(default_factory=list)
    compiled: list[tuple[types.FunctionType, types.CodeType]] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)

    def name(self, names: Mapping[str, object], name: str) -> None:
        """Record what a name refers to: code, or a plain constant. Other values may change while code runs."""
        value = names.get(name)
        if isinstance(value, _CODE) or _is_plain(value):
            self.looked_up.append((names, name, value))

    def stores(self, stored: frozenset[str], mentioned: frozenset[str]) -> None:
        self.stored |= stored | (mentioned & _SETS_ANY)

    def is_current(self) -> bool:
        """Whether no code has been reloaded since, and no constant changed from outside."""
        return all(function.__code__ is code for function, code in self.compiled) and all(
            names.get(name) is before or self._may_differ(name, before, names.get(name))
            for names, name, before in self.looked_up
        )

    def _may_differ(self, name: str, before: object, now: object) -> bool:
        if isinstance(before, _CODE):
            return False
        if name in self.stored or self.stored & _SETS_ANY:
            return True
        return _is_plain(now) and repr(now) == repr(before)  # 1, 1.0 and True are different; nan is nan


def _is_plain(value: object) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(map(_is_plain, value)))
