"""Messages of the Python functions, in the words of the command line: ``leave model= out`` is ``leave --model out``."""

from __future__ import annotations

import re
from collections.abc import Collection

#: Arguments that have another name as options.
_OPTIONS = {"output_uri": "output", "flags": "flag", "read_options": "read_option", "column_types": "column_type"}
#: An argument alone, or with what is written behind it as text, as a list, or as ``True``. Names of partitions
#: (``year=2024``) and parts of URIs are left as they are.
_ARGUMENT = re.compile(r"(?<![\w/=&?.{'\"])([a-z][a-z_]*)=(True\b|(?=['\"\[])|(?=$|[\s,.:;)]))")


def worded(message: str, options: Collection[str]) -> str:
    """The message.

    Args:
        options: of the command, as `argparse` calls them (``publish_to``).
    """

    def option(match: re.Match[str]) -> str:
        name = _OPTIONS.get(match[1], match[1])
        if name not in options:
            return match[0]
        has_value = match.string[match.end() : match.end() + 1] in ("'", '"', "[")
        return f"--{name.replace('_', '-')}{' ' if has_value else ''}"

    return _ARGUMENT.sub(option, message)
