"""Writes arrays, frames and tables for `Canonical`: every value and every type, and nothing else."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from airflow_batchscore.model.packages import is_own

if TYPE_CHECKING:
    from airflow_batchscore.model.canonical import Canonical


def _numpy(out: Canonical, value: Any) -> bool:
    np = sys.modules["numpy"]
    if isinstance(value, np.dtype):
        out.emit("numpy.dtype", _dtype(value))
        return True
    if isinstance(value, np.ufunc):
        return _ufunc(out, value)
    if type(value) is np.ma.MaskedArray:  # its pickle keeps whether the default fill value was looked up
        out.emit("numpy.ma", str(value.hardmask))
        out.value([np.ma.getdata(value), np.ma.getmaskarray(value), value.fill_value])
        return True
    if type(value) not in (np.ndarray, np.memmap) and not isinstance(value, np.generic):
        return False  # such a class may hold more
    out.emit("numpy", f"{_dtype(value.dtype)} {value.shape}")
    if value.dtype.names:  # field by field: the bytes between them are whatever was there
        out.value([value[name] for name in value.dtype.names])
    elif value.dtype.hasobject or value.dtype.kind == "U":
        out.value(value.ravel().tolist())
    else:
        out.emit("bytes", np.ascontiguousarray(value).tobytes())
    return True


def _ufunc(out: Canonical, value: Any) -> bool:
    """For ``np.frompyfunc``, write the Python function inside. A library's own ufuncs are left to their name."""
    inside = [item for item in gc.get_referents(value) if callable(item)]
    if inside:
        out.emit("numpy.ufunc", f"{value.nin} {value.nout}")
        out.value([*inside, value.identity])
    elif not any(vars(module).get(value.__name__) is value for module in _library_modules()):
        out.refuse(value, "is machine code, of which only the name can be seen")
    return bool(inside)


def _library_modules() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if isinstance(module, ModuleType) and not is_own(name)]


def _dtype(dtype: Any) -> str:
    if dtype.names:
        fields = [(name, *dtype.fields[name][:2]) for name in dtype.names]
        return repr([(name, _dtype(kind), place) for name, kind, place in fields]) + str(dtype.itemsize)
    return f"{_dtype(dtype.base)} {dtype.shape}" if dtype.subdtype else str(dtype.str)


def _pandas(out: Canonical, value: object) -> bool:
    pd = sys.modules["pandas"]
    if not isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
        return False
    kind = type(value)
    out.emit("pandas", kind.__name__)
    if kind.__module__.partition(".")[0] != "pandas":
        out.value(kind)
        out.value([getattr(value, name, None) for name in getattr(kind, "_metadata", ())])
    if isinstance(value, pd.Index):
        out.value([*value.names, getattr(value, "freq", None)])
        if isinstance(value, pd.MultiIndex):  # as one column it would be tuples, without the levels' types
            for level in range(value.nlevels):
                _pandas(out, value.get_level_values(level))
        else:
            _column(out, value)
        return True
    out.value([value.attrs, value.flags.allows_duplicate_labels])
    _pandas(out, value.index)
    if isinstance(value, pd.DataFrame):
        _pandas(out, value.columns)
        for place in range(len(value.columns)):
            _column(out, value.iloc[:, place])
    else:
        out.value(value.name)
        _column(out, value)
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
    pa, content = sys.modules["pyarrow"], None
    if isinstance(value, (pa.Table, pa.RecordBatch)):
        schema, content = value.schema, [column.to_pylist() for column in value.columns]  # names may occur twice
    elif isinstance(value, pa.Schema):
        schema = value
    elif isinstance(value, pa.Field):
        schema = pa.schema([value])
    elif isinstance(value, pa.DataType):
        schema = pa.schema([pa.field("", value)])
    elif hasattr(value, "to_pylist"):
        schema, content = pa.schema([pa.field("", value.type)]), value.to_pylist()
    else:
        return False
    out.emit(f"pyarrow.{type(value).__name__}", schema.serialize().to_pybytes())  # includes metadata beside names
    out.value(content)
    return True


def _torch(out: Canonical, value: object) -> bool:
    if not isinstance(value, sys.modules["torch"].Tensor):
        return False
    out.emit("torch", f"{value.dtype} {tuple(value.shape)}")
    out.value(value.detach().cpu().tolist())
    return True


#: Library -> function that writes its values; it returns False to leave a value to pickling.
WRITERS: dict[str, Callable[[Canonical, Any], bool]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "pyarrow": _pyarrow,
    "torch": _torch,
}
