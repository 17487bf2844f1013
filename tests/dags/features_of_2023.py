"""The features of a model of 2023, in a module beside the DAG's file, which knows neither."""

import pandas as pd


def features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["a", "b"]]
