"""The commands: each asks `api` and says what is shown of the answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_batchscore.cli import options, typed
from airflow_batchscore.cli.screen import progress_bar, show_line, show_table
from airflow_batchscore.data.json_types import JsonObject

#: Letters of an estimator that a table on a terminal shows.
_LONGEST_ESTIMATOR = 60
#: Partitions that a cell names.
_MOST_NAMED = 3


@dataclass(frozen=True)
class Answer:
    """What a command found.

    Attributes:
        json: for ``--json``.
        show: prints it for people.
        code: exit code of the process.
        problem: for stderr: why the code is not 0.
    """

    json: JsonObject
    show: Callable[[], None]
    code: int = 0
    problem: str = ""


def preview(given: argparse.Namespace) -> Answer:
    """A few rows through recipe and model."""
    from airflow_batchscore.api.preview import preview as ask

    dataset, chosen, asked = options.dataset_of(given), options.score_options(given), typed.request(given.partition)
    found = ask(dataset, given.model, asked, rows=given.rows, features=given.features, **chosen)

    def show() -> None:
        inputs = list(dict.fromkeys(name for row in found.rows for name in row.inputs))
        outputs = list(dict.fromkeys(name for row in found.rows for made in row.outputs for name in made))
        new = [name if name not in inputs else f"{name} (made)" for name in outputs]
        rows = [
            [
                row.row,
                *(_text(row.inputs.get(name)) for name in inputs),
                *(_text(made.get(name, "")) for name in outputs),
                row.why,
            ]
            for row in found.rows
            for made in (row.outputs or [dict.fromkeys(outputs, row.outcome)])
        ]
        show_table(f"{found.partition} with {found.model}", ["row", *inputs, *new, "why not"], rows)
        read, scored, skipped, quarantined = found.account.astuple()
        show_line(f"{read} rows read = {scored} scored + {skipped} skipped + {quarantined} that cannot be scored")
        if found.note:
            show_line(found.note)

    return Answer(found.to_dict(), show)


def _text(value: object) -> str | None:
    """A value of the data as Python writes it, not as a count."""
    return None if value is None else str(value)


def plan(given: argparse.Namespace) -> Answer:
    """What would be scored, reused, skipped and replaced."""
    from airflow_batchscore.api.plan import plan_run

    found = plan_run(
        options.dataset_of(given),
        given.model,
        typed.request(given.partitions),
        output_uri=given.output,
        **options.output_of(given),
        **options.score_options(given),
    )

    def show() -> None:
        rows = [
            [each.partition, each.files, each.bytes, each.doing, each.model, each.rows, each.change or "", each.why]
            for each in found.partitions
        ]
        names = ["partition", "files", "bytes", "would", "model", "rows there", "published", "why"]
        show_table(found.dataset, names, rows)
        show_line(", ".join(f"{count} {what}" for what, count in found.counts.items()))
        for text in found.notices:
            show_line(text)

    return Answer(found.to_dict(), show, code=1 if found.counts.get("fails") else 0)


def estimate(given: argparse.Namespace) -> Answer:
    """What a run would take, and whether that is within the limits."""
    from airflow_batchscore.api.estimate import estimate as ask
    from airflow_batchscore.errors import GateError

    if given.max_cost is not None and given.price_per_core_hour is None:
        raise typed.CommandLineError("--max-cost needs a price: add --price-per-core-hour")
    found = ask(
        options.dataset_of(given),
        given.model,
        typed.request(given.partitions),
        output_uri=given.output,
        engine=options.engine_of(given),
        price_per_core_hour=given.price_per_core_hour,
        **({} if given.share is None else {"share": given.share}),
        **options.score_options(given),
    )
    problem = ""
    try:
        found.require_within(given.max_seconds, given.max_cost)
    except GateError as error:
        problem = str(error)

    def show() -> None:
        for sentence in found.sentences():
            show_line(sentence)

    return Answer(found.to_dict(), show, code=1 if problem else 0, problem=problem)


def score(given: argparse.Namespace) -> Answer:
    """Score, check, and publish."""
    from airflow_batchscore.api.score import ChecksError
    from airflow_batchscore.api.score import score as ask

    dataset, engine, problem = options.dataset_of(given), options.engine_of(given), ""
    try:
        with progress_bar("scoring", wanted=not (given.json or given.quiet)) as progress:
            run = ask(
                dataset,
                given.model,
                typed.request(given.partitions),
                output_uri=given.output,
                **options.output_of(given),
                engine=engine,
                max_quarantined=given.max_quarantined,
                max_skipped=given.max_skipped,
                max_drift=given.max_drift,
                max_unseen=given.max_unseen,
                max_outside=given.max_outside,
                progress=progress,
                **options.score_options(given),
            )
    except ChecksError as error:
        run, problem = error.run, str(error)

    def show() -> None:
        rows = [
            [
                each.key,
                *(model, "reused" if each.reused else "scored"),
                *each.account.astuple(),
                each.seconds,
                each.manifest,
            ]
            for each, model in zip(run.scored, run.models, strict=True)
        ]
        names = ["partition", "model", "", "read", "scored", "skipped", "quarantined", "seconds", "manifest"]
        show_table(run.run.name, names, rows)
        for text in run.audit.notices:
            show_line(text)
        read, scored, skipped, quarantined = run.account.astuple()
        show_line(f"{read:,} rows read = {scored:,} scored + {skipped:,} skipped + {quarantined:,} in quarantine")
        done = run.published
        if done:
            changes = ("added", "replaced", "unchanged", "kept", "dropped")
            version = f"; version {done.version} of the table" if done.version else ""
            show_line(f"{done.output}: {', '.join(f'{getattr(done, what)} {what}' for what in changes)}{version}")
            show_line(f"report: {done.report.page.uri}")

    return Answer(run.to_dict(), show, code=1 if problem else 0, problem=problem)


def runs(given: argparse.Namespace) -> Answer:
    """Runs that left a trace on storage."""
    from airflow_batchscore.api.runs import runs as ask

    found = ask(given.uri, most=given.most, conn_id=given.conn_id)

    def show() -> None:
        rows = [
            [
                *(
                    run.time,
                    run.run,
                    run.kind,
                    run.model,
                    run.partitions,
                    run.rows_read,
                    run.rows_scored,
                    run.rows_quarantined,
                ),
                *(run.passed, ", ".join(f"{count} {what}" for what, count in run.changes.items() if count)),
                "; ".join(run.problems),
            ]
            for run in found
        ]
        counts = ("partitions", "read", "scored", "quarantined")
        names = ["time (UTC)", "run", "", "model", *counts, "passed", "changes", "problems"]
        show_table(given.uri, names, rows)

    return Answer({"runs": [run.to_dict() for run in found]}, show)


def models(given: argparse.Namespace) -> Answer:
    """Versions and aliases of a model."""
    from airflow_batchscore.api.models import models as ask

    found = ask(given.uri, conn_id=given.conn_id)

    def show() -> None:
        aliases: dict[str, list[str]] = {}
        for alias in found.aliases:
            aliases.setdefault(alias.version, []).append(f"@{alias.alias}")
        rows = [
            [
                *(each.version, " ".join(aliases.get(each.version, [])), each.created, _short(each.estimator)),
                ", ".join(f"{name} {value:.4g}" for name, value in each.metrics.items()),
                *(each.rows_trained, _some(each.trained_on)),
            ]
            for each in found.versions
        ]
        show_table(given.uri, ["version", "alias", "created", "estimator", "metrics", "rows", "trained on"], rows)
        if found.problem:
            show_line(found.problem)

    return Answer(found.to_dict(), show)


def _short(estimator: str) -> str:
    """Its repr in a line; on a terminal the beginning, as a Pipeline's is long."""
    line = " ".join(estimator.split())
    return line if len(line) <= _LONGEST_ESTIMATOR or not sys.stdout.isatty() else f"{line[:_LONGEST_ESTIMATOR]}..."


def _some(partitions: Sequence[str]) -> str:
    """The first partitions, and how many more there are."""
    more = f" and {len(partitions) - _MOST_NAMED:,} more" if len(partitions) > _MOST_NAMED else ""
    return ", ".join(partitions[:_MOST_NAMED]) + more


def promote(given: argparse.Namespace) -> Answer:
    """Point an alias at a version."""
    from airflow_batchscore.api.train import promote as ask

    require: dict[str, list[str]] = {}
    for metric, limit in given.require:
        require.setdefault(metric, []).append(limit)
    trust = options.trust_of(given)
    checked = ask(given.model, given.to, require=require, baseline=given.baseline, conn_id=given.conn_id, trust=trust)

    def show() -> None:
        if checked.promoted_to:
            show_line(f"@{checked.promoted_to} now points at version {checked.version}")
        else:
            show_line(f"@{given.to} was moved by somebody else meanwhile, and stays there")

    return Answer(checked.to_dict(), show, code=0 if checked.promoted_to else 1)


def clean(given: argparse.Namespace) -> Answer:
    """Remove staged scores that nobody needs any more."""
    from airflow_batchscore.api.clean import clean_staging

    if given.keep_days is None and given.keep_runs is None:
        raise typed.CommandLineError("say what to keep: --keep-days 30, --keep-runs 5, or both")
    cleaned = clean_staging(
        given.output,
        published=[] if given.published == ["none"] else given.published,
        keep_days=given.keep_days,
        keep_runs=given.keep_runs,
        min_age_hours=given.min_age_hours,
        dry_run=given.dry_run,
        conn_id=given.conn_id,
    )

    def show() -> None:
        rows = [
            [each.partition, each.identity, each.why, each.committed, each.files, each.bytes]
            for each in cleaned.removed
        ]
        show_table(cleaned.staging, ["partition", "identity", "why", "committed", "files", "bytes"], rows)
        would = "would be removed" if cleaned.dry_run else "removed"
        used = f"; {cleaned.in_use} are in use and stay" if cleaned.in_use else ""
        show_line(f"{len(rows)} {would}, {cleaned.bytes:,} bytes; {cleaned.kept} kept{used}")

    return Answer(cleaned.to_dict(), show)
