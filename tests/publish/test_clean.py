"""What nobody needs goes, what is published, newest, young or in use stays, and no instant leaves half a commit."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lakes import KINDS, lake
from publications import publish
from support import Small, good_rows, scores, small

from airflow_batchscore import LocalDask
from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import Location, credentials
from airflow_batchscore.engine.base import Engine
from airflow_batchscore.errors import GateError, InputChangedError, InputError, OutputError
from airflow_batchscore.publish import clean as cleaning
from airflow_batchscore.publish.audit import audit
from airflow_batchscore.publish.clean import Cleaned, Keep, clean_staging
from airflow_batchscore.publish.combine import combine
from airflow_batchscore.publish.comparison_gate import with_comparison
from airflow_batchscore.publish.runs import VERDICT, run_place, staged_runs_folder
from airflow_batchscore.publish.staged import staged_identities
from airflow_batchscore.publish.state import RunChallenge, ScoringRun, read_manifests
from airflow_batchscore.publish.targets import target_of
from airflow_batchscore.publish.verdict import Limits
from airflow_batchscore.scoring.in_progress import PartitionInProgress, begin
from airflow_batchscore.scoring.manifest import Manifest
from airflow_batchscore.scoring.prepare import Preparer

pytestmark = pytest.mark.unit

#: Three ways of scoring the same partition: as many identities.
METHODS = ("predict", "predict_proba", "decision_function")
_HOUR = 3600 * 10**9


@pytest.fixture
def data(tmp_path: Path) -> Small:
    made = small(tmp_path)
    made.add(1, good_rows(30, 1000))
    return made


def _scored(data: Small, method: str = "predict", **options: Any) -> Manifest:
    ((manifest, _),) = data.score(1, method=method, **options)
    return manifest


def _aged(manifest: Manifest, hours: float) -> Manifest:
    """As if it had been committed so long ago."""
    moment = time.time() - hours * 3600
    for path in Path(manifest.folder.uri).rglob("*"):
        if path.is_file():
            os.utime(path, (moment, moment))
    return manifest


def _clean(data: Small, *published: str, **options: Any) -> Cleaned:
    dry_run = options.pop("dry_run", False)
    keep = Keep(**{"runs": 1, **options})
    return clean_staging(
        Location(f"{data.folder}/staged"), [Location(each) for each in published], keep, dry_run=dry_run
    )


def _files(manifest: Manifest) -> set[str]:
    root = Path(manifest.folder.uri)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def _three(data: Small) -> list[Manifest]:
    return [_aged(_scored(data, method), hours) for method, hours in zip(METHODS, (300, 200, 100), strict=True)]


def test_old_scores_go_and_the_newest_of_each_partition_stay(data: Small) -> None:
    first, second, third = _three(data)
    listed = _clean(data, dry_run=True)
    assert [(each.identity, each.why) for each in listed.removed] == [
        (Path(manifest.folder.uri).name, "old")
        for manifest in sorted((first, second), key=lambda manifest: manifest.folder.uri)
    ]
    assert _files(first)
    cleaned = _clean(data)
    assert (len(cleaned.removed), cleaned.kept) == (2, 1)
    assert cleaned.bytes == listed.bytes > 0
    assert _files(first) == _files(second) == {"manifests/000001.json", "manifests/000002.json"}
    assert Manifest.read(Location(first.uri)) is None
    assert len(scores(third)) == 30
    assert not _clean(data).removed


def test_what_either_says_is_kept(data: Small) -> None:
    _three(data)
    assert len(_clean(data, runs=2, dry_run=True).removed) == 1
    assert len(_clean(data, runs=None, days=9, dry_run=True).removed) == 1
    assert len(_clean(data, runs=1, days=9, dry_run=True).removed) == 1
    assert not _clean(data, runs=3, dry_run=True).removed
    assert not _clean(data, runs=1, days=30, dry_run=True).removed
    assert not _clean(data, min_age_hours=301, dry_run=True).removed


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out"])
def test_what_is_published_stays(data: Small, output: str) -> None:
    first, second, _ = _three(data)
    uri = f"{data.folder}/{output}"
    combine([first], Location(uri))
    cleaned = _clean(data, uri)
    assert [each.identity for each in cleaned.removed] == [Path(second.folder.uri).name]
    assert combine([first], Location(uri)).changes.unchanged == ["p=1"]


def test_what_a_kept_run_was_checked_with_stays(data: Small) -> None:
    first, second, _ = _three(data)
    run = ScoringRun("dag", "run")
    verdict = audit([first.partition], [first]).verdict(run, Limits())
    place = run_place(staged_runs_folder([first]), run, "check", VERDICT)
    storage.write_json(place, verdict)
    assert [each.identity for each in _clean(data).removed] == [Path(second.folder.uri).name]


def test_what_a_challenger_of_a_kept_run_scored_stays(data: Small) -> None:
    first, second, newest = _three(data)
    model = first.model
    assert model is not None
    run, challenge = ScoringRun("dag", "run"), RunChallenge(model, {second.key: second}, {})
    verdict = with_comparison(audit([first.partition], [first]), challenge, Limits()).verdict(run, Limits())
    storage.write_json(run_place(staged_runs_folder([first]), run, "check", VERDICT), verdict)
    assert not _clean(data).removed
    assert newest != second


def _checked(run: str, *champions: Manifest, challenger: Manifest | None = None, hours: float = 0) -> None:
    """Two checks of a run, of which the second compares."""
    values = [manifest.partition for manifest in champions]
    checked = audit(values, list(champions))
    verdicts = {"check": checked.verdict(ScoringRun("dag", run), Limits())}
    if challenger is not None and challenger.model is not None:
        challenge = RunChallenge(challenger.model, {challenger.key: challenger}, {})
        verdicts["compare"] = with_comparison(checked, challenge, Limits()).verdict(ScoringRun("dag", run), Limits())
    for task, verdict in verdicts.items():
        place = run_place(staged_runs_folder(champions), ScoringRun("dag", run), task, VERDICT)
        storage.write_json(place, verdict)
        os.utime(place.uri, (time.time() - hours * 3600,) * 2)


def test_runs_are_counted_and_not_their_checks(data: Small) -> None:
    first, second, third = _three(data)
    _checked("1", first, challenger=third, hours=90)
    _checked("2", third, challenger=third, hours=80)
    assert [each.identity for each in _clean(data, dry_run=True).removed] == sorted(
        Path(manifest.folder.uri).name for manifest in (first, second)
    )
    assert not _clean(data, runs=2, days=11, dry_run=True).removed
    _aged(second, 900)  # the oldest now; both runs are kept, and the newest two scorings
    assert [each.identity for each in _clean(data, runs=2).removed] == [Path(second.folder.uri).name]


def test_what_a_challenger_scored_is_no_scoring_of_the_partition(data: Small) -> None:
    first, second, third = _three(data)
    newest = _aged(_scored(data, "predict_log_proba"), 95)
    _checked("1", first, challenger=second, hours=190)
    _checked("2", third, challenger=newest, hours=94)
    assert [each.identity for each in _clean(data, runs=1, dry_run=True).removed] == sorted(
        Path(manifest.folder.uri).name for manifest in (first, second)
    )
    os.remove(data.folder / "staged" / "_runs" / "dag" / "1" / "check.audit.json")
    _checked("3", third, hours=80)
    _checked("4", third, hours=80)
    gone = _clean(data, runs=2).removed  # of runs 3 and 4, and the newest two scorings that are no challenger's
    assert {each.identity for each in gone} == {Path(manifest.folder.uri).name for manifest in (second, newest)}


def test_nothing_is_removed_for_an_output_that_is_not_there_or_does_not_tell(data: Small) -> None:
    first, *_ = _three(data)
    with pytest.raises(InputError, match="holds no published scores, so that nothing was removed"):
        _clean(data, f"{data.folder}/mistyped.parquet")
    Path(data.folder / "theirs.parquet").write_bytes(b"PAR1")
    with pytest.raises(OutputError, match="what it holds is not known"):
        _clean(data, f"{data.folder}/theirs.parquet")
    assert len(scores(first)) == 30


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"runs": None}, "say what to keep"),
        ({"runs": 0}, "1 or more"),
        ({"days": -1}, "0 or more days"),
        ({"days": float("nan")}, "0 or more days"),
        ({"min_age_hours": -1}, "0 or more hours"),
    ],
)
def test_what_to_keep_must_be_said(data: Small, keep: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _clean(data, **keep)


def test_a_folder_without_staged_scores_is_refused(data: Small) -> None:
    with pytest.raises(InputError, match="holds no staged scores"):
        clean_staging(Location(f"{data.folder}/model"), [], Keep(runs=1))


def test_files_of_others_stay(data: Small) -> None:
    first, *_ = _three(data)
    note = Path(first.folder.uri) / "note.txt"
    note.write_text("mine")
    _clean(data)
    assert note.read_text() == "mine"
    assert not list(Path(first.folder.uri).glob("part-*"))


def _half_done(data: Small, hours: float) -> Path:
    """What a task left that was killed after its first blocks: parts, a layout, a temporary file."""
    manifest = _scored(data, "decision_function", block_rows=10)
    folder = Path(manifest.folder.uri)
    Path(manifest.uri).unlink()
    folder.joinpath("manifests").rmdir()
    sorted(folder.glob("part-*"))[-1].rename(folder / ".tmp-0123456789ab-1-none-01234567-part")
    _aged(manifest, hours)
    return folder


def test_what_a_dead_task_left_half_done_goes_when_it_is_old(data: Small) -> None:
    folder = _half_done(data, hours=10)
    assert not _clean(data).removed
    (gone,) = _clean(data, min_age_hours=9).removed
    assert (gone.why, gone.committed) == ("unfinished", None)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["000001.json"]
    manifest = _scored(data, "decision_function", block_rows=10)
    assert Path(manifest.uri).name == "000002.json"
    assert len(scores(manifest)) == 30


def test_a_temporary_file_beside_committed_scores_goes(data: Small) -> None:
    manifest = _scored(data)
    left = Path(manifest.folder.uri) / ".tmp-0123456789ab-1-none-01234567-part"
    left.write_bytes(b"PAR1")
    _aged(manifest, 100)
    (gone,) = _clean(data).removed
    assert (gone.why, gone.bytes) == ("temporary", 4)
    assert not left.exists()
    assert len(scores(manifest)) == 30


def test_removed_scores_are_made_again_and_reused_from_then_on(data: Small) -> None:
    first, *_ = _three(data)
    _clean(data)
    again, reused = data.score(1)[0]
    assert (again.folder, reused, Path(again.uri).name) == (first.folder, False, "000003.json")
    assert {block.part for block in again.blocks}.isdisjoint({block.part for block in first.blocks})
    assert data.score(1)[0] == (again, True)
    assert scores(again).equals(data.plain(1))
    with pytest.raises(GateError, match="is gone: the partition is not committed any more"):
        read_manifests([first.uri], None, [first.digest])


def test_the_trace_of_a_removal_goes_after_a_month(data: Small) -> None:
    first, *_ = _three(data)
    _clean(data)
    _aged(first, 29 * 24)
    assert not _clean(data).removed
    _aged(first, 31 * 24)
    assert [each.why for each in _clean(data).removed] == ["note"]
    assert not Path(first.folder.uri).exists()


# A scorer and a cleaner at the same time


def _begun(data: Small, engine: Engine, **options: Any) -> PartitionInProgress:
    job = data.job(method="predict_proba", block_rows=10, **options)
    with engine.session(1) as session:
        begun = begin(job, Preparer(job), {"p": "1"}, session)
    assert isinstance(begun, PartitionInProgress)
    return begun


@pytest.mark.parametrize("options", [{}, {"token": "a run"}])
def test_a_scorer_that_stood_still_while_its_parts_were_removed_commits_nothing(
    data: Small, options: dict[str, str]
) -> None:
    _scored(data)  # so that something else is staged, and stays
    engine = LocalDask(workers=1)
    begun = _begun(data, engine, **options)
    calls = begun.attempt.next_calls()
    for function, job, block in calls[:-1]:
        begun.attempt.add(function(job, block))
    (gone,) = _clean(data, min_age_hours=0).removed
    assert gone.why == "unfinished"
    function, job, block = calls[-1]
    begun.attempt.add(function(job, block))
    with pytest.raises((InputChangedError, OSError)):  # the schema is read from the first part
        begun.commit(engine)
    ((manifest, reused),) = data.score(1, method="predict_proba", block_rows=10, **options)
    assert not reused
    assert len(scores(manifest)) == 30
    assert audit([manifest.partition], [manifest]).problems == []


def test_a_part_that_was_written_after_the_listing_does_not_save_the_commit(data: Small) -> None:
    """The first part is still there, so that only the note stops the commit."""
    _scored(data)
    engine = LocalDask(workers=1)
    begun = _begun(data, engine)
    calls = begun.attempt.next_calls()
    function, job, block = calls[1]
    begun.attempt.add(function(job, block))
    _clean(data, min_age_hours=0)
    for function, job, block in (calls[0], *calls[2:]):
        begun.attempt.add(function(job, block))
    with pytest.raises(InputChangedError, match="its staged scores were removed .* a retry scores the partition again"):
        begun.commit(engine)


@pytest.mark.parametrize("kind", ["first", "forced"])
def test_a_scorer_that_commits_between_listing_and_removal_keeps_its_commit(
    data: Small, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalDask(workers=1)
    _aged(_scored(data), 1)
    old = _aged(_scored(data, "predict_proba", block_rows=10), 300) if kind == "forced" else None
    begun = _begun(data, engine, **({"token": "a run"} if old else {}))
    for function, job, block in begun.attempt.next_calls():
        begun.attempt.add(function(job, block))
    found = staged_identities(Location(f"{data.folder}/staged"))
    manifest, _ = begun.commit(engine)
    # The cleaner goes on from what it listed before the commit.
    monkeypatch.setattr(cleaning, "staged_identities", lambda staging: found)
    cleaned = _clean(data, min_age_hours=0)
    assert (cleaned.in_use, cleaned.removed) == (1, [])
    assert len(scores(manifest)) == 30
    assert data.score(1, method="predict_proba", block_rows=10)[0] == (manifest, True)


def test_two_cleaners_at_once_remove_a_thing_once(data: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    _three(data)
    found = staged_identities(Location(f"{data.folder}/staged"))
    monkeypatch.setattr(cleaning, "staged_identities", lambda staging: found)
    assert len(_clean(data).removed) == 2
    late = _clean(data)
    assert (late.in_use, late.removed) == (2, [])


@pytest.mark.parametrize("deletions", range(4))
def test_a_cleaner_that_dies_leaves_no_manifest_whose_parts_are_gone(
    data: Small, deletions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _aged(_scored(data, block_rows=10), 300)
    newest = _aged(_scored(data, "predict_proba"), 100)
    delete, left = storage.delete, iter(range(deletions))

    def dying(location: Location) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        delete(location)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "delete", dying)
        with pytest.raises(KeyboardInterrupt):
            _clean(data)
    ((again, reused),) = data.score(1, block_rows=10)
    assert not reused
    assert len(scores(again)) == 30
    assert audit([again.partition], [again]).problems == []
    assert len(scores(newest)) == 30
    # What the dead one left is found by the next, once it is old; what was scored since stays.
    _aged(replace(again), 90)
    _clean(data, runs=2)
    assert len(scores(again)) == 30
    assert Path(old.folder.uri) == Path(again.folder.uri)


def test_on_an_object_store(data: Small, moto: str) -> None:
    from s3_server import s3_options

    credentials.register("cleaned", s3_options(moto))
    try:

        def scored(method: str) -> tuple[Manifest, bool]:
            return data.score(1, method=method, block_rows=10, output_uri=staging.uri, conn_id="cleaned")[0]

        staging, out = Location("s3://tennis/staged", "cleaned"), Location("s3://tennis/out", "cleaned")
        published, doomed = scored("predict")[0], scored("predict_proba")[0]
        combine([published], out)
        time.sleep(1.1)  # the store counts in seconds
        newest, _ = scored("decision_function")
        cleaned = clean_staging(staging, [out], Keep(runs=1), now_ns=time.time_ns() + 100 * _HOUR)
        assert [each.identity for each in cleaned.removed] == [doomed.folder.name]
        left = storage.list_files(doomed.folder, recursive=True)
        assert [file.uri for file in left] == [f"{doomed.folder}/manifests/00000{n}.json" for n in (1, 2)]
        assert scored("predict") == (published, True)
        assert scored("decision_function") == (newest, True)
        again, reused = scored("predict_proba")
        assert not reused
        assert audit([again.partition], [again]).problems == []
    finally:
        credentials.forget("cleaned")


def test_scorers_and_two_cleaners_that_wait_for_nothing_lose_no_commit(data: Small) -> None:
    """Each commit is the newest of its partition: whole when it is made, and whole afterwards."""
    for partition in (2, 3):
        data.add(partition, good_rows(30, 1000 * partition))
    _scored(data)
    ended = threading.Event()

    def keep_cleaning() -> None:
        while not ended.wait(0.2):
            with suppress(OSError):  # the other's temporary file was removed, too
                _clean(data, min_age_hours=0)

    committed: dict[tuple[int, str], Manifest] = {}
    with ThreadPoolExecutor() as cleaners:
        running = [cleaners.submit(keep_cleaning) for _ in range(2)]
        try:
            for method in METHODS:
                for partition in (1, 2, 3):
                    for _ in range(50):
                        with suppress(InputChangedError, OSError):
                            (committed[partition, method], _), *_ = data.score(partition, method=method, block_rows=10)
                            assert len(scores(committed[partition, method])) == 30
                            break
        finally:
            ended.set()
        for each in running:
            each.result()
    newest = [manifest for (_, method), manifest in committed.items() if method == METHODS[-1]]
    assert len(committed) == 9
    assert audit([manifest.partition for manifest in newest], newest).problems == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_table_holds_stays(data: Small, tmp_path: Path, kind: str) -> None:
    published, newest = (
        _aged(_scored(data, method), age) for method, age in (("predict", 900), ("predict_proba", 800))
    )
    with lake(kind, tmp_path / "lake") as there:
        publish([published], there.output, 1, table=there.table)
        assert list(target_of(Location(there.output), there.table).published()) == ["p=1"]
        cleaned = _clean(data, there.output)
    assert not cleaned.removed
    assert _files(published)
    assert _files(newest)


def _goes_when_it_is_old(data: Small, left: Path) -> None:
    """A file of a sample, which is made here."""
    left.parent.mkdir(parents=True)
    left.write_bytes(b"sample")
    assert not _clean(data).removed
    os.utime(left, (0, 0))
    (removed,) = _clean(data).removed
    assert (removed.partition, removed.why, removed.bytes) == ("_estimates", "temporary", 6)
    assert not left.exists()


def test_what_a_killed_estimate_left_goes(data: Small) -> None:
    _scored(data)
    _goes_when_it_is_old(data, data.folder / "staged" / "_estimates" / ("a" * 32) / "p=1" / "part.parquet")


def test_what_a_killed_estimate_left_on_a_disk_goes(data: Small) -> None:
    _scored(data)
    with storage.private_folder(f"{data.folder}/staged/estimate") as private:
        _goes_when_it_is_old(data, private / "p=1" / ("a" * 16) / "part.parquet")
        assert not private.exists()


def test_a_scorer_that_began_before_two_removals_commits_nothing(data: Small) -> None:
    """The second removal must not free the number that the first one took."""
    _scored(data)
    engine = LocalDask(workers=1)
    begun = _begun(data, engine)
    first, *rest = begun.attempt.next_calls()
    for number, (function, job, block) in enumerate((*rest, first)):
        begun.attempt.add(function(job, block))
        if number < 2:
            assert [each.why for each in _clean(data, min_age_hours=0).removed] == ["unfinished"]
    with pytest.raises(InputChangedError, match="its staged scores were removed"):
        begun.commit(engine)
