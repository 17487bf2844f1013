"""What an engine has without saying it, and how a lost worker is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from support import good_rows, scores, small

from airflow_batchscore.engine.base import Engine, Session, WorkerLostError
from airflow_batchscore.errors import BatchScoreError, InputError

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class InTurn(Engine):
    """As little as an engine can be: it runs one call after the other."""

    block_memory = None

    @contextmanager
    def session(self, slots: int = 1) -> Iterator[Session]:
        yield self

    def describe(self) -> dict[str, Any]:
        return {"engine": "InTurn"}

    def run(self, function: Any, arguments: Sequence[tuple[Any, ...]], *, remote: bool = False) -> Iterator[Any]:
        return (function(*argument) for argument in arguments)


def test_an_engine_needs_a_session_and_a_description_only(tmp_path: Any) -> None:
    data = small(tmp_path)
    data.add(1, good_rows(100, 1000))
    ((manifest, _),) = data.score(1, block_rows=30, engine=InTurn())
    assert scores(manifest)["id"].tolist() == list(range(1000, 1100))
    assert manifest.engine == {"engine": "InTurn"}


def test_an_engine_that_says_nothing_has_no_address_is_not_local_and_cannot_train() -> None:
    engine = InTurn()
    assert engine.conn_id is None
    assert not engine.is_local
    with pytest.raises(InputError, match=r"InTurn\(\) takes no address from a connection: leave out conn_id=None"):
        engine.connected("host", 1, {})
    with pytest.raises(InputError, match=r"engine=InTurn\(\): training spreads over Dask; give LocalDask\(\)"):
        engine.client()


def test_an_engine_without_a_session_cannot_be_made() -> None:
    class Nothing(Engine):
        def describe(self) -> dict[str, Any]:
            return {}

    with pytest.raises(TypeError, match="session"):
        Nothing()  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        (
            ("job", SimpleNamespace(name="block 7")),
            {},
            "block 7: the worker died while it ran this, most likely for lack of memory. Give it more memory, or "
            "smaller blocks (block_rows)",
        ),
        (
            ("job", {"year": 2015}),
            {"times": 3, "cause": "exit code 137"},
            "{'year': 2015}: the worker died 3 times while it ran this, most likely for lack of memory (exit code "
            "137). Give it more memory, or smaller blocks (block_rows)",
        ),
    ],
)
def test_a_lost_worker_is_told_with_its_block_and_what_to_do(
    argument: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    error = WorkerLostError.of(argument, "the worker", "Give it more memory", **options)
    assert str(error) == message
    assert not isinstance(error, BatchScoreError)  # those are not retried
