"""An example that runs on Spark says what it lacks, by the Java that Spark would take."""

from __future__ import annotations

from pathlib import Path

import pytest
from examples import EXAMPLES

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("version", "lacks"),
    [("1.8.0_392", "there is 8"), ("11.0.22", "there is 11"), ("17.0.10", ""), ("21", "")],
)
@pytest.mark.parametrize("variable", ["PATH", "JAVA_HOME"])
def test_an_old_java_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, lacks: str, variable: str
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-16' >&2\n")
    java.chmod(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv(variable, str(java.parent if variable == "PATH" else tmp_path))
    said = EXAMPLES["hazard_spark"].lacks
    assert lacks in said
    assert bool(said) is bool(lacks)


def test_without_java_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert EXAMPLES["hazard_spark"].lacks.startswith("Java 17 or newer, for Spark: sudo apt-get install")
    assert EXAMPLES["hazard_regression"].lacks == ""
