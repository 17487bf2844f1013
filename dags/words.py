"""Texts, normalised to one form. Imported by workers, so it imports no Airflow."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

MONTHS = [f"2026-{month:02d}" for month in range(1, 7)]
SITES = ["Oeiras", "Brno", "Nagoya", "Quito"]
_WORDS = ["Café", "STRASSE", "straße", "naïve", "ﬁne", "résumé", "Ångström", "plain", "  spaced  out ", "Œuvre"]


def make_data(folder: str, rows: int = 5_000) -> str:
    """``notes_<month>.csv`` for six months: `id`, `site`, `text`. Existing files are left alone."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number, month in enumerate(MONTHS):
        path = Path(folder, f"notes_{month}.csv")
        if not path.exists():
            chance = np.random.default_rng(number)
            texts = [" ".join(chance.choice(_WORDS, chance.integers(0, 8))) for _ in range(rows)]
            notes = pd.DataFrame(
                {"id": np.arange(rows) + rows * number, "site": chance.choice(SITES, rows), "text": texts}
            )
            notes.to_csv(path.with_suffix(".tmp"), index=False)
            path.with_suffix(".tmp").replace(path)
    return f"SYNTHETIC notes, {rows:,} a month, a fixed seed"


def normalise(notes: pd.DataFrame) -> pd.DataFrame:
    """Lower case without accents and ligatures, single spaces; notes without a word are dropped."""
    texts = notes["text"].dropna().map(_plain)
    texts = texts[texts != ""]
    return pd.DataFrame({"text": texts, "words": texts.str.count(" ") + 1})


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(letter for letter in decomposed if not unicodedata.combining(letter)).split())


def lengths(notes: pd.DataFrame) -> pd.DataFrame:
    """For the notes of a site: their number, their mean length, and whether that differs between odd and even ids.

    A function of a whole group, from a library (scipy) that knows nothing about partitions.
    """
    from scipy.stats import mannwhitneyu

    words = notes["text"].fillna("").str.split().str.len()
    test = mannwhitneyu(words[notes["id"] % 2 == 1], words[notes["id"] % 2 == 0])
    return pd.DataFrame({"notes": [len(notes)], "mean_words": [words.mean()], "p_value": [test.pvalue]})
