"""What a class statement defined, without what Python derived from it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import Enum

#: Class attributes that are derived from the rest of the class or record its location.
_DERIVED = {
    *("__dict__", "__weakref__", "__slots__", "__doc__", "__module__", "__qualname__", "__annotations__"),
    *("__annotate_func__", "__firstlineno__", "__static_attributes__", "__slotnames__", "__abstractmethods__"),
    *("_abc_impl", "__orig_bases__", "__parameters__", "__type_params__", "__dataclass_fields__"),
    *("__dataclass_params__", "__signature__"),
}
#: Attributes of a module, function or object that Python sets itself or that only describe. Other names that begin and
#: end with two underscores are the user's, as are those that only begin so.
SET_BY_PYTHON = {
    *("__name__", "__qualname__", "__module__", "__doc__", "__package__", "__loader__", "__spec__", "__file__"),
    *(
        "__cached__",
        "__path__",
        "__builtins__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__signature__",
    ),
    *("__type_params__", "__conditional_annotations__", "__warningregistry__"),
}
_WRITTEN = (types.FunctionType, classmethod, staticmethod)


def members(kind: type) -> Iterator[tuple[str, object]]:
    """What a class statement defined. For an Enum: its members' values, not what Enum makes of them."""
    enum = kind.__members__ if issubclass(kind, Enum) else None
    if enum is not None:
        yield "members", [(name, member.value) for name, member in enum.items()]
    for name, member in sorted(vars(kind).items()):
        made_by_enum = enum is not None and (name in enum or not isinstance(member, (*_WRITTEN, property)))
        is_slot = isinstance(member, types.MemberDescriptorType)  # an unpickled class may lack these
        made_by_pydantic = name.startswith("__pydantic_") and name != "__pydantic_fields__"
        if name not in _DERIVED and not (made_by_enum or made_by_pydantic or is_slot):
            yield name, member
