"""The picture of a benchmark: wall seconds a workload, every bar a competitor, start-up and work apart."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from rows import LIMIT, OURS


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """One panel for each workload that was compared with peers; bars sorted by time, as SVG without a date."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "batchscore", "font.size": 9})
    import matplotlib.pyplot as plt

    shown = [result for result in results if len(result["runs"]) > 4]
    if not shown:
        return
    figure, panels = plt.subplots(len(shown), 1, figsize=(8, 2.6 * len(shown)), squeeze=False)
    for panel, result in zip(panels[:, 0], shown, strict=True):
        runs = {name: each for name, each in result["runs"].items() if all(run["rc"] == 0 for run in each)}
        wall = {name: statistics.median(run["wall"] for run in each) for name, each in runs.items()}
        work = {name: statistics.median(run["work"] for run in each) for name, each in runs.items()}
        names = sorted(runs, key=wall.__getitem__, reverse=True)
        colours = ["#1b7f5c" if name.startswith(OURS) else "#555555" if name == LIMIT else "#9db4c0" for name in names]
        panel.barh(names, [wall[name] for name in names], color=colours, alpha=0.45)
        panel.barh(names, [work[name] for name in names], color=colours)
        for place, name in enumerate(names):
            megabytes = statistics.median(run["rss"] for run in runs[name]) / 2**20
            panel.text(wall[name], place, f" {wall[name]:.1f} s, {megabytes:,.0f} MB", va="center", fontsize=8)
        panel.set_title(f"{result['key']}: {result['title']}", loc="left", fontsize=9)
        panel.margins(x=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1, 0].set_xlabel("wall seconds of the whole process (dark: work, light: start-up), peak memory beside it")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
