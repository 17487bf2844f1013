"""Do output folders hold the same predictions, in any order of rows? Exits with 1 if not.

usage: python check.py [--within X] REFERENCE_FOLDER FOLDER ...

--within X: values may differ by X (default: a millionth of the value)
"""

import argparse
import glob
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: What the peers call the prediction.
NAMES = {"prediction_1": "score", "prediction": "pred"}


def load(folder):
    """Key (or None) and value of every row, as they lie in the files."""
    columns = {f.rsplit("/", 1)[1][:-4]: np.load(f) for f in glob.glob(folder + "/**/*.npy", recursive=True)}
    if not columns:
        paths = sorted(glob.glob(folder + "/**/*.parquet", recursive=True))
        table = pa.concat_tables([pq.ParquetFile(path).read() for path in paths]) if paths else pa.table({})
        columns = {NAMES.get(name, name): table[name].to_numpy() for name in table.column_names}
    value = columns.get("score", columns.get("pred", np.empty(0)))
    key = columns.get("id")
    return key, value.astype(np.float64)


def sort(key, value):
    """By key, or by value where there is none; most peers keep the order and do not need it."""
    order = np.argsort(value if key is None else key, kind="stable")
    return None if key is None else key[order], value[order]


def equal(left, right, within):
    """Whether the values agree, and the keys where both have some."""
    (left_key, left_value), (right_key, right_value) = left, right
    tolerance = {"rtol": 1e-6} if within is None else {"rtol": 0, "atol": within}
    if len(left_value) != len(right_value) or not np.allclose(left_value, right_value, **tolerance):
        return False
    return left_key is None or right_key is None or np.array_equal(left_key, right_key)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--within", type=float)
    parser.add_argument("reference")
    parser.add_argument("folders", nargs="+")
    asked = parser.parse_args()
    reference = load(asked.reference)
    wrong = 0
    for folder in asked.folders:
        found = load(folder)
        same = equal(reference, found, asked.within)
        if not same and len(found[1]) == len(reference[1]):
            same = equal(sort(*reference), sort(*found), asked.within)
        wrong += not same
        print(f"{'equal    ' if same else 'DIFFERENT'} {folder}: {len(found[1])} rows, reference {len(reference[1])}")
    return 1 if wrong or not len(reference[1]) else 0


if __name__ == "__main__":
    sys.exit(main())
