"""What the Makefile makes before anything else: uv, whole, by a Python that will do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_command
from support import ROOT

pytestmark = pytest.mark.unit

#: In the place of python3: its venv has a pip that installs what `$UV` says, and fails if it says so.
PYTHON = """#!/bin/sh
[ "$2" = venv ] || exit 0
mkdir -p .tools/bin
cat >.tools/bin/pip <<'END'
#!/bin/sh
printf "#!/bin/sh\\n$UV\\n" >.tools/bin/uv
chmod +x .tools/bin/uv
exit "${STATUS:-0}"
END
chmod +x .tools/bin/pip
"""


@pytest.mark.parametrize("first", [{"UV": "exit 127"}, {"UV": "exit 0", "STATUS": "1"}], ids=["half", "pip failed"])
def test_a_uv_that_was_not_installed_to_the_end_is_installed_again(tmp_path: Path, first: dict[str, str]) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)

    def make(**environment: str) -> subprocess.CompletedProcess[str]:
        command = ["make", ".tools/.stamp", "PYTHON=./python"]
        environment["PATH"] = "/usr/bin:/bin"
        return run_command(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert make(**first).returncode
    done = make(UV="exit 0")
    assert done.returncode == 0, done.stderr
    assert "setup 1 of 3" in done.stdout
    assert "is up to date" in make(UV="exit 1").stdout


@pytest.mark.parametrize("version", [(3, 10, 9), (4, 0, 0)])
def test_a_python_that_will_not_do_is_told_with_those_that_will(version: tuple[int, ...]) -> None:
    done = _check(f"sys.version_info = {version}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{sys.executable} is Python {version[0]}.{version[1]}; this needs 3.11 to 3.")
    assert done.stderr.endswith("Name another: make PYTHON=python3.11 ...\n")


def test_the_python_of_these_tests_will_do() -> None:
    done = _check("")
    assert (done.returncode, done.stderr) == (0, "")


def _check(before: str) -> subprocess.CompletedProcess[str]:
    path = str(ROOT / "scripts" / "check_python.py")
    code = f"import runpy, sys\n{before}\nrunpy.run_path({path!r})"
    return run_command([sys.executable, "-c", code], capture_output=True, text=True)
