"""Says in a sentence that this Python is too old or too new. Needs no package, and runs on any Python 3."""

import re
import sys
from pathlib import Path

project = Path(__file__).resolve().parents[1] / "pyproject.toml"
wanted = re.search('^requires-python = ">=3.([0-9]+),<3.([0-9]+)"$', project.read_text(), re.MULTILINE)
assert wanted, "pyproject.toml says otherwise which Pythons it needs"
first, last = int(wanted.group(1)), int(wanted.group(2)) - 1
if not (3, first) <= sys.version_info[:2] <= (3, last):
    sys.exit(
        "{} is Python {}.{}; this needs 3.{} to 3.{}. Name another: make PYTHON=python3.{} ...".format(
            sys.executable, *sys.version_info[:2], first, last, first
        )
    )
