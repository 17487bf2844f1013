"""Do output folders hold the same predictions, in any order of rows? Exits with 1 if not.

usage: python check.py REFERENCE_FOLDER FOLDER ...
"""

import glob
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: What the peers call the prediction.
NAMES = {"prediction_1": "score", "prediction": "pred"}


def load(folder):
    """Key (or None) and value of every row, sorted."""
    columns = {f.rsplit("/", 1)[1][:-4]: np.load(f) for f in glob.glob(folder + "/*.npy")}
    if not columns:
        paths = sorted(glob.glob(folder + "/**/*.parquet", recursive=True))
        table = pa.concat_tables([pq.ParquetFile(path).read() for path in paths]) if paths else pa.table({})
        columns = {NAMES.get(name, name): table[name].to_numpy() for name in table.column_names}
    value = columns.get("score", columns.get("pred", np.empty(0)))
    key = columns.get("id")
    order = np.argsort(value, kind="stable") if key is None else np.lexsort((value, key))
    return None if key is None else key[order], value[order].astype(np.float64)


def main():
    reference_key, reference = load(sys.argv[1])
    wrong = 0
    for folder in sys.argv[2:]:
        key, value = load(folder)
        same = len(value) == len(reference) and np.allclose(value, reference, rtol=1e-6)
        if same and key is not None and reference_key is not None:
            same = np.array_equal(key, reference_key)
        wrong += not same
        print(f"{'equal    ' if same else 'DIFFERENT'} {folder}: {len(value)} rows, reference {len(reference)}")
    return 1 if wrong or not len(reference) else 0


if __name__ == "__main__":
    sys.exit(main())
