from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import packages
import pytest

from airflow_batchscore.data.dataset import PartitionedDataset
from airflow_batchscore.data.formats import registry
from airflow_batchscore.data.formats.base import Format
from airflow_batchscore.data.formats.csv_format import Csv
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


class Packed(Csv):
    """A format of another package."""


class Half(Format):
    """Forgets its columns' types."""

    cut = Csv.cut
    read = Csv.read


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a package with one entry point onto the path."""

    def put(line: str) -> None:
        name, _, path = line.partition(" = ")
        packages.install(monkeypatch, tmp_path, "other-formats", registry.GROUP, {name: path})

    return put


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/d/x.csv", "csv"),
        ("s3://b/X.CSV.GZ", "csv"),
        ("/d/x.csv.xz", "csv"),
        ("/d/x.parquet", "parquet"),
        ("/d/x.pq", "parquet"),
        ("/d/x.jsonl", "jsonl"),
        ("/d/x.ndjson.zst", "jsonl"),
        ("/d/x.orc", "orc"),
        ("/d/x.orc.gz", None),
        ("/d/x.parquet.gz", None),
        ("/d/x.gz", None),
        ("/d/csv", None),
    ],
)
def test_a_files_suffix_names_its_format(uri: str, name: str | None) -> None:
    found = registry.format_of(uri)
    assert (found and found.name) == name


def test_another_package_adds_a_format_by_its_suffix(install: Callable[[str], None]) -> None:
    with pytest.raises(InputError, match=r"format='arrow' is unknown; use one of 'csv', 'parquet', 'jsonl', 'orc', or"):
        PartitionedDataset("/d/{p}", format="arrow")
    install(".arrow = feather_format:Feather")
    assert PartitionedDataset("/d/{p}", format="arrow").file_format("/d/1").name == "arrow"
    with pytest.raises(InputError, match=r"format='feather' is unknown; use one of .*'orc', 'arrow', or"):
        PartitionedDataset("/d/{p}", format="feather")
    typed = PartitionedDataset("/d/{p}.ARROW", read_options={"column_types": {"x": "date32"}})
    assert typed.file_format("/d/1.ARROW").name == "arrow"


def test_the_same_object_reads_every_block(install: Callable[[str], None]) -> None:
    install(".arrow = feather_format:Feather")
    assert registry.format_named("arrow") is registry.format_named("arrow") is registry.format_of("x.arrow")


@pytest.mark.parametrize(("path", "name"), [(f"{__name__}:Packed", "words"), ("feather_format:Feather", None)])
def test_compressed_files_are_those_of_formats_that_say_so(
    install: Callable[[str], None], path: str, name: str | None
) -> None:
    install(f".words = {path}")
    found = registry.format_of("x.words.gz")
    assert (found and found.name) == name


@pytest.mark.parametrize("uri", ["s3://b/year={year}/", "/d/x_{day}", "/d/{p}.csv", "/d/{p}.jsonl.gz", "/d/{p}/odd"])
def test_a_package_is_not_imported_for_files_without_its_suffix(install: Callable[[str], None], uri: str) -> None:
    install(".odd = no_such_module:Format")
    PartitionedDataset(uri)


@pytest.mark.parametrize("suffix", [".csv", ".pq"])
def test_a_built_in_suffix_cannot_be_replaced(install: Callable[[str], None], suffix: str) -> None:
    before = registry.format_of(f"x{suffix}")
    install(f"{suffix} = feather_format:Feather")
    assert registry.format_of(f"x{suffix}") is before


def test_two_packages_that_claim_one_suffix_are_refused_when_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, path in (("one", "feather_format:Feather"), ("two", f"{__name__}:Packed")):
        packages.install(monkeypatch, tmp_path / name, name, registry.GROUP, {".odd": path})
    PartitionedDataset("/d/{p}")
    with pytest.raises(
        InputError, match=r"several packages offer it \(feather_format:Feather of one, .*Packed of two\)"
    ):
        PartitionedDataset("/d/{p}.odd")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("odd = feather_format:Feather", r"other-formats registers feather_format:Feather as 'odd'.* named '\.odd'"),
        (".odd = feather_format:Nothing", "feather_format:Nothing.*other-formats.*has no attribute"),
        (".odd = no_such_module:Format", "no_such_module:Format.*No module named"),
        (".odd = builtins:dict", "builtins:dict .*is not a class that derives from Format"),
        (f".odd = {__name__}:Half", "Half of the package other-formats cannot be made: .*abstract.*types"),
    ],
)
def test_a_registration_that_is_wrong_names_its_package(
    install: Callable[[str], None], line: str, message: str
) -> None:
    install(line)
    with pytest.raises(InputError, match=message):
        PartitionedDataset("/d/{p}", format="odd")
    with pytest.raises(InputError, match=message):
        PartitionedDataset("/d/{p}.odd")
