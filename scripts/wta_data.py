"""Source of the WTA matches: real ones if available, else a synthetic dataset of the same schema."""

from __future__ import annotations

import csv
import os
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

COLUMNS = """
tourney_id tourney_name surface draw_size tourney_level tourney_date match_num
winner_id winner_seed winner_entry winner_name winner_hand winner_ht winner_ioc winner_age
loser_id loser_seed loser_entry loser_name loser_hand loser_ht loser_ioc loser_age
score best_of round minutes
w_ace w_df w_svpt w_1stIn w_1stWon w_2ndWon w_SvGms w_bpSaved w_bpFaced
l_ace l_df l_svpt l_1stIn l_1stWon l_2ndWon l_SvGms l_bpSaved l_bpFaced
winner_rank winner_rank_points loser_rank loser_rank_points
""".split()
YEARS = range(2000, 2017)
_SEED = 20150101


def find_matches(synthetic: Path) -> tuple[str, str]:
    """The folder (or S3 prefix) of the matches, and one line that describes them."""
    named = os.environ.get("WTA_MATCHES_DIR")
    if named:
        return (named if "://" in named else str(Path(named).resolve())), f"WTA matches of {named}"
    local = ROOT / "data" / "wta-matches"
    if any(local.glob("wta_matches_*.csv")):
        return str(local), "WTA matches of data/wta-matches"
    make_matches(synthetic)
    return str(
        synthetic
    ), f"SYNTHETIC matches (made with a fixed seed in {synthetic}); docs/examples.md says where the real ones are"


def make_matches(folder: Path, rows: int = 600) -> None:
    """``wta_matches_<year>.csv`` from 2000 to 2016, about `rows` matches each; the same bytes every time.

    Existing files are left alone, so that their fingerprints, and with them committed scores, stay valid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for year in YEARS:
        path = folder / f"wta_matches_{year}.csv"
        if not path.exists():
            temporary = path.with_name(f".{path.name}.{os.getpid()}")  # another first start may make the same
            with open(temporary, "w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(_match(random.Random(f"{_SEED}-{year}-{n}"), year, n) for n in range(rows))
            temporary.replace(path)


def _match(chance: random.Random, year: int, number: int) -> dict[str, object]:
    tourney = number // 31 + 1
    strong, weak = sorted((int(chance.paretovariate(1.1) * 60) for _ in range(2)), reverse=True)
    favourite_wins = chance.random() < strong / (strong + weak)
    points = [strong, weak] if favourite_wins else [weak, strong]
    ranked = chance.random() > (0.11 if year < 2005 else 0.04)
    players = chance.sample(range(200001, 201201), 2)
    match: dict[str, object] = {
        "tourney_id": f"{year}-W{tourney:03d}",
        "tourney_name": chance.choice(["Oeiras", "Brno", 'Porto, "Open"', "Nagoya", "Quito"]),
        "surface": chance.choice(["Hard", "Clay", "Grass"]),
        "draw_size": 32,
        "tourney_level": "W",
        "tourney_date": f"{year}{1 + tourney % 12:02d}{1 + tourney % 28:02d}",
        "match_num": number % 31 + 1,
        "score": chance.choice(["6-4 6-3", "7-6(4) 6-2", "2-6 6-1 6-1"]),
        "best_of": 3,
        "round": "R32",
    }
    for side, player, point in zip(("winner", "loser"), players, points, strict=True):
        match[f"{side}_id"] = player
        match[f"{side}_name"] = f"Player {player}"
        match[f"{side}_hand"] = chance.choice("RRRL")
        match[f"{side}_ioc"] = chance.choice(["POR", "JPN", "CZE", "ECU"])
        match[f"{side}_age"] = round(chance.uniform(16, 36), 1)
        match[f"{side}_ht"] = chance.randint(160, 188) if chance.random() > 0.1 else ""
        if ranked:
            match[f"{side}_rank"] = 1 + int(90000 / (point + 60))
            match[f"{side}_rank_points"] = point
    return match
