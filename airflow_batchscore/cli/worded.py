"""Messages of the Python functions, in the words of the command line: ``leave model= out`` is ``leave --model out``.

Python code in a message stays code, unless options say all of it: ``Recipe(columns=['a'])`` is about a module of the
reader, and ``LocalDask(workers=0)`` is ``--workers 0``.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping

#: Arguments that have another name as options.
_OPTIONS = {"output_uri": "output", "flags": "flag", "read_options": "read_option", "column_types": "column_type"}
#: Advice to give an argument for which there is no option.
_PYTHON_ONLY = re.compile(r"(?<!\w)(replace_all)=True|(?<!\w)(output_types)=\{|set (row_wise)=False")
#: What the command line makes, so that options say the arguments.
_MADE = ("LocalDask", "PartitionedDataset", "DaskCluster")
#: Lists: names with commas, or an option for each.
_WITH_COMMAS, _AGAIN_FOR_EACH = ("keys", "columns", "outputs", "group_by"), ("partition_by",)
#: An argument. Names of partitions (``year=2024``) and parts of URIs, which have no quotes, stay as they are, and so do
#: numbers, except those of a ``max_...``.
_ARGUMENT = re.compile(r"(?<![\w/=&?.{'\"])([a-z][a-z_]*)=")
_CALL = re.compile(r"(?<![\w.])[A-Za-z_][\w.]*\(")
_NOTHING = re.compile(r"$|[\s,.:;)]")
_TRUE = re.compile(r"True\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
#: The words of Airflow and Python, and those of the command line.
_SENTENCES = (
    (
        re.compile(r"train a model and let CheckModelOperator promote it \(promote_to='[^']*'\), or name a version"),
        "name a version, or another alias: batchscore models lists them. batchscore promote makes an alias",
    ),
    (
        re.compile(
            r"The module must be installed, or lie in the DAGs folder, on every worker\. A command outside of Airflow "
            r"looks there only if PYTHONPATH names that folder"
        ),
        "The module must be installed, or lie in the current folder or in one that --import-path names",
    ),
    (
        re.compile(
            r"with partitions=\[\.\.\.\], to see what they take\. Leave estimate=, max_cost= and max_seconds= out of a "
            r"plan task"
        ),
        "with batchscore score --partitions ..., to see what they take",
    ),
    (re.compile(r"the output_uri of the scoring tasks"), "the folder where scores are staged, --output of score"),
    (re.compile(r"(?<=raise )max_(quarantined|skipped|drift|unseen|outside)\b"), r"--max-\1"),
)


def worded(message: str, options: Collection[str]) -> str:
    """The message.

    Args:
        options: of the command, as `argparse` calls them (``publish_to``).
    """
    for pattern, words in _SENTENCES:
        message = pattern.sub(words, message)
    text = "".join(_pieces(message, options))
    found = _PYTHON_ONLY.search(text)
    name = found and found[found.lastindex or 0]
    return f"{text} ({name} is an argument in Python; the command line has no option for it)" if name else text


def _pieces(message: str, options: Collection[str]) -> Iterator[str]:
    place = 0
    while place < len(message):
        call, argument = _CALL.search(message, place), _ARGUMENT.search(message, place)
        if call and (not argument or call.start() < argument.start()):
            end = _closed(message, call.end() - 1)
            yield message[place : call.start()]
            yield _call(message[call.start() : end], options)
        elif argument:
            yield message[place : argument.start()]
            end = argument.end()
            name = _OPTIONS.get(argument[1], argument[1])
            said: str | None = None
            if name in options:
                value = _value_end(message, end, may_be_number=name.startswith("max_"))
                if value > end:
                    said, end = _option(name, message[end:value]), value
                elif _NOTHING.match(message, end):
                    said = _dashed(name)
            yield message[argument.start() : end] if said is None else said
        else:
            yield message[place:]
            return
        place = end


def _call(code: str, options: Collection[str]) -> str:
    """A call as options; the code itself if options do not say all of it."""
    try:
        call = ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError):
        return code
    if not isinstance(call, ast.Call) or call.args or ast.unparse(call.func) not in _MADE:
        return code
    said = []
    for given in call.keywords:
        name = _OPTIONS.get(given.arg or "", given.arg)
        option = _option(name, ast.get_source_segment(code, given.value) or "") if name in options and name else None
        if option is None:
            return code
        said.append(option)
    return " ".join(said) or code


def _option(name: str, value: str) -> str | None:
    """An option with the value that Python code states; None if it cannot be read."""
    try:
        stated = ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return None
    if stated is True:
        return _dashed(name)
    if isinstance(stated, Mapping):
        return " ".join(_entries(name, stated)) or None
    if isinstance(stated, (list, tuple)):
        texts = [_text(each) for each in stated]
        if name in _AGAIN_FOR_EACH and texts:
            return " ".join(f"{_dashed(name)} {_quoted(text)}" for text in texts)
        if name in _WITH_COMMAS:
            return f"{_dashed(name)} {'A,B' if texts == ['...'] else _quoted(','.join(texts))}"
        return f"{_dashed(name)} {'...' if texts == ['...'] else _quoted(json.dumps(stated, default=str))}"
    return f"{_dashed(name)} {_text(stated) if stated is ... else value}"


def _entries(name: str, stated: Mapping[object, object]) -> Iterator[str]:
    for key, value in stated.items():
        if key == "column_types" and name == "read_option":
            types = value if isinstance(value, Mapping) else {"COLUMN": "TYPE"}
            yield from _entries("column_type", types)
        else:
            yield f"{_dashed(name)} {_quoted(f'{_text(key)}={_text(value)}')}"


def _text(value: object) -> str:
    if value is ...:
        return "..."
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _quoted(text: str) -> str:
    return text if text == "..." else shlex.quote(text)


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _value_end(text: str, start: int, *, may_be_number: bool) -> int:
    """Where the value ends that begins there; `start` if none does."""
    if text[start : start + 1] in ("'", '"'):
        return _string_end(text, start)
    if text[start : start + 1] in ("[", "{"):
        return _closed(text, start)
    found = _TRUE.match(text, start) or (_NUMBER.match(text, start) if may_be_number else None)
    return found.end() if found else start


def _closed(text: str, start: int) -> int:
    """The place behind the bracket that closes the one there, or the end of the text."""
    depth, place = 0, start
    while place < len(text):
        if text[place] in "'\"":
            place = _string_end(text, place)
            continue
        depth += (text[place] in "([{") - (text[place] in ")]}")
        place += 1
        if not depth:
            return place
    return len(text)


def _string_end(text: str, start: int) -> int:
    place = start + 1
    while place < len(text) and text[place] != text[start]:
        place += 2 if text[place] == "\\" else 1
    return min(place + 1, len(text))
