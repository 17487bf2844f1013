"""Arrays, frames and tables for `Canonical`: every value and every type, and nothing else of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_batchscore.model.canonical import Canonical


def _numpy(out: Canonical, value: Any) -> bool:
    np = sys.modules["numpy"]
    if isinstance(value, np.dtype):
        out.emit("numpy.dtype", _dtype(value))
        return True
    if type(value) not in (np.ndarray, np.memmap) and not isinstance(value, np.generic):
        return False  # masked arrays and the like have more to them
    out.emit("numpy", f"{_dtype(value.dtype)} {value.shape}")
    if value.dtype.hasobject:
        out.value(value.ravel().tolist())
    else:
        out.emit("bytes", np.ascontiguousarray(value).tobytes())
    return True


def _dtype(dtype: Any) -> str:
    return repr(dtype.descr) if dtype.names else str(dtype.str)


def _pandas(out: Canonical, value: Any) -> bool:
    pd = sys.modules["pandas"]
    if isinstance(value, pd.DataFrame):
        out.emit("pandas.DataFrame", str(len(value.columns)))
        _pandas(out, value.columns)
        _pandas(out, value.index)
        for place in range(len(value.columns)):
            _column(out, value.iloc[:, place])
    elif isinstance(value, (pd.Series, pd.Index)):
        out.emit(f"pandas.{'Series' if isinstance(value, pd.Series) else 'Index'}")
        out.value(list(value.names) if isinstance(value, pd.Index) else value.name)
        if isinstance(value, pd.Series):
            _pandas(out, value.index)
        _column(out, value)
    else:
        return False
    return True


def _column(out: Canonical, column: Any) -> None:
    np, dtype = sys.modules["numpy"], column.dtype
    out.emit("dtype", str(dtype))
    if isinstance(dtype, np.dtype):
        _numpy(out, column.to_numpy())
    elif str(dtype) == "category":
        held = getattr(column, "cat", column)
        out.value(bool(held.ordered))
        _pandas(out, held.categories)
        _numpy(out, np.asarray(held.codes))
    else:
        out.value(column.astype(object).tolist())


def _pyarrow(out: Canonical, value: Any) -> bool:
    kind = type(value).__name__
    if hasattr(value, "to_pylist"):
        out.emit(f"pyarrow.{kind}", str(value.schema if hasattr(value, "schema") else value.type))
        out.value(value.to_pylist())
    elif kind.endswith(("Type", "Schema", "Field")):
        out.emit(f"pyarrow.{kind}", str(value))
    else:
        return False
    return True


def _torch(out: Canonical, value: Any) -> bool:
    if not isinstance(value, sys.modules["torch"].Tensor):
        return False
    out.emit("torch", f"{value.dtype} {tuple(value.shape)}")
    out.value(value.detach().cpu().tolist())
    return True


#: Library -> what writes its values; False when it leaves one to pickling.
WRITERS: dict[str, Callable[[Canonical, Any], bool]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "pyarrow": _pyarrow,
    "torch": _torch,
}
