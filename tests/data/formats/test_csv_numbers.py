from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_batchscore.data.formats.csv_numbers import Numbers

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("numbers", "cell", "plain"),
    [
        (Numbers(), "1,234.5", "1,234.5"),
        (Numbers(thousands=","), "-12,345.5e-3", "-12345.5e-3"),
        (Numbers(thousands=","), "1,", "1"),
        (Numbers(thousands=","), ",1", ",1"),
        (Numbers(thousands=","), "1,,2", "1,,2"),
        (Numbers(thousands=","), "1.5,0", "1.5,0"),
        (Numbers(thousands=","), "x,1", "x,1"),
        (Numbers(",", "."), "1.234.567,5", "1234567.5"),
        (Numbers(",", "."), "1,234.5", "1.234?5"),
        (Numbers(","), "1,5", "1.5"),
        (Numbers(","), "1.5", "1?5"),
        (Numbers(","), "-inf", "-inf"),
        (Numbers(".", " "), "1 234", "1234"),
        (Numbers(".", "'"), None, None),
    ],
)
def test_cells_become_what_arrow_reads_or_no_number(numbers: Numbers, cell: str | None, plain: str | None) -> None:
    assert numbers.plain(pa.array([cell], pa.string())).to_pylist() == [plain]


@pytest.mark.parametrize(
    ("cells", "are"),
    [
        (["1,234", None, "-7", "1.5e3"], True),
        (["inf", "NaN", ".5"], True),
        (["1,234", "x"], False),
        (["0x10"], False),
        ([None], True),
        (["1,,2"], False),
    ],
)
def test_a_column_is_of_numbers_if_all_its_cells_are(cells: list[str | None], are: bool) -> None:
    assert Numbers(thousands=",").are_all(pa.array(cells, pa.string())) is are


@pytest.mark.parametrize("cell", ["x", "", "1.5", "2026-01-30", "12,34,5", "1,2 3"])
def test_no_option_is_named_for_what_none_reads(cell: str) -> None:
    assert Numbers().advice(cell) == ""
    assert Numbers(decimal=",").advice("1,5") == ""
