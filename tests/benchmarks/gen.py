"""Generate the benchmark data and models (fixed seed, idempotent).

usage: python gen.py [w1 w2 w3 w4 w5 ...]     data root: $BENCH_DATA (default: .bench in the clone)
"""

import glob
import os
import sys

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = os.environ.get("BENCH_DATA") or os.path.abspath(f"{__file__}/../../../.bench")
WTA = os.environ.get("WTA_MATCHES_DIR", f"{ROOT}/matches")
SEED = 20240715


def feats(k):
    return [f"f{i}" for i in range(k)]


def frame(rng, start, n, k):
    cols = {"id": np.arange(start, start + n, dtype=np.int64)}
    x = rng.standard_normal((k, n))
    for i in range(k):
        cols[f"f{i}"] = x[i]
    return pa.table(cols)


def label(x, rng):
    """A non-linear target, so that trees grow to full depth."""
    z = x[:, 0] + 0.7 * x[:, 1] * x[:, 2] - 0.5 * np.abs(x[:, 3]) + 0.3 * np.sin(3 * x[:, 4])
    z = z + 0.4 * rng.standard_normal(len(z))
    return (z > np.median(z)).astype(np.int64)


def parquet_dir(name, rows, k, files, group):
    out = f"{ROOT}/{name}"
    if os.path.exists(out + "/_DONE"):
        return
    os.makedirs(out, exist_ok=True)
    rng = np.random.default_rng(SEED)
    per = rows // files
    for f in range(files):
        with pq.ParquetWriter(f"{out}/part-{f:03d}.parquet", frame(rng, 0, 1, k).schema, compression="snappy") as w:
            for s in range(0, per, group):
                w.write_table(frame(rng, f * per + s, min(group, per - s), k), row_group_size=group)
    open(out + "/_DONE", "w").close()


def train(name, k, make, n):
    path = f"{ROOT}/{name}.joblib"
    if os.path.exists(path):
        return
    rng = np.random.default_rng(SEED + 1)
    x = rng.standard_normal((n, k))
    m = make().fit(pd.DataFrame(x, columns=feats(k)), label(x, rng))
    joblib.dump(m, path)


def w1():
    from sklearn.linear_model import LogisticRegression

    train("w1_logreg", 8, LogisticRegression, 50_000)
    parquet_dir("w1", 20_000_000, 8, 10, 1_000_000)


def w1q():
    """A million rows, for the quick form."""
    from sklearn.linear_model import LogisticRegression

    train("w1_logreg", 8, LogisticRegression, 50_000)
    parquet_dir("w1q", 1_000_000, 8, 2, 250_000)


def w1p():
    """64 files of one block each: a pack of partitions, or one partition of 64 files."""
    w1q()
    parquet_dir("w1p", 64 * 250_000, 8, 64, 250_000)


def w1pq():
    w1q()
    parquet_dir("w1pq", 64 * 15_000, 8, 64, 15_000)


def w1x10():
    """W1 ten times over (hard links): does memory grow, does the speed hold?"""
    w1()
    d = f"{ROOT}/w1x10"
    os.makedirs(d, exist_ok=True)
    for c in range(10):
        for p in sorted(glob.glob(f"{ROOT}/w1/*.parquet")):
            q = f"{d}/{c}-{os.path.basename(p)}"
            if not os.path.exists(q):
                os.link(p, q)


def w2():
    from sklearn.ensemble import RandomForestClassifier

    train(
        "w2_rf", 20, lambda: RandomForestClassifier(n_estimators=100, max_depth=12, random_state=0, n_jobs=2), 100_000
    )
    parquet_dir("w2", 2_000_000, 20, 4, 250_000)


def w3q():
    """Few rows and a model that is trained in seconds, for the quick form."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    train("w3q_hgb", 20, lambda: HistGradientBoostingClassifier(random_state=0), 20_000)
    parquet_dir("w3q", 200_000, 20, 2, 50_000)


def w3():
    from sklearn.ensemble import HistGradientBoostingClassifier
    from xgboost import XGBClassifier

    train("w3_hgb", 20, lambda: HistGradientBoostingClassifier(random_state=0), 200_000)
    train("w3_xgb", 20, lambda: XGBClassifier(n_estimators=200, random_state=0), 200_000)
    parquet_dir("w3", 5_000_000, 20, 5, 500_000)


def wta_model():
    from sklearn.linear_model import LogisticRegression

    path = f"{ROOT}/w4_logreg.joblib"
    if os.path.exists(path):
        return
    d = []
    for p in sorted(glob.glob(f"{WTA}/*.csv")):
        df = pd.read_csv(p, usecols=["winner_rank_points", "loser_rank_points"]).dropna()
        d.append(df.winner_rank_points - df.loser_rank_points)
    d = np.concatenate(d).reshape(-1, 1)
    x = np.concatenate([d, -d])
    y = np.concatenate([np.ones(len(d)), np.zeros(len(d))]).astype(np.int64)
    joblib.dump(LogisticRegression().fit(x, y), path)


def wta_csv(name, rows):
    out = f"{ROOT}/{name}.csv"
    wta_model()
    if os.path.exists(out):
        return
    with open(f"{WTA}/wta_matches_2015.csv", "rb") as f:
        head, *lines = f.read().splitlines(keepends=True)
    if not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    rng = np.random.default_rng(SEED + 4)
    with open(out + ".tmp", "wb") as f:
        f.write(head)
        done = 0
        while done < rows:
            n = min(100_000, rows - done)
            f.write(b"".join([lines[i] for i in rng.integers(0, len(lines), n)]))
            done += n
    os.rename(out + ".tmp", out)


def w4():
    wta_csv("w4", 3_000_000)


def w5():
    wta_model()


if __name__ == "__main__":
    os.makedirs(ROOT, exist_ok=True)
    for w in sys.argv[1:] or ["w1", "w2", "w3", "w4", "w5"]:
        globals()[w]()
        print("ready", w, flush=True)
