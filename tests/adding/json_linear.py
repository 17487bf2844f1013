"""A flavour for scikit-learn's linear regressions: their numbers as JSON."""

import json

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.flavors import Flavor


class JsonLinear(Flavor):
    name = "json-linear"
    suffix = "linear.json"
    libraries = ("scikit-learn",)
    reads = ("linear.json",)
    runs_code = False  # the bytes are numbers and names
    names_classes = False
    exact = True

    def dump(self, estimator, features):
        from sklearn.linear_model import LinearRegression

        if type(estimator) is not LinearRegression:
            raise ModelError(f"{type(estimator).__name__} is no LinearRegression: use flavor='joblib'")
        kept = {"names": list(features.columns), "slopes": estimator.coef_.tolist(), "start": estimator.intercept_}
        return json.dumps(kept).encode()

    def load(self, data, trusted_types):
        import numpy as np
        from sklearn.linear_model import LinearRegression

        kept = json.loads(data)
        estimator = LinearRegression()
        estimator.coef_, estimator.intercept_ = np.array(kept["slopes"]), kept["start"]
        estimator.feature_names_in_ = np.array(kept["names"], dtype=object)
        estimator.n_features_in_ = len(kept["names"])
        return estimator
