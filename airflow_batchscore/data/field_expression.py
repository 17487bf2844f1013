r"""The regular expression of a field in a URI template: ``{year:\d{4}}``.

A safe part of the language: names come from storage, and a name that takes minutes to refuse would hold up all that a
triggerer does. So nothing repeats that itself repeats, and no folder or file name has many parts of open length.
"""

from __future__ import annotations

import re

from airflow_batchscore.errors import InputError

#: Parts of one folder or file name that may be of any length; the time to refuse a name grows by its length with each.
#: `UriPattern` takes no name of more than 255 letters where there are so many.
MOST_OPEN = 3
_LONGEST = 200
_LONGEST_VALUE = 255
_MOST_REPEATS = 255
#: Ways in which the alternatives of one expression may be combined.
_MOST_WAYS = 1000
_DEEPEST = 3

_CLASS = re.compile(r"\[\^?\]?(?:\\[^A-Za-z0-9]|\\[dw]|[^\]\\\[/&|~])*\]", re.ASCII)
_ATOM = re.compile(r"\\[dw]|\\[^A-Za-z0-9/]|[^\\\[\](){}*+?|^$/]", re.ASCII)
_REPEAT = re.compile(r"\{(\d{1,4})(,(\d{1,4})?)?\}|[*+?]", re.ASCII)
_FORMAT = re.compile(r"0?\d*d?", re.ASCII)
_ALLOWED = (
    r"use letters, \d, \w, ., classes such as [a-z], how often ({4}, {1,3}, +, *, ?), and (this|that), which is not "
    "repeated itself"
)


class FieldExpression:
    """A checked expression.

    Attributes:
        text: as it was written.
        open: number of its parts that may be of any length.
    """

    def __init__(self, field: str, text: str) -> None:
        """Raises InputError for an expression that is invalid or not in the safe part of the language."""
        self.field, self.text = field, text
        self.open = 0
        self._place = 0
        self._made = ""
        if len(text) > _LONGEST:
            raise self._refused(f"has {len(text)} letters, {_LONGEST} are the most")
        if text.startswith("0") and _FORMAT.fullmatch(text):
            raise self._refused(rf"is a format; two digits are {{{field}:\d{{2}}}}")
        if self._read_alternatives(depth=0) > _MOST_WAYS:
            raise self._refused(f"may fit in more than {_MOST_WAYS} ways")
        try:
            self._regex = re.compile(self._made, re.DOTALL)
        except (re.error, RecursionError, OverflowError) as error:
            raise self._refused(f"is not valid ({error})") from None

    @property
    def group(self) -> str:
        """The expression as part of another one."""
        return f"(?P<{self.field}>{self._made})"

    def fits(self, value: str) -> bool:
        if self.open > 1 and len(value) > _LONGEST_VALUE:
            return False  # as in `UriPattern.match`; a request may hold a value of any length
        return self._regex.fullmatch(value) is not None

    def _refused(self, why: str) -> InputError:
        return InputError(f"the dataset's uri holds {{{self.field}:{self.text}}}, an expression that {why}: {_ALLOWED}")

    def _next(self, mark: str) -> bool:
        return self.text.startswith(mark, self._place)

    def _read_alternatives(self, depth: int) -> int:
        """Read up to the end of the group. Returns in how many ways it may fit, repetition apart."""
        ways, branch = 0, 1
        while self._place < len(self.text) and not (depth and self._next(")")):
            if self._next("|"):
                ways, branch = ways + branch, 1
                self._place += 1
                self._made += "|"
            else:
                branch *= self._read_group(depth) if self._next("(") else self._read_atom()
        return ways + branch

    def _read_group(self, depth: int) -> int:
        plain = self._next("(?:")
        if self._next("(?") and not plain:
            raise self._refused("has a (?...) that is not allowed")
        if depth == _DEEPEST:
            raise self._refused(f"has groups nested more than {_DEEPEST} deep")
        self._place += 3 if plain else 1
        self._made += "(?:"
        ways = self._read_alternatives(depth + 1)
        if not self._next(")"):
            raise self._refused("has a ( without its )")
        self._made += ")"
        self._place += 1
        repeat = self._repeat()
        if repeat not in ("", "?"):
            raise self._refused("repeats a group")
        return ways + bool(repeat)

    def _read_atom(self) -> int:
        found = _CLASS.match(self.text, self._place) or _ATOM.match(self.text, self._place)
        if found is None:
            letter = self.text[self._place]
            why = "holds a /, which no value does" if letter == "/" else f"cannot be read from {letter!r} on"
            raise self._refused(why)
        self._place = found.end()
        # A field never spans a slash, and \d is no digit of another script.
        slashless = "[^/]" if found[0] == "." else f"(?:(?!/){found[0]})"
        self._made += slashless if found[0][0] in ".[" else "[0-9]" if found[0] == r"\d" else found[0]
        return 1 + (self._repeat() == "?")

    def _repeat(self) -> str:
        """Read how often what stands before may be repeated."""
        repeat = _REPEAT.match(self.text, self._place)
        if repeat is None:
            return ""
        self._place = repeat.end()
        if any(int(number) > _MOST_REPEATS for number in (repeat[1], repeat[3]) if number):
            raise self._refused(f"repeats more than {_MOST_REPEATS} times")
        self.open += repeat[0] != "?" and (repeat[1] is None or repeat[2] is not None)
        if _REPEAT.match(self.text, self._place):
            raise self._refused("repeats what is repeated")
        self._made += repeat[0]
        return repeat[0]
