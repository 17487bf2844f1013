from __future__ import annotations

import json

import pyarrow as pa
import pytest

from airflow_batchscore.data.type_names import arrow_type, name_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.uint64(),
        pa.float16(),
        pa.float32(),
        pa.bool_(),
        pa.string(),
        pa.large_string(),
        pa.date32(),
        pa.time64("us"),
        pa.timestamp("s"),
        pa.timestamp("ns", "UTC"),
        pa.timestamp("us", "Europe/Berlin"),
        pa.duration("ms"),
        pa.decimal128(22, 2),
        pa.decimal256(60, -3),
        pa.binary(16),
        pa.list_(pa.field("item", pa.int8(), nullable=False)),
        pa.struct([("a, b", pa.string())]),
        pa.dictionary(pa.int8(), pa.string()),
    ],
    ids=str,
)
def test_every_type_comes_back_from_its_name(kind: pa.DataType) -> None:
    assert arrow_type(json.loads(json.dumps(name_of(kind)))) == kind


@pytest.mark.parametrize("text", ["", "number", "timestamp[h]", "list<item: int8>"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the name of an Arrow type"):
        arrow_type(text)


def test_what_people_read_is_arrows_own_name() -> None:
    assert name_of(pa.timestamp("us", "UTC")) == "timestamp[us, tz=UTC]"
    assert name_of(pa.decimal128(5, 2)) == "decimal128(5, 2)"
