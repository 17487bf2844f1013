"""Who moved an alias when: kept in the alias's own file, so that a move and its record are one atomic write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from airflow_batchscore.data.json_types import JsonMapping, JsonObject

#: Older moves are forgotten.
MOST_MOVES = 50


@dataclass(frozen=True)
class Move:
    """A move of an alias to a version.

    Attributes:
        version, digest: that it then pointed at; see `ModelRef`.
        when: ISO 8601, UTC.
        by: the run (``"<dag_id>/<run_id>"``) or the user; empty if nobody recorded it.
    """

    version: str
    digest: str
    when: str
    by: str


def moved(pointer: JsonMapping, version: str, digest: str, began: int, by: str) -> JsonObject:
    """The alias's file after a move.

    A run that confirms the version that the alias points at is no move: daily runs would push out what people did.

    Args:
        pointer: the file's content before; empty if there is none.
        began: see `set_alias`.
        by: see `Move`.
    """
    moves = list(moves_of(pointer))
    if (pointer.get("version"), pointer.get("digest")) != (version, digest):
        moves.append(Move(version, digest, datetime.now(UTC).isoformat(timespec="seconds"), by))
    kept = [asdict(move) for move in moves[-MOST_MOVES:]]
    return {"version": version, "digest": digest, "began": began, "moves": kept}


def moves_of(pointer: JsonMapping) -> Sequence[Move]:
    """The recorded moves, oldest first; of a file without a history, the move that it is the result of.

    Raises KeyError or TypeError for a file that this package did not write.
    """
    if "moves" in pointer:
        return [Move(**move) for move in pointer["moves"]]
    if "version" not in pointer:
        return []
    when = datetime.fromtimestamp(pointer.get("began", 0) / 1e9, UTC).isoformat(timespec="seconds")
    return [Move(pointer["version"], pointer["digest"], when, "")]
