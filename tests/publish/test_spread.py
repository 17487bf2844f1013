"""The partitions of a folder are written by the workers of an engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from process_engine import Processes
from publications import chunks, flip_a_bit, ids, publish, stamps
from support import Small, good_rows, small

from airflow_batchscore import LocalDask
from airflow_batchscore.engine.base import Engine, WorkerLostError
from airflow_batchscore.errors import GateError, OutputError
from airflow_batchscore.publish.spread import on_workers
from airflow_batchscore.publish.stamp import Publication
from airflow_batchscore.scoring.manifest import Manifest

pytestmark = pytest.mark.unit

PARTITIONS = (1, 2, 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("data"))
    for partition in PARTITIONS:
        made.add(partition, good_rows(3000, 10_000 * partition))
    return made


@pytest.fixture(scope="module")
def scored(data: Small) -> list[Manifest]:
    return [manifest for manifest, _ in data.score(*PARTITIONS)]


class NamedJob(str):
    """A job that is its name."""

    __slots__ = ()
    smaller_work = "fewer jobs"

    @property
    def name(self) -> str:
        return str(self)


def process_of(job: NamedJob) -> tuple[str, int]:
    return job.name, os.getpid()


def _spread(engine: Engine | None, *jobs: str) -> dict[str, int]:
    return dict(on_workers(Publication(engine=engine), process_of, [NamedJob(job) for job in jobs], remote=False))


def test_jobs_run_here_without_an_engine_or_a_second_job() -> None:
    assert _spread(None, "a", "b") == {"a": os.getpid(), "b": os.getpid()}
    assert _spread(Processes(), "a") == {"a": os.getpid()}
    assert _spread(Processes()) == {}


@pytest.mark.slow
def test_several_jobs_run_on_the_engines_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *_paths()]))
    done = _spread(Processes(), "a", "b", "c")
    assert set(done) == {"a", "b", "c"}
    assert os.getpid() not in done.values()


def _paths() -> Sequence[str]:
    tests = Path(__file__).parents[1]
    return [str(tests), str(tests / "adding"), os.environ.get("PYTHONPATH", "")]


@pytest.mark.parametrize(
    "engine",
    [
        LocalDask(processes=False),
        pytest.param(LocalDask(processes=True, workers=2), marks=pytest.mark.slow),
        pytest.param(Processes(), marks=pytest.mark.slow),
    ],
    ids=["threads", "LocalCluster of processes", "processes"],
)
def test_a_folder_is_the_same_whoever_writes_it(
    scored: list[Manifest], tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(_paths()))
    publish(scored, tmp_path / "here", 1, began=7)
    changes = publish(scored, tmp_path / "spread", 1, began=7, engine=engine).changes
    assert changes.added == ["p=1", "p=2", "p=3"]
    for name in ("p=1", "p=2", "p=3"):
        files = [tmp_path / folder / name / "scores.parquet" for folder in ("here", "spread")]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert files[0].stat().st_mode == files[1].stat().st_mode
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")] == []


@pytest.mark.parametrize("engine", [None, LocalDask(processes=False)])
def test_nothing_is_published_if_one_worker_fails(data: Small, tmp_path: Path, engine: Engine | None) -> None:
    staged = f"{tmp_path}/staged"
    manifests = [manifest for manifest, _ in data.score(*PARTITIONS, output_uri=staged)]
    publish(manifests[:1], tmp_path / "out")
    flip_a_bit(Path(manifests[1].folder.uri) / manifests[1].blocks[0].part)
    with pytest.raises(GateError, match="p=2: .*is damaged"):
        publish(manifests, tmp_path / "out", engine=engine)
    assert list(ids(tmp_path / "out")) == ["1"]


def test_a_worker_that_does_not_see_the_outputs_disk_says_so(scored: list[Manifest], tmp_path: Path) -> None:
    class Elsewhere(Processes):
        def run(self, function, arguments, *, remote=False):  # type: ignore[no-untyped-def]
            for (job,) in arguments:
                job.path.parent.rmdir()  # as on a machine without that disk
                yield function(job)

    with pytest.raises(OutputError, match=r"p=1, a folder beside the output, is not there on the worker .* same path"):
        publish(scored, tmp_path / "out", engine=Elsewhere())
    assert not (tmp_path / "out").exists()


def test_a_worker_that_wakes_up_late_does_not_change_what_is_published(scored: list[Manifest], tmp_path: Path) -> None:
    """It is given the same job, and writes when the folder that it writes in has become the output."""
    late: list[object] = []

    class Repeating(Processes):
        def run(self, function, arguments, *, remote=False):  # type: ignore[no-untyped-def]
            late.extend((function, argument) for argument in arguments)
            return map(function, *zip(*arguments, strict=True))

    publish(scored, tmp_path / "out", 1, engine=Repeating())
    files = [tmp_path / "out" / f"p={p}" / "scores.parquet" for p in PARTITIONS]
    before = [(path.stat().st_ino, chunks(path)) for path in files]
    for function, argument in late:
        with pytest.raises(OutputError, match="is not there on the worker"):
            function(*argument)
    assert [(path.stat().st_ino, chunks(path)) for path in files] == before
    assert stamps(files[0])["p=1"]["generation"] == 1


def test_a_worker_that_dies_is_told_with_what_needs_less_memory(scored: list[Manifest], tmp_path: Path) -> None:
    class Dying(Processes):
        def run(self, function, arguments, *, remote=False):  # type: ignore[no-untyped-def]
            raise WorkerLostError.of(arguments[0], "the worker", "Give it more memory")

    advice = (
        r"Give it more memory, or fewer partitions at once, such as CombineOperator\(engine=LocalDask\(workers=1\)\)"
    )
    with pytest.raises(WorkerLostError, match=f"the publication of partition p=1: the worker died .*{advice}$"):
        publish(scored, tmp_path / "out", engine=Dying())
