"""A grid search by dask-ml and by scikit-learn through joblib, on one Dask cluster of the task's own, taking turns.

python tests/benchmarks/searches.py
"""

from __future__ import annotations

import statistics
import time
import warnings
from typing import Any

ROUNDS = 3


def main() -> None:
    import numpy as np
    import pandas as pd
    from dask_ml.model_selection import GridSearchCV as OfDask
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import GridSearchCV as OfScikit

    from airflow_batchscore import LocalDask
    from airflow_batchscore.training.fit import fit
    from airflow_batchscore.training.rows import Rows

    warnings.simplefilter("ignore")
    chance = np.random.default_rng(0)
    features = pd.DataFrame(chance.normal(size=(50_000, 20)), columns=[f"f{n}" for n in range(20)])
    rows = Rows(features, pd.Series((features["f0"] * features["f1"] + chance.normal(size=50_000) > 0).astype(int)))
    grid = {"learning_rate": [0.05, 0.1, 0.3], "max_leaf_nodes": [15, 31]}
    seconds: dict[str, list[float]] = {"dask-ml": [], "scikit-learn, joblib on Dask": [], "scikit-learn alone": []}
    best: dict[str, Any] = {}
    with LocalDask(workers=2).client() as client:
        for _ in range(ROUNDS):
            for name in seconds:
                search = (OfDask if name == "dask-ml" else OfScikit)(HistGradientBoostingClassifier(), grid, cv=3)
                began = time.monotonic()
                if name == "dask-ml":
                    with client.as_current():
                        search.fit(rows.features, rows.labels)
                else:
                    fit(search, rows, ["the benchmark"], client if "joblib" in name else None)
                seconds[name].append(time.monotonic() - began)
                best[name] = search.best_params_
    for name, some in seconds.items():
        print(f"{name:30} {statistics.median(some):6.1f} s  {best[name]}")


if __name__ == "__main__":
    main()
