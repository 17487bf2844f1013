"""Results as Markdown and as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from claims import TARGETS
from figures import Results, Spread


def page(content: dict[str, Any]) -> str:
    """The page of a run: what was measured where, the targets, and a table for each comparison."""
    results = Results(content)
    parts = [_head(content), _targets(results)]
    parts += [_table(results, table) for table in content["tables"]]
    parts += [_airflow(results), _left_out(content)]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_json(content: dict[str, Any]) -> str:
    """Indented, with each run on a line of its own and numbers of five digits."""
    lines: list[str] = []

    def slot(run: dict[str, Any]) -> str:
        lines.append(json.dumps(run))
        return f"@{len(lines) - 1}@"

    measured = [
        {**table, "runs": {name: [slot(run) for run in runs] for name, runs in table["runs"].items()}}
        for table in _rounded(content["tables"])
    ]
    text = json.dumps({**_rounded(content), "tables": measured}, indent=1)
    return re.sub(r'"@(\d+)@"', lambda match: lines[int(match[1])], text) + "\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def _head(content: dict[str, Any]) -> str:
    quiet = content["quiet"]
    versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    disturbed = (
        f"The machine was not quiet: {quiet['disturbed']} of {quiet['runs']} runs were disturbed by others, after "
        f"{quiet['used']:.0f} of {quiet['patience']} s were spent on waiting and on {quiet['repeated']} repetitions."
        if quiet["disturbed"]
        else f"The machine was quiet: none of {quiet['runs']} runs was disturbed ({quiet['used']:.0f} s of waiting, "
        f"{quiet['repeated']} repetitions)."
    )
    return (
        f"# Results of the benchmark\n\nMade by `{content['command']}` at commit {content['commit']} on {content['date']}, "
        f"on {content['machine']}, in {content['minutes']:.0f} minutes. Figures are medians of the rounds in the table, with the least and the greatest; ratios "
        f"are paired round by round. {disturbed} [How the rows were compared](fairness.md).\n\nVersions: {versions}."
    )


def _targets(results: Results) -> str:
    if results.content["form"] != "full":
        return ""  # they are about the data of the full form
    lines = ["## Targets", "", "| | target | measured | |", "| --- | --- | --- | --- |"]
    for target in TARGETS:
        verdict = target.measure(results)
        figure, met = (
            ("not measured", "") if verdict is None else (verdict.text, "met" if verdict.holds else "**missed**")
        )
        lines.append(f"| {target.name} | {target.goal} | {figure} | {met} |")
    return "\n".join(lines)


def _table(results: Results, table: dict[str, Any]) -> str:
    names = list(table["runs"])
    head = f"## {table['key']}: {table['title']}\n\n{table['what']}"
    if not names:
        return f"{head}\n\nNot measured: see the end of the page."
    if table["key"] == "publication":
        return f"{head}\n\n{_publication(results, names)}"
    base, with_task = names[0], table["key"] == "startup" or table["key"].endswith("-task")
    seconds = ["wall", "work", *(["task"] if with_task else [])]
    titles = [
        "rounds",
        *(f"{what} s" for what in seconds),
        "CPU s",
        "peak MB",
        f"of the {base}: {seconds[0]}",
        *seconds[1:],
    ]
    lines = [f"| | {' | '.join(titles)} |", f"| --- |{' --- |' * len(titles)}"]
    for name in names:
        runs = results.runs(table["key"], name)
        if runs is None:
            lines.append(f"| {name} | failed |{' |' * (len(titles) - 1)}")
            continue
        noisy = sum(run["noisy"] for run in runs)
        cells = [f"{len(runs)}" + (f", {noisy} disturbed" if noisy else "")]
        cells += [_text(results.spread(table["key"], name, what)) for what in (*seconds, "cpu")]
        memory = results.spread(table["key"], name, "rss")
        cells.append(f"{memory.median / 2**20:.0f}" if memory else "")
        cells += [_text(results.ratio(table["key"], base, name, what)) for what in seconds]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return f"{head}\n\n" + "\n".join(lines)


def _text(spread: Spread | None) -> str:
    return "" if spread is None else spread.text()


def _publication(results: Results, names: list[str]) -> str:
    lines = ["| | rounds | scoring s | publication s | publication over scoring |", "| --- | --- | --- | --- | --- |"]
    for name in names:
        runs, figures = results.runs("publication", name), results.publication(name)
        cells = (
            "failed | | |" if runs is None or figures is None else f"{len(runs)} | {' | '.join(map(_text, figures))}"
        )
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _airflow(results: Results) -> str:
    parts = []
    overhead = results.airflow("overhead")
    if overhead:
        lines = [
            "## Airflow: tasks and runs over empty ones",
            "",
            "The 17 years of `wta_batch_scoring` beside a DAG of the same shape whose tasks are empty.",
            "",
            "| executor | rounds | scoring task s | empty task s | run s | empty run s | ratio of runs |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for executor, figure in overhead.items():
            seconds = [f"{figure[name]:.2f}" for name in ("task", "empty_task", "run", "empty_run", "run_ratio")]
            lines.append(f"| {executor} | {figure['rounds']} | {' | '.join(seconds)} |")
        parts.append("\n".join(lines))
    end_to_end = results.airflow("end_to_end")
    if end_to_end:
        lines = [
            f"## Airflow, from training to publication: {end_to_end['what']}",
            "",
            f"| | rounds | run s | CPU s of the machine | time of {end_to_end['base']} over it |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, row in end_to_end["rows"].items():
            run, cpu = Spread.of(row["seconds"]), Spread.of(row["cpu"])
            ratio = Spread.of(
                [a / b for a, b in zip(end_to_end["rows"][end_to_end["base"]]["seconds"], row["seconds"], strict=True)]
            )
            lines.append(f"| {name} | {len(row['seconds'])} | {run.text(1)} | {cpu.text(1)} | {ratio.text()} |")
        parts.append("\n".join([*lines, "", end_to_end["check"]]))
    return "\n\n".join(parts)


def _left_out(content: dict[str, Any]) -> str:
    lines = [f"- {each['table']}, {each['row']}: {each['why']}" for each in content["skipped"]]
    wrong = [f"- {each}" for each in content["wrong"]]
    parts = ["## Not measured\n\n" + "\n".join(lines)] if lines else []
    parts += ["## Wrong\n\n" + "\n".join(wrong)] if wrong else []
    return "\n\n".join(parts)
