"""What every benchmark script shares: workloads, stats, output naming."""

import glob
import json
import os
import time

T0 = time.perf_counter()
ROOT = os.environ.get("BENCH_DATA") or os.path.abspath(f"{__file__}/../../../.bench")
OUT = os.environ.get("BENCH_OUT", "/dev/shm/batchscore-bench")  # tmpfs: disk write-back would be noise
WTA = os.environ.get("WTA_MATCHES_DIR", f"{ROOT}/matches")

W, L = "winner_rank_points", "loser_rank_points"


def feats(k):
    return [f"f{i}" for i in range(k)]


# name -> (kind, input, number of features, model); gen.py makes them
WORK = {
    "w1": ("parquet", f"{ROOT}/w1", 8, f"{ROOT}/w1_logreg.joblib"),
    "w1q": ("parquet", f"{ROOT}/w1q", 8, f"{ROOT}/w1_logreg.joblib"),
    "w1x10": ("parquet", f"{ROOT}/w1x10", 8, f"{ROOT}/w1_logreg.joblib"),
    "w1p": ("parquet", f"{ROOT}/w1p", 8, f"{ROOT}/w1_logreg.joblib"),
    "w1pq": ("parquet", f"{ROOT}/w1pq", 8, f"{ROOT}/w1_logreg.joblib"),
    "w2": ("parquet", f"{ROOT}/w2", 20, f"{ROOT}/w2_rf.joblib"),
    "w3h": ("parquet", f"{ROOT}/w3", 20, f"{ROOT}/w3_hgb.joblib"),
    "w3q": ("parquet", f"{ROOT}/w3q", 20, f"{ROOT}/w3q_hgb.joblib"),
    "w3x": ("parquet", f"{ROOT}/w3", 20, f"{ROOT}/w3_xgb.joblib"),
    "w4": ("csv", f"{ROOT}/w4.csv", 1, f"{ROOT}/w4_logreg.joblib"),
}
for _p in sorted(glob.glob(f"{WTA}/*.csv")):
    WORK["w5-" + os.path.basename(_p)[-8:-4]] = ("csv", _p, 1, f"{ROOT}/w4_logreg.joblib")


def describe(work):
    """One line for a table."""
    kind, path, k, model = WORK[work]
    megabytes = sum(os.path.getsize(f) for f in files(path)) / 1e6
    return f"{kind}, {megabytes:.0f} MB, {k} feature(s), {os.path.basename(model).removesuffix('.joblib')}"


def warm(path):
    """Inputs into the page cache (an idle machine may have dropped them); a file with several names once."""
    for f in {os.stat(f).st_ino: f for f in files(path)}.values():
        with open(f, "rb", buffering=0) as fh:
            buf = bytearray(8 << 20)
            while fh.readinto(buf):
                pass


def files(path):
    return sorted(glob.glob(path + "/*.parquet")) if os.path.isdir(path) else [path]


_marks = {}


def mark(name):
    """Seconds since the interpreter reached common.py (imports come after it)."""
    _marks[name] = time.perf_counter() - T0


def skip(why):
    """Ends the script: what it measures does not exist here."""
    done(skipped=why)
    raise SystemExit(0)


def done(**extra):
    """Hand the marks and `extra` (numbers and texts) to the benchmark, or print them."""
    mark("end")
    _marks.update(extra)
    p = os.environ.get("BENCH_STATS")
    if p:
        with open(p, "w") as f:
            json.dump(_marks, f)
    else:
        print({k: round(v, 3) if isinstance(v, float) else v for k, v in _marks.items()})


def fresh(path):
    """An empty output directory."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path
