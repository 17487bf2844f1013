"""What ``make demo`` prints at the end: for each example, what its user wants to know, from the published data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from demo_tables import measured, print_facts, print_first, print_table, short

#: From so many anomalies on a sensor is named: an hour of trouble makes sixty, a good day one or two.
_MANY_ANOMALIES = 50
_MOST_SENSORS = 10


def print_results(name: str, home: Path) -> None:
    """The closing table of an example that ran in `home`."""
    print()
    _OF[name](home)


def matches(home: Path) -> None:
    """Of each year: how many matches have a prediction, and how many of these are right. The keys tell who won."""
    summary = json.loads((home / "summary.json").read_text())
    scored = pd.read_parquet(home / "predictions.parquet")
    right = _right(scored)
    rows: list[Sequence[str]] = [("year", "matches", "predicted", "no points", "quarantined", "right")]
    for part in summary["partitions"]:
        year = part["values"]["year"]
        share = right[scored["year"].astype(str) == year].mean()
        rows.append((year, *(f"{part[n]:,}" for n in _COUNTS), f"{share:.1%}"))
    rows.append(("all", *(f"{summary['totals'][n]:,}" for n in _COUNTS), f"{right.mean():.1%}"))
    print_table(rows)
    print_first(home / "predictions.parquet")
    print_facts(home)


def one_year(home: Path) -> None:
    """The years that runs of `wta_yearly_scoring` have published."""
    _years_of(home / "predictions_by_year")


def arrived(home: Path) -> None:
    """The years that runs of `wta_score_year` have published, and the full set."""
    _years_of(home / "predictions_by_arrival")
    print(f"full set     {short(home / 'first_full_set.parquet')}")


def _years_of(folder: Path) -> None:
    scored = pd.read_parquet(folder)
    years = scored.groupby("year", observed=True)
    rows = [(str(year), f"{len(found):,}", f"{_right(found).mean():.1%}") for year, found in years]
    print_table([("year", "predicted", "right"), *rows])
    print(f"\npredictions  {short(folder)}")


def hazards(home: Path) -> None:
    """How far the predictions are from the hazards, on what was trained on and on what was not."""
    place = home / "hazard_regression"
    actual = _read(place / "data", "properties_*.csv", ["Id", "Hazard"])
    _errors(place, actual)
    boosted = json.loads((place / "summary.json").read_text())["model"]
    for path in (place / "models" / "linear").glob("*/model.json"):
        line = json.loads(path.read_text())
        ratio = boosted["metrics"]["rmse"] / line["metrics"]["rmse"]
        print(f"\nbaseline     linear {path.parent.name}, {measured(line)}; boosted: {ratio:.3f} of that error")
    print_facts(place)


def spark_hazards(home: Path) -> None:
    """As `hazards`, without a line beside it."""
    _errors(home / "hazard_spark", _read(home / "hazard_regression" / "data", "properties_*.csv", ["Id", "Hazard"]))
    print_facts(home / "hazard_spark")


def sensors(home: Path) -> None:
    """Which sensors misbehave."""
    place = home / "sensor_anomaly"
    found = pd.read_parquet(place / "predictions.parquet", columns=["device", "sensor", "anomaly"])
    each = found.groupby(["device", "sensor"])["anomaly"]
    counts = pd.DataFrame({"readings": each.size(), "anomalies": each.sum()}).sort_values("anomalies", ascending=False)
    many = counts[counts["anomalies"] >= _MANY_ANOMALIES]
    rows = [("device", "sensor", "readings", "anomalies", "share")]
    for one in many.head(_MOST_SENSORS).reset_index().to_dict("records"):
        share = one["anomalies"] / one["readings"]
        rows.append((one["device"], one["sensor"], f"{one['readings']:,}", f"{one['anomalies']:,}", f"{share:.1%}"))
    if len(many) > _MOST_SENSORS:
        rows.append((f"... {len(many) - _MOST_SENSORS} more", "", "", "", ""))
    print_table(rows, left=2)
    others = counts[counts["anomalies"] < _MANY_ANOMALIES]["anomalies"]
    print(f"\nanomalies    {counts['anomalies'].sum():,} of {len(found):,} readings")
    print(f"             {len(many)} of {len(counts)} sensors have {_MANY_ANOMALIES} or more", end="")
    print(f", the others {others.mean():.1f} on average" if len(others) else "")
    print_facts(place)


def purchases(home: Path) -> None:
    """Whether users with a high probability buy, by fifths; of those whom the model was not trained on."""
    place = home / "purchase_likelihood"
    trained_on = json.loads((place / "summary.json").read_text())["model"]["trained_on"]
    bought = pd.read_csv(place / "data" / "games.csv", usecols=["user_id", "label"])
    found = pd.read_parquet(place / "predictions.parquet").merge(bought, on="user_id")
    found = found[~("user_id_mod_10=" + found["user_id_mod_10"].astype(str)).isin(trained_on)]
    fifths = found.groupby(pd.qcut(found["prediction"].rank(method="first"), 5, labels=False))
    rows = [("users", "probability, mean", "bought")]
    for _, one in reversed([*fifths]):
        rows.append((f"{len(one):,}", f"{one['prediction'].mean():.1%}", f"{one['label'].mean():.1%}"))
    print_table(rows, left=0)
    print_first(place / "predictions.parquet")
    print_facts(place)


def words(home: Path) -> None:
    """What became of the notes, and of the test of each group."""
    place = home / "normalise_words"
    summary = json.loads((place / "summary.json").read_text())
    notes = pd.read_parquet(place / "predictions.parquet")
    sites = pd.read_parquet(place / "sites.parquet")
    rows: list[Sequence[str]] = [("month", "notes", "normalised", "without words", "words, mean")]
    for part in summary["partitions"]:
        month = part["values"]["month"]
        counts = (f"{part[name]:,}" for name in ("rows_read", "rows_scored", "rows_skipped"))
        rows.append((month, *counts, f"{notes.loc[notes['month'].astype(str) == month, 'words'].mean():.2f}"))
    print_table(rows)
    print_first(place / "predictions.parquet")
    newest = sites[sites["month"] == sites["month"].max()]
    print(f"\nby site, of {newest['month'].iloc[0]}: do odd and even notes differ in length?")
    tests = [(r.site, f"{r.notes:,}", f"{r.mean_words:.2f}", f"{r.p_value:.3f}") for r in newest.itertuples()]
    print_table([("site", "notes", "words, mean", "p"), *tests])
    below = int((sites["p_value"] < 0.05).sum())
    print(f"{below} of {len(sites)} groups have p below 0.05, where chance alone gives one in twenty")
    print_facts(place)


def decay(home: Path) -> None:
    """Every measurement of every version, oldest first, and the current champion."""
    models = home / "model_decay" / "models" / "price"
    champion = json.loads((models / "aliases" / "champion.json").read_text())["version"]
    found = [(path, json.loads(path.read_text())) for path in models.glob("*/evaluations/*.json")]
    rows: list[Sequence[str]] = [("version", "measured on", "rows", "metric", "at training", "found", "")]
    for path, seen in sorted(found, key=lambda pair: str(pair[1]["evaluated"])):
        for name, value in seen["metrics"].items():
            told = "decayed" if seen["problems"] else ""
            numbers = (f"{seen['rows']:,}", name, f"{seen['baseline'][name]:,.0f}", f"{value:,.0f}")
            rows.append((path.parents[1].name, ", ".join(seen["partitions"]), *numbers, told))
    print_table(rows)
    model = json.loads((models / champion / "model.json").read_text())
    metrics = ", ".join(f"{name} {value:,.0f}" for name, value in model["metrics"].items())
    print(f"\nchampion     {champion}, trained on {', '.join(model['training']['partitions'])}: {metrics}")


def challenge(home: Path) -> None:
    """What the challenger would change, and who is the champion now."""
    place = home / "champion_challenger"
    compared = json.loads((place / "summary.json").read_text())["passed"]["comparison"]
    column = compared["columns"]["hazard"]
    rows: list[Sequence[str]] = [("part", "rows", "mean difference", "p95 of its size", "largest")]
    for each in sorted(compared["partitions"], key=lambda each: str(each["partition"])):
        of_part = each["columns"]["hazard"]
        found = (f"{of_part['mean']:+.3f}", f"{of_part['sizes']['p95']:.3f}", f"{of_part['largest']:.3f}")
        rows.append((each["partition"], f"{each['compared']:,}", *found))
    found = (f"{column['mean']:+.3f}", f"{column['sizes']['p95']:.3f}", f"{column['largest']:.3f}")
    print_table([*rows, ("all", f"{compared['compared']:,}", *found)])
    champion = json.loads((place / "models" / "hazard" / "aliases" / "champion.json").read_text())["version"]
    told = "the challenger was promoted" if champion == compared["challenger"]["version"] else "it stays"
    print(f"\npublished    the scores of {compared['champion']['version']}")
    print(f"champion     {champion}: {told}")
    print_facts(place)


_COUNTS = ("rows_read", "rows_scored", "rows_skipped", "rows_quarantined")
_OF: dict[str, Callable[[Path], None]] = {
    "wta_batch_scoring": matches,
    "wta_yearly_scoring": one_year,
    "wta_partitioned_assets": arrived,
    "hazard_regression": hazards,
    "hazard_spark": spark_hazards,
    "sensor_anomaly": sensors,
    "purchase_likelihood": purchases,
    "normalise_words": words,
    "champion_challenger": challenge,
    "model_decay": decay,
}


def _right(scored: pd.DataFrame) -> pd.Series[bool]:
    """Whether the player with the lower id won, as predicted."""
    return scored["prediction"] == (scored["winner_id"].astype(int) < scored["loser_id"].astype(int))


def _read(folder: Path, pattern: str, columns: list[str]) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path, usecols=columns) for path in folder.glob(pattern)])


def _errors(place: Path, actual: pd.DataFrame) -> None:
    summary: dict[str, Any] = json.loads((place / "summary.json").read_text())
    found = pd.read_parquet(place / "predictions.parquet")
    found = found.assign(Id=found["Id"].astype("int64")).merge(actual, on="Id")
    rows: list[Sequence[str]] = [("part", "rows", "hazard, mean", "predicted, mean", "RMSE", "")]
    for part, one in found.groupby("part"):
        error = ((one["hazard"] - one["Hazard"]) ** 2).mean() ** 0.5
        told = "trained on" if f"part={part}" in summary["model"]["trained_on"] else "held out"
        means = (f"{one[name].mean():.2f}" for name in ("Hazard", "hazard"))
        rows.append((str(part), f"{len(one):,}", *means, f"{error:.3f}", told))
    print_table(rows)
