"""How environments are kept. A script stands in for uv, which would fetch 400 MB: `make test-environments` uses uv."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from commands import start_command
from support import ROOT, wait_for

from airflow_batchscore.engine.environments import cache, needs
from airflow_batchscore.errors import EngineError, InputError

pytestmark = pytest.mark.unit

#: Makes an interpreter that imports whatever it is asked for, notes its arguments, and does what the file `then` says.
UV = f"""#!{sys.executable} -S
import json, os, pathlib, sys, time
here = pathlib.Path(__file__).parent
if sys.argv[1] == "--version":
    sys.exit(print("uv 0.9.1 (2026-01-01)"))
with open(here / "calls", "a") as calls:
    calls.write(json.dumps([sys.argv[1:], os.environ.get("UV_FIND_LINKS")]) + "\\n")
if sys.argv[1] == "venv":
    python = pathlib.Path(sys.argv[-1], "bin", "python")
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\\n")
    python.chmod(0o755)
then = here / "then"
if sys.argv[1] == "pip" and sys.argv[2] == "install" and then.exists():
    exec(then.read_text())
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "uv").write_text(UV)
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(cache, "find_spec", lambda name: None)  # the extra `environments` is not installed
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def _calls(uv: Path) -> list[tuple[list[str], str | None]]:
    return [tuple(json.loads(line)) for line in (uv / "calls").read_text().splitlines()]


def _built(uv: Path) -> int:
    return sum(words[0] == "venv" for words, _ in _calls(uv))


def test_an_environment_is_made_once_for_the_same_lines(uv: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", "/wheels")
    python = cache.interpreter(["# a comment", "  scikit-learn==1.3.2 ", "", "numpy<2"], kept)
    assert cache.interpreter(["scikit-learn==1.3.2", "numpy<2"], kept) == python
    assert _built(uv) == 1
    assert {links for _, links in _calls(uv)} == {"/wheels"}
    asked = (python.parents[1] / "requirements.txt").read_text().splitlines()
    assert asked[:2] == ["scikit-learn==1.3.2", "numpy<2"]
    assert {"scikit-learn>=1.3", "pyarrow>=22"} <= set(asked[2:])
    assert oct(kept.stat().st_mode & 0o777) == "0o700"
    assert cache.interpreter(["scikit-learn==1.4.2"], kept) != python


def test_uv_prefers_the_tasks_own_versions(uv: Path, kept: Path) -> None:
    import pandas as pd

    python = cache.interpreter(["x"], kept)
    assert f"pandas=={pd.__version__}" in (python.parents[1] / "versions.txt").read_text().splitlines()
    compiled, installed = (words for words, _ in _calls(uv) if words[0] == "pip")
    assert compiled[compiled.index("-o") + 1] == installed[installed.index("-c") + 1]


def test_an_environment_whose_interpreter_is_gone_is_made_again(uv: Path, kept: Path) -> None:
    python = cache.interpreter(["x"], kept)
    python.unlink()
    assert cache.interpreter(["x"], kept) == python
    assert _built(uv) == 2


def _maker(kept: Path, environment: dict[str, str] | None = None) -> Callable[[], object]:
    code = (
        "import sys, pathlib; from airflow_batchscore.engine.environments import cache\n"
        "print(cache.interpreter(['x'], pathlib.Path(sys.argv[1])))"
    )
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    return lambda: start_command([sys.executable, "-c", code, str(kept)], env=variables)


@pytest.mark.slow
def test_two_tasks_that_need_it_at_once_make_it_once(uv: Path, kept: Path) -> None:
    (uv / "then").write_text("time.sleep(1)")
    tasks = [_maker(kept)() for _ in range(2)]
    assert [task.wait() for task in tasks] == [0, 0]  # type: ignore[attr-defined]
    assert _built(uv) == 1


@pytest.mark.slow
def test_a_task_killed_half_way_leaves_nothing_that_the_next_would_use(uv: Path, kept: Path) -> None:
    (uv / "then").write_text("(here / 'installing').touch(); time.sleep(3)")
    task = _maker(kept)()
    wait_for(lambda: (uv / "installing").exists(), 60)
    os.kill(task.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    task.wait()  # type: ignore[attr-defined]
    assert [path for path in kept.iterdir() if path.is_dir() and path.suffix != ".building"] == []
    (uv / "then").unlink()
    python = cache.interpreter(["x"], kept)  # waits for the orphaned uv, which holds the lock
    assert _built(uv) == 2
    assert python.exists()
    assert not list(kept.glob("*.building"))


@pytest.mark.parametrize(
    ("said", "raised", "advice"),
    [
        ("x No solution found when resolving dependencies" + 3000 * " why", InputError, "Correct the list"),
        ("x Failed to download `x==1`: Hash mismatch for `x==1`", InputError, "Correct the list"),
        ("error: Failed to fetch: `https://pypi.org/simple/x/`", OSError, "A retry makes it again; offline"),
    ],
)
def test_what_uv_says_is_passed_on(uv: Path, kept: Path, said: str, raised: type[Exception], advice: str) -> None:
    (uv / "then").write_text(f"sys.exit({said!r})")
    with pytest.raises(raised, match=f"(?s)environment with x: uv could not make it.*{advice}"):
        cache.interpreter(["x"], kept)
    assert list(kept.iterdir()) == []
    (uv / "then").unlink()
    python = cache.interpreter(["x"], kept)
    assert list(kept.iterdir()) == [python.parents[1]]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(uv: Path, kept: Path, number: int) -> None:
    (uv / "then").write_text(f"sys.exit('error: failed to write: {os.strerror(number)} (os error {number})')")
    with pytest.raises(OSError, match=r"a disk became full while it was made in .*kept .*Make room there, in uv's"):
        cache.interpreter(["x"], kept)
    assert list(kept.iterdir()) == []


def test_packages_that_do_not_go_together_are_found_before_a_task_uses_them(uv: Path, kept: Path) -> None:
    said = "ImportError: pyarrow requires NumPy 2.0 or newer, found 1.26.4"
    (uv / "then").write_text(
        "python = pathlib.Path(sys.argv[sys.argv.index('--python') + 1])\n"
        f"python.write_text('#!/bin/sh\\necho {said} >&2; exit 1\\n')"
    )
    with pytest.raises(InputError, match=f"do not go together: {said}. Add to the list"):
        cache.interpreter(["x"], kept)


def test_without_uv_the_message_says_what_to_do(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(cache, "find_spec", lambda name: None)
    assert shutil.which("uv") is None
    with pytest.raises(EngineError, match=r"pip install \"airflow-batchscore\[environments\]\""):
        cache.interpreter(["x"], kept)
    assert list(kept.iterdir()) == []


def test_an_old_uv_is_refused_before_it_fails_on_options_that_it_lacks(uv: Path, kept: Path) -> None:
    (uv / "uv").write_text("#!/bin/sh\necho uv 0.1.45\n")
    with pytest.raises(EngineError, match=r"bin/uv is uv 0.1.45, and uv 0.5 or newer is needed. Run pip install"):
        cache.interpreter(["x"], kept)


def test_the_installed_packages_uv_comes_before_another_on_path(
    uv: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed" / "uv"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(f"import runpy\nrunpy.run_path({str(uv / 'real')!r}, run_name='__main__')")
    (uv / "uv").rename(uv / "real")
    (uv / "uv").write_text("#!/bin/sh\necho uv 0.1.45\n")
    (uv / "uv").chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setattr(cache, "find_spec", lambda name: name == "uv")
    assert cache.interpreter(["x"], kept).exists()
    assert _built(uv) == 1


@pytest.mark.parametrize(
    "line",
    [
        *("-r other.txt", "--constraint=c.txt", "-e ./mine", "./mine", "-f ./wheels", "--find-links=/wheels"),
        *("mine @ file:///tmp/mine", "--index-url file:///tmp/index"),
    ],
)
def test_lines_that_lead_to_files_are_refused(uv: Path, kept: Path, line: str) -> None:
    with pytest.raises(InputError, match="could change unnoticed"):
        cache.interpreter(["x", line], kept)


@pytest.mark.parametrize("line", ["--index-url https://ann:t0ken@host/simple", "x @ https://t0ken@host/x.whl"])
def test_an_address_with_a_password_is_refused_without_showing_it(uv: Path, kept: Path, line: str) -> None:
    with pytest.raises(InputError, match="UV_INDEX_URL") as raised:
        cache.interpreter(["x", line], kept)
    assert "t0ken" not in str(raised.value)


def test_indexes_digests_and_comments_are_taken(uv: Path, kept: Path) -> None:
    lines = ["--index-url https://host/cpu", "--extra-index-url=https://host/more", f"x==1 --hash=sha256:{'a' * 64}"]
    python = cache.interpreter([*lines, "y; python_version > '3'  # why"], kept)
    asked = (python.parents[1] / "requirements.txt").read_text().splitlines()
    assert asked[:4] == [*lines, "y; python_version > '3'"]


def test_a_file_that_pip_compile_wrote_is_taken(uv: Path, kept: Path) -> None:
    lines = ["six==1.16.0 \\", "    --hash=sha256:aa \\", "    --hash=sha256:bb", "    # via", "    #   -r model.in"]
    python = cache.interpreter([*lines, "x==1\t# why", "# a comment \\", "y==2"], kept)
    asked = (python.parents[1] / "requirements.txt").read_text().splitlines()
    assert asked[:3] == ["six==1.16.0 --hash=sha256:aa --hash=sha256:bb", "x==1", "y==2"]


@pytest.mark.parametrize(
    ("lines", "more"),
    [
        (["scikit-learn==1.3.2"], ["pyarrow<23", "pandas<3"]),
        (["Scikit_Learn==1.5.*"], ["pandas<3"]),
        (["scikit-learn==1.3.2", "pandas==3.0.0", "PyArrow>=23"], []),
        (["scikit-learn==1.8.0"], []),
        (["scikit-learn>=1.3"], []),
    ],
)
def test_an_old_scikit_learn_brings_what_it_works_with(uv: Path, kept: Path, lines: list[str], more: list[str]) -> None:
    python = cache.interpreter(lines, kept)
    asked = (python.parents[1] / "requirements.txt").read_text().splitlines()
    assert asked[: len(asked) - len(needs.requirements())] == [*lines, *more]


def test_libraries_of_the_task_do_not_count_for_a_new_environment(
    uv: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('of the task')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (uv / "then").write_text(
        "python = pathlib.Path(sys.argv[sys.argv.index('--python') + 1])\n"
        f"python.write_text('#!/bin/sh\\nexec {sys.executable} \"$@\"\\n')"
    )
    assert cache.interpreter(["x"], kept).exists()


def test_a_list_without_a_package_is_refused(kept: Path) -> None:
    with pytest.raises(InputError, match="names no package"):
        cache.interpreter(["# nothing"], kept)


def test_a_folder_that_others_may_write_to_is_refused(uv: Path, kept: Path) -> None:
    cache.interpreter(["x"], kept)
    kept.chmod(0o777)
    for line in ("x", "y"):  # made before, by whomever; not made yet
        with pytest.raises(EngineError, match="can be written by other users, who could run code in tasks"):
            cache.interpreter([line], kept)


def test_a_folder_that_cannot_be_made_is_named_with_the_option(uv: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"\[batchscore\] environments_folder"):
        cache.interpreter(["x"], tmp_path / "file" / "kept")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_there_and_cannot_be_written_is_named_with_the_option(uv: Path, kept: Path) -> None:
    kept.mkdir(0o500)
    with pytest.raises(EngineError, match=r"cannot be kept in .*kept \(Permission denied\).*environments_folder"):
        cache.interpreter(["x"], kept)


def test_a_lock_that_cannot_be_made_is_named_with_the_option(
    uv: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = cache.interpreter(["x"], kept)
    python.unlink()
    (kept / f"{python.parents[1].name}.lock").mkdir()
    with pytest.raises(EngineError, match=r"cannot be kept in .*kept \(Is a directory\).*environments_folder"):
        cache.interpreter(["x"], kept)


def test_folders_above_are_this_users_alone_whatever_the_umask(uv: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cache.interpreter(["x"], tmp_path / "above" / "kept")
    finally:
        os.umask(before)
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "above", tmp_path / "above" / "kept")] == [
        "0o700"
    ] * 2


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(EngineError, match=r"has no home folder. Set \[batchscore\] environments_folder"):
        cache.default_folder()


@pytest.mark.slow
def test_a_task_that_waited_for_a_lock_which_was_removed_does_not_build_beside_the_next(
    kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The waiting one gets a lock that nobody else will ever look for."""
    made = threading.Event()
    kept.mkdir(0o700)
    path, order = kept / "key.lock", []

    def wait() -> None:
        with cache._locked(path):
            order.append("waited")
            made.set()

    with ExitStack() as others, caplog.at_level(logging.INFO):
        with cache._locked(path):
            waiting = threading.Thread(target=wait)
            waiting.start()
            wait_for(lambda: "waiting for it" in caplog.text, 60)
            path.unlink()
            others.enter_context(cache._locked(path))
        assert not made.wait(0.5)
        order.append("next")
    waiting.join()
    assert order == ["next", "waited"]
    assert not path.exists()
