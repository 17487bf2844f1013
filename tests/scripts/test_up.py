from __future__ import annotations

from pathlib import Path

import pytest
from examples import EXAMPLES
from up import listed

pytestmark = pytest.mark.unit


def test_every_example_is_listed_with_its_address_and_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = listed("http://airflow")
    assert {address for _, address, _ in rows} == {
        f"http://airflow/dags/{dag}" for example in EXAMPLES.values() for dag in example.dags
    }
    needs = {name: need for name, _, need in rows if need}
    assert needs["hazard_spark"].startswith("Java 17 or newer, for Spark: sudo apt-get install ")
    assert needs.keys() == {"hazard_spark", "wta_yearly_scoring", "wta_partitioned_assets"}
    (tmp_path / "java").write_text("#!/bin/sh\necho 'openjdk version \"17.0.10\"' >&2\n")
    (tmp_path / "java").chmod(0o755)
    assert not [need for name, _, need in listed("http://airflow") if name == "hazard_spark" and need]
