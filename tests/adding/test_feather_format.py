"""The example of docs/adding/format.md; tests/data/formats/test_conformance.py holds it to every format's promises."""

from __future__ import annotations

from pathlib import Path

import packages
import pyarrow as pa
import pytest
from pyarrow import feather

from airflow_batchscore import PartitionedDataset
from airflow_batchscore.data.formats.registry import GROUP

pytestmark = pytest.mark.unit


def test_a_file_with_its_suffix_is_a_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.install(monkeypatch, tmp_path / "site", "feather-format", GROUP, {".arrow": "feather_format:Feather"})
    feather.write_feather(pa.table({"id": [1, 2]}), f"{tmp_path}/1.arrow", compression="uncompressed")
    dataset = PartitionedDataset(f"{tmp_path}/{{p}}.arrow")
    (partition,) = dataset.discover()
    assert dataset.file_format(partition.files[0].uri).name == "arrow"
