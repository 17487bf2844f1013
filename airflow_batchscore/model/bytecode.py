"""What compiled code does and which names it looks up, ignoring its location and descriptive metadata."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from types import CodeType

_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_BY_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_STORES = {"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"}
_OPTIMIZED_NEWLOCALS = 0x3
#: Flags that affect how code runs; the others record ``__future__`` imports at compile time or that it has a docstring.
_KINDS = 0x3FF
#: What a class statement records about its location.
_NOTES = {"__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__"}


@dataclass(frozen=True)
class Names:
    """What code looks up, including the code inside it (lambdas, comprehensions, functions).

    Attributes:
        read: global name -> the attribute chains accessed on it (``a.b.c`` is ``("b", "c")``); an empty chain if it
            is used itself.
        imported: level, module and names of each import statement.
        mentioned: all names of globals and attributes.
        attributes: names accessed as attributes.
        stored: globals and attributes that the code sets.
    """

    read: dict[str, set[tuple[str, ...]]]
    imported: list[tuple[int, str, tuple[str, ...]]]
    mentioned: frozenset[str]
    attributes: frozenset[str]
    stored: frozenset[str]


def body(code: CodeType) -> tuple[object, ...]:
    """What `code` does, as plain values and nested code objects: without file, line numbers or docstring."""
    what: tuple[object, ...] = tuple(_class_steps(code))
    if code.co_flags & _OPTIMIZED_NEWLOCALS:
        constants = (None, *code.co_consts[1:]) if _has_docstring(code) else code.co_consts
        what = (code.co_code, code.co_names, constants)
    return (
        *(code.co_name, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _KINDS),
        *(code.co_varnames, code.co_freevars, code.co_cellvars, code.co_exceptiontable, what),
    )


def names(code: CodeType) -> Names:
    """Every global name and import in `code` and in the code inside it."""
    read: dict[str, set[tuple[str, ...]]] = {}
    imported = []
    mentioned: set[str] = set()
    attributes: set[str] = set()
    stored: set[str] = set()
    for inner in _with_inner(code):
        mentioned.update(inner.co_names)
        steps = _steps(inner)
        attributes.update(step.argval for step in steps if step.opname in {*_BY_ATTRIBUTE, "IMPORT_FROM"})
        stored.update(step.argval for step in steps if step.opname in _STORES)
        for place, step in enumerate(steps):
            if step.opname in _READS:
                chain = takewhile(lambda after: after.opname in _BY_ATTRIBUTE, steps[place + 1 :])
                read.setdefault(step.argval, set()).add(tuple(after.argval for after in chain))
            elif step.opname == "IMPORT_NAME":
                level, wanted = steps[place - 2].argval, steps[place - 1].argval
                imported.append((int(level), str(step.argval), tuple(wanted or ())))
    return Names(read, imported, frozenset(mentioned), frozenset(attributes), frozenset(stored))


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _steps(code: CodeType) -> list[dis.Instruction]:
    return [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]


def _has_docstring(code: CodeType) -> bool:
    first = code.co_consts[0] if code.co_consts else None
    # A function's first constant is its docstring or None; that of a comprehension may be anything.
    is_function = bool(code.co_flags & _OPTIMIZED_NEWLOCALS) and not code.co_name.startswith("<")
    return is_function and isinstance(first, str)


def _class_steps(code: CodeType) -> Iterator[tuple[object, ...]]:
    """The body of a class statement within a function, without what it records about its location."""
    steps = _steps(code)
    for place, step in enumerate(steps):
        following = steps[place + 1] if place + 1 < len(steps) else None
        if following and following.opname == "STORE_NAME" and following.argval in _NOTES:
            continue
        if step.opname == "STORE_NAME" and step.argval in _NOTES:
            continue
        by_value = step.opcode in dis.hasconst or step.opcode in dis.hasname
        yield step.opname, step.argval if by_value else step.arg
