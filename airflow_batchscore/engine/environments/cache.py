"""Environments made by uv: one per list of packages, made once, kept in a folder of this user.

An environment is made under a name of its own while a lock is held, and renamed when it is complete: whatever ends the
task that makes it, the next one finds a whole environment or none.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from airflow_batchscore.engine.environments import made, needs
from airflow_batchscore.errors import EngineError, InputError

log = logging.getLogger(__name__)

_OPTION = "[batchscore] environments_folder"
#: Where packages come from. Other options lead to files or folders, whose changes would go unnoticed.
_INDEXES = ("-i", "--index-url", "--extra-index-url")
#: uv says so if no choice of versions would do; otherwise a server did not answer, or a disk is full.
_WRONG = (
    *("No solution found", "Couldn't parse", "was not found in the package registry", "not found in the provided"),
    "Hash mismatch",
)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEAST_UV = "0.5"
#: scikit-learn before this version -> what it does not work with, though it does not say so.
_COMPANIONS = {"1.4.2": "pyarrow<23", "1.8": "pandas<3"}


def default_folder() -> Path:
    """Where environments are kept if nothing else is configured. Raises EngineError if this user has no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-batchscore" / "environments"
    except RuntimeError as error:
        raise EngineError(
            f"environments have no place: the user {os.geteuid()} of this task has no home folder. Set {_OPTION} to a "
            "folder on this machine that the worker may write to"
        ) from error


def interpreter(lines: Sequence[str], folder: Path) -> Path:
    """The interpreter of the environment with these packages and what this package needs; made if there is none.

    Raises:
        InputError: the lines name nothing, name other files, or cannot be installed together.
        EngineError: there is no uv or an old one, or the folder cannot be written or belongs to somebody else.
        OSError: the packages could not be fetched, which a retry may fix.
    """
    wanted = _checked(lines)
    key = _key(wanted)
    _make_private(folder)
    home = folder / key
    python = home / "bin" / "python"
    if python.exists():
        with suppress(OSError):
            os.utime(home)  # tells who cleans up that it is in use
        return python
    with _locked(folder / f"{key}.lock") as lock:
        if not python.exists():
            _build(wanted, home, lock)
    return python


def _checked(lines: Sequence[str]) -> list[str]:
    text = "\n".join(re.sub(r"(^|\s)#.*", "", line).rstrip() for line in lines)
    joined = re.sub(r"\\(\n|$)", " ", text)  # pip-compile continues lines to write digests
    wanted = [" ".join(line.split()) for line in joined.splitlines() if line.strip()]
    packages = [_package(line) for line in wanted if not _is_index(line)]
    if not packages:
        raise InputError("environment: the list names no package")
    return [*wanted, *_companions(packages)]


def _companions(packages: Sequence[Requirement]) -> list[str]:
    """What goes with an old scikit-learn, unless the list names a version of it."""
    named = {str(canonicalize_name(package.name)): package.specifier for package in packages}
    pins = [pin.version for pin in named.get("scikit-learn", ()) if pin.operator == "=="]
    return [
        line
        for pin in pins
        for first, line in _COMPANIONS.items()
        if Version(pin.removesuffix(".*")) < Version(first) and Requirement(line).name not in named
    ]


def _is_index(line: str) -> bool:
    option, _, url = line.replace("=", " ", 1).partition(" ")
    if option not in _INDEXES:
        return False
    _require_plain(url.strip())
    return True


def _package(line: str) -> Requirement:
    """The environment is found again by its lines alone, so they must say all."""
    try:
        requirement = Requirement(line.partition(" --hash")[0])
    except InvalidRequirement as error:
        raise InputError(
            f"environment: {line!r} is no package and version. Options other than {', '.join(_INDEXES)}, other files "
            "and folders are refused: what they lead to could change unnoticed. Write the packages themselves here"
        ) from error
    if requirement.url:
        _require_plain(requirement.url)
    return requirement


def _require_plain(url: str) -> None:
    """The lines are shown in logs, on pages and in manifests."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise InputError(f"environment: {url!r} is no https:// address; what lies in a folder could change unnoticed")
    if parts.username or parts.password:
        raise InputError(
            f"environment: the address of {parts.hostname} has a user name or a password in it, which logs and pages "
            "would show. Leave them out, and give the whole address as UV_INDEX_URL to the worker"
        )


def _key(wanted: Sequence[str]) -> str:
    """What determines the environment. The order of lines counts, because options come first."""
    version = ".".join(platform.python_version_tuple()[:2])
    inputs = [wanted, needs.requirements(), needs.versions_of_task(), version, sys.base_prefix, platform.machine()]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _make_private(folder: Path) -> None:
    """Tasks run what is in the folder, so nobody but their user and root may write there."""
    try:
        for each in (*reversed(folder.parents), folder):  # `parents=True` would leave theirs to the umask
            each.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    status = folder.stat()
    if status.st_uid not in (os.geteuid(), 0) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EngineError(
            f"{folder} can be written by other users, who could run code in tasks. Take their right away (chmod 700), "
            f"or set {_OPTION} to a folder of the worker's own user"
        )


def _unusable(folder: Path, error: OSError) -> EngineError:
    return EngineError(
        f"environments cannot be kept in {folder} ({error.strerror}). Set {_OPTION} to a folder on this machine that "
        "the worker may write to"
    )


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold a lock that ends with this process and with its uv."""
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise _unusable(path.parent, error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("another task makes this environment (%s): waiting for it", path)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_at(path, descriptor):  # its holder or somebody else removed it: others lock the next one
                continue
            try:
                yield descriptor
            finally:
                if _is_at(path, descriptor):
                    path.unlink()
            return
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _build(wanted: Sequence[str], home: Path, lock: int) -> None:
    began, building = time.monotonic(), home.with_name(f"{home.name}.building")
    log.info("making an environment with %s in %s; later tasks on this machine reuse it", ", ".join(wanted), home)
    for left in (building, home):  # of a killed task; of an interpreter that is gone
        shutil.rmtree(left, ignore_errors=True)
    try:
        _fill(building, wanted, lock)
        os.rename(building, home)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            f"environment with {', '.join(wanted)}: a disk became full while it was made in {home.parent} "
            f"({error.strerror}). Make room there, in uv's cache and in the folder for temporary files, or set "
            f"{_OPTION} to a folder on a larger disk; a retry makes it again"
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)  # there is none once it is renamed
    log.info(
        "the environment is made, in %.0f s; its versions are in %s", time.monotonic() - began, home / made.VERSIONS
    )


def _fill(building: Path, wanted: Sequence[str], lock: int) -> None:
    uv = partial(_run, uv=_uv(), wanted=wanted, lock=lock)
    uv("venv", "--quiet", "--relocatable", "--python", sys.executable, str(building))
    python, asked, chosen = (str(building / name) for name in ("bin/python", "requirements.txt", made.VERSIONS))
    Path(asked).write_text("\n".join([*wanted, *needs.requirements()]) + "\n")
    # uv prefers the versions that it finds in its output, which are the task's, wherever the list allows them.
    Path(chosen).write_text("\n".join(needs.versions_of_task()) + "\n")
    uv("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python, asked, "-o", chosen)
    uv("pip", "install", "--quiet", "--compile-bytecode", "--python", python, "-r", asked, "-c", chosen)
    _require_imports(python, wanted)


def _require_imports(python: str, wanted: Sequence[str]) -> None:
    """Packages do not always say which versions of others they need."""
    code = "import numpy, pandas, pyarrow.parquet, sklearn, distributed"
    # Isolated: with the task's PYTHONPATH it would import the task's modules.
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)  # noqa: S603 - our own words
    if done.returncode:
        raise InputError(
            f"environment with {', '.join(wanted)}: its packages do not go together: "
            f"{(done.stderr.strip().splitlines() or ['no message'])[-1]}. Add to the list what it asks for, or an "
            "older version of what complains"
        )


def _uv() -> list[str]:
    """The command; the installed package's own comes before whatever is first on PATH."""
    found = [sys.executable, "-m", "uv"] if find_spec("uv") else [shutil.which("uv") or ""]
    said = "there is no uv to make it with"
    if found != [""]:
        done = subprocess.run([*found, "--version"], capture_output=True, text=True)  # noqa: S603 - our own words
        have = re.search(r"\d+(\.\d+)+", done.stdout)
        if have and Version(have[0]) >= Version(_LEAST_UV):
            return found
        said = f"{' '.join(found)} is {done.stdout.strip() or 'no uv'}, and uv {_LEAST_UV} or newer is needed"
    raise EngineError(
        f'environment: {said}. Run pip install "airflow-batchscore[environments]" where tasks run, or make the '
        "environment yourself and give python="
    )


def _run(*arguments: str, uv: Sequence[str], wanted: Sequence[str], lock: int) -> None:
    """Run uv with the settings of the task's own environment: indexes, ``UV_OFFLINE``, ``UV_FIND_LINKS``."""
    command = [*uv, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, pass_fds=[lock])  # noqa: S603 - our own words
    if done.returncode == 0:
        return
    said = done.stderr.strip()[-2000:]
    if full := [number for number in _FULL if os.strerror(number) in said]:
        raise OSError(full[0], said)
    message = f"environment with {', '.join(wanted)}: uv could not make it. {said}"
    if any(text in done.stderr for text in _WRONG):
        raise InputError(f"{message}\nCorrect the list, or the settings that tell uv where to look (UV_...)")
    raise OSError(
        f"{message}\nA retry makes it again; offline, set UV_OFFLINE=1 and UV_FIND_LINKS to a folder of wheels"
    )
