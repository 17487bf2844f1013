"""The same value has the same text in every format, and so is in the same partition."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest

from airflow_batchscore.data.crc32 import crc32_of
from airflow_batchscore.data.partition_by import NO_VALUE, parse_partition_by
from airflow_batchscore.data.row_labels import labels
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

NO = NO_VALUE
UNITS = ("s", "ms", "us", "ns")


def _of(expression: str, column: pa.Array) -> list[str]:
    found: list[str] = labels(parse_partition_by((expression,)).terms[0], pa.chunked_array([column])).to_pylist()
    return found


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, -1, None, 25]), ["1", "9", NO, "5"]),
        (pa.array([127, -128], pa.int8()), ["7", "2"]),
        (pa.array([2**64 - 1], pa.uint64()), ["5"]),
        (pa.array([1.0, -1.0, None, 25.5, float("nan"), float("inf"), 1e300]), ["1", "9", NO, NO, NO, NO, NO]),
        (
            pa.array(["1", "-1", " 17 ", "", "x", "7.0", "+3", None, "NA", "1e3"]),
            ["1", "9", "7", "-", "-", "7", "3", "-", "-", "-"],
        ),
        (pa.array([str(10**30 + 3), str(-(10**30)), "007"]), ["3", "0", "7"]),
        (pa.array(["7", None]).dictionary_encode(), ["7", NO]),
        (pa.array([None, None], pa.null()), [NO, NO]),
    ],
)
def test_remainders_are_as_in_python(column: pa.Array, expected: list[str]) -> None:
    assert _of("a % 10", column) == [NO if text == "-" else text for text in expected]


def test_large_bucket_counts_fit_small_integers() -> None:
    assert _of("a % 1000", pa.array([-1], pa.int8())) == ["999"]


@pytest.mark.parametrize(
    "column", [pa.array([1, 7]), pa.array(["1", "7"]), pa.array([1.0, 7.0]), pa.array([1, 7], "u1")]
)
def test_a_bucket_is_the_crc_32_of_the_text(column: pa.Array) -> None:
    assert _of("hash(a) % 10", column) == [str(crc32(b"1") % 10), str(crc32(b"7") % 10)] == ["3", "6"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("7", [pa.array([Decimal(7)], pa.decimal128(9, 2)), pa.array([7.0], "f4"), pa.array([7.0])]),
        ("1200", [pa.array([Decimal(1200)], pa.decimal128(9, -2)), pa.array([1200.0])]),
        ("0.1", [pa.array([0.1], "f4"), pa.array([0.1]), pa.array([Decimal("0.10")], pa.decimal256(40, 2))]),
        ("0.0000001", [pa.array([1e-7]), pa.array([1e-7], "f4"), pa.array([Decimal("1e-7")], pa.decimal128(9, 7))]),
        ("-1.25", [pa.array([-1.25], "f2"), pa.array([Decimal("-1.25")]), pa.array([-1.25])]),
        ("0", [pa.array([0]), pa.array([-0.0]), pa.array([Decimal(0)], pa.decimal128(9, 7))]),
        ("2026-01-01 05:00:00", [pa.array([datetime.datetime(2026, 1, 1, 5)], f"timestamp[{u}]") for u in UNITS]),
        (
            "2026-01-01 05:00:00.25",
            [pa.array([datetime.datetime(2026, 1, 1, 5, 0, 0, 250_000)], pa.timestamp(u)) for u in UNITS[1:]],
        ),
        ("2026-01-01 05:00:00Z", [pa.array([datetime.datetime(2026, 1, 1, 5)], pa.timestamp(u, "UTC")) for u in UNITS]),
        (
            "05:00:10",
            [pa.array([datetime.time(5, 0, 10)], kind) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"))],
        ),
    ],
)
def test_a_value_has_one_text_whatever_type_holds_it(text: str, columns: list[pa.Array]) -> None:
    for column in columns:
        nothing = pa.array([None], column.type)
        assert _of("a", pa.concat_arrays([column, nothing])) == [text, NO], column.type


def test_every_text_has_the_crc_of_zlib() -> None:
    texts = ["", "a", "é😀", "x" * 63, "y" * 64, "z" * 65, "long" * 1000, *map(str, range(100)), None]
    expected = [crc32((text or "").encode()) for text in texts]
    array = pa.array(["before", *texts])
    assert crc32_of(array.slice(1)).tolist()[:-1] == expected[:-1]
    assert crc32_of(pa.array([], pa.string())).tolist() == []
    assert len(crc32_of(pa.array([None], pa.string()))) == 1


def test_buckets_are_of_like_size() -> None:
    for texts in ([str(n) for n in range(10_000)], [f"user-{n:08d}@example.com" for n in range(10_000)]):
        found = _of("hash(a) % 16", pa.array(texts))
        sizes = [found.count(str(bucket)) for bucket in range(16)]
        assert sum(sizes) == 10_000
        assert max(sizes) < 1.25 * min(sizes)


@pytest.mark.parametrize(
    ("expression", "cell", "expected"),
    [
        ("year(a)", "2026-04-01", "2026"),
        ("month(a)", "2026-04-01T05:06:07Z", "2026-04"),
        ("day(a)", " 2026-04-01 05:06:07.123+02:00 ", "2026-04-01"),
        ("hour(a)", "2026-04-01 05", "2026-04-01T05"),
        ("hour(a)", "2026-04-01", "2026-04-01T00"),
        ("day(a)", "20260401", "2026-04-01"),
        ("day(a)", 20260401, "2026-04-01"),
        ("day(a)", 20260401.0, "2026-04-01"),
        ("day(a)", "2026-02-30", NO),
        ("day(a)", "2026-04-01x", NO),
        ("day(a)", "01.04.2026", NO),
        ("hour(a)", "2026-04-01T25:00", NO),
        ("hour(a)", "2026-04-01T05:61", NO),
        ("hour(a)", "2026-04-01T05:59:61", NO),
        ("hour(a)", "2026-04-01T05:59:60Z", "2026-04-01T05"),
        ("hour(a)", "2026-04-01T05:00+25:00", NO),
        ("day(a)", "2026-04-01T05:00+05:75", NO),
        ("hour(a)", "2026-04-01T0500-0930", "2026-04-01T05"),
        ("year(a)", 1775000000, NO),
        ("day(a)", datetime.date(2026, 4, 1), "2026-04-01"),
        ("hour(a)", datetime.datetime(2026, 4, 1, 5, 59), "2026-04-01T05"),
        ("year(a)", datetime.date(926, 4, 1), "0926"),
    ],
)
def test_dates_are_cut_to_their_part(expression: str, cell: Any, expected: str) -> None:
    assert _of(expression, pa.array([cell, None])) == [expected, NO]


def test_a_time_with_a_zone_has_the_date_of_that_zone() -> None:
    late = datetime.datetime(2026, 3, 31, 23, tzinfo=datetime.UTC)
    assert _of("day(a)", pa.array([late], pa.timestamp("ns", "Europe/Berlin"))) == ["2026-04-01"]
    assert _of("day(a)", pa.array([2**62], pa.timestamp("s"))) == [NO], "outside the years that there are"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["DE", " ", "", "NA", None, "é"]), ["DE", NO, NO, "NA", NO, "é"]),
        (pa.array([1.5, 2.0, float("nan")]), ["1.5", "2", NO]),
        (pa.array([True, None]), ["true", NO]),
        (pa.array([datetime.date(2026, 4, 1)]), ["2026-04-01"]),
    ],
)
def test_a_value_is_its_text(column: pa.Array, expected: list[str]) -> None:
    assert _of("a", column) == expected


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ("a", pa.array([[1]])),
        ("a % 2", pa.array([True])),
        ("hash(a) % 2", pa.array([b"x"])),
        ("day(a)", pa.array([True])),
    ],
)
def test_a_column_that_cannot_be_divided_is_refused_with_another_way(expression: str, column: pa.Array) -> None:
    with pytest.raises(InputError, match=r"the column 'a' is .* needs .*_row % 10"):
        _of(expression, column)
