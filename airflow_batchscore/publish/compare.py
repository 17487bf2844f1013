"""Compare a challenger's scores with the champion's: their committed parts are read, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_batchscore.errors import BatchScoreError, GateError, OutputError
from airflow_batchscore.model.reference import ModelRef
from airflow_batchscore.publish.ahead import in_order
from airflow_batchscore.publish.comparison import MOST_SHOWN, ColumnComparison, Comparison, PartitionComparison, Row
from airflow_batchscore.publish.same_rows import MOST_ROWS, SideBySide, Stretch, side_by_side, stretches
from airflow_batchscore.quality.agreements import Agreements
from airflow_batchscore.quality.differences import Differences
from airflow_batchscore.scoring.manifest import Manifest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def compare(
    champion: ModelRef,
    challenger: ModelRef,
    champions: Sequence[Manifest],
    challengers: Mapping[str, Manifest],
    failed: Mapping[str, str],
) -> Comparison:
    """Compare what two models scored in a run.

    Args:
        champions: manifests, in the order of the partitions.
        challengers: partition key -> manifest.
        failed: partition key -> why the challenger has no scores.

    Returns:
        What was found; a part that is gone or damaged is a problem of its partition.
    """
    pairs = [(ours, challengers[ours.key]) for ours in champions if ours.key in challengers]
    columns, left_out = _columns(*pairs[0]) if pairs else ({}, {})
    found = {each.partition: each for each in _each(pairs, columns)}
    missing = "the challenger has no scores of it"
    partitions = [
        found.get(ours.key) or PartitionComparison(ours.key, problem=failed.get(ours.key, missing))
        for ours in champions
    ]
    total = PartitionComparison("")
    for each in partitions:
        total += each
    return Comparison(champion, challenger, replace(total, problem=None), partitions, left_out)


def _columns(champion: Manifest, challenger: Manifest) -> tuple[dict[str, bool], dict[str, str]]:
    """Output columns that both have -> whether they hold numbers; and those that cannot be compared, with why."""
    ours, theirs = (_outputs(manifest) for manifest in (champion, challenger))
    compared, left_out = {}, {}
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in ours or name not in theirs:
            has, lacks = ("champion", "challenger") if name in ours else ("challenger", "champion")
            left_out[name] = f"the {has} gives it, the {lacks} does not"
        elif _is_number(ours[name]) != _is_number(theirs[name]) or not (
            _is_number(ours[name]) or ours[name] == theirs[name]
        ):
            left_out[name] = f"the champion gives {ours[name]}, the challenger {theirs[name]}"
        else:
            compared[name] = _is_number(ours[name])
    return compared, left_out


def _outputs(manifest: Manifest) -> dict[str, str]:
    return {name: kind for name, kind in manifest.schema.items() if name not in manifest.keys}


def _is_number(kind: str) -> bool:
    return kind.startswith(("int", "uint", "float", "half", "double", "decimal"))


def _each(pairs: Sequence[tuple[Manifest, Manifest]], columns: Mapping[str, bool]) -> Iterator[PartitionComparison]:
    """One partition after the other; the next parts are read while one pair is compared."""
    problems: dict[str, str] = {}

    def work() -> Iterator[tuple[str, Stretch]]:
        for ours, theirs in pairs:
            try:
                for stretch in stretches(ours, theirs):
                    yield ours.key, stretch
            except ValueError as error:
                problems[ours.key] = str(error)

    sums: dict[str, PartitionComparison] = {ours.key: PartitionComparison(ours.key) for ours, _ in pairs}

    def read(item: tuple[str, Stretch]) -> tuple[str, SideBySide | BatchScoreError]:
        key, stretch = item
        try:
            return key, side_by_side(stretch, list(columns))
        except (GateError, OutputError) as error:  # the champion's parts have a check of their own
            return key, error

    for key, rows in in_order(read, work(), lambda item: item[1].size) if columns else ():
        if isinstance(rows, BatchScoreError):
            problems[key] = str(rows).removeprefix("not published: ")
        else:
            sums[key] += _compared(key, rows, columns)
    for key, each in sums.items():
        yield replace(each, problem=problems.get(key) or _problem(each, columns))


def _problem(each: PartitionComparison, columns: Mapping[str, bool]) -> str | None:
    if not columns:
        return "the two have no output column that can be compared"
    if not each.unmatched:
        return None
    return (
        f"{each.unmatched} rows could not be matched: one of the two left rows out, and no key tells which (keep keys "
        f"that are unique: ScorePartitionOperator(keys=[...])), or the two were cut into other blocks, of more than "
        f"{MOST_ROWS:,} rows together (score both again with force)"
    )


def _compared(key: str, rows: SideBySide, columns: Mapping[str, bool]) -> PartitionComparison:
    alone = rows.champion_alone + rows.challenger_alone
    return PartitionComparison(
        key,
        {name: _column(key, rows, name, alone, is_number=is_number) for name, is_number in columns.items()},
        rows.champion.num_rows,
        rows.champion_alone,
        rows.challenger_alone,
        rows.unmatched,
    )


def _column(key: str, rows: SideBySide, name: str, alone: int, *, is_number: bool) -> ColumnComparison:
    import pyarrow as pa
    import pyarrow.types as pt

    ours, theirs = rows.champion.column(name), rows.challenger.column(name)
    if not is_number:
        differ = [_row(key, rows, name, place) for place in _differ(ours, theirs)]
        return ColumnComparison(Agreements.of(ours, theirs, alone), None, differ)
    numbers = _floats(ours), _floats(theirs)
    agreements = None
    if pt.is_integer(ours.type) and pt.is_integer(theirs.type):  # classes are often numbered
        if ours.type != theirs.type:  # as text, which no integer is too large for
            ours, theirs = ours.cast(pa.string()), theirs.cast(pa.string())
        agreements = Agreements.of(ours, theirs, alone)
    return ColumnComparison(agreements, Differences.of(*numbers, alone), _farthest(key, rows, name, *numbers))


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa

    numbers: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy()
    return numbers


def _differ(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> list[int]:
    """The first rows with other classes."""
    import numpy as np
    import pyarrow.compute as pc

    other = pc.fill_null(pc.not_equal(ours, theirs), fill_value=False)
    other = pc.or_(other, pc.xor(ours.is_null(), theirs.is_null()))
    places: list[int] = np.flatnonzero(other.to_numpy())[:MOST_SHOWN].tolist()
    return places


def _farthest(key: str, rows: SideBySide, name: str, ours: np.ndarray, theirs: np.ndarray) -> list[Row]:
    """The rows with the largest differences."""
    import numpy as np

    alike = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(alike, 0.0, np.nan_to_num(np.abs(theirs - ours), nan=np.inf, posinf=np.inf))
    most = min(MOST_SHOWN, len(apart))
    if not most:
        return []
    places = np.argpartition(-apart, most - 1)[:most]
    places = places[np.argsort(-apart[places], kind="stable")]
    return [_row(key, rows, name, int(place), float(apart[place])) for place in places if apart[place] > 0]


def _row(key: str, rows: SideBySide, name: str, place: int, apart: float = 0.0) -> Row:
    return Row(
        key,
        None if rows.first is None else rows.first + place,
        {column: str(rows.champion.column(column)[place].as_py()) for column in rows.keys},
        str(rows.champion.column(name)[place].as_py()),
        str(rows.challenger.column(name)[place].as_py()),
        apart,
    )
