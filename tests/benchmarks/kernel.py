"""The scoring kernel shared by limit.py (bare threads/processes) and engine.py (dask):
one block in (a Parquet row group, or a byte range of a CSV) -> one Parquet part out."""

import mmap
import os
import threading
import time
import warnings

import common as c
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

warnings.filterwarnings("ignore", message="X does not have valid feature names")

_models, _lock = {}, threading.Lock()
_tls = threading.local()
_ctl = None


def load_model(path, n_jobs=None):
    """Once per process, whatever the number of threads."""
    with _lock:
        m = _models.get((path, n_jobs))
        if m is None:
            import joblib

            m = joblib.load(path)
            if n_jobs is not None and hasattr(m, "get_params") and "n_jobs" in m.get_params():
                m.set_params(n_jobs=n_jobs)
            _models[path, n_jobs] = m
        return m


def limit_threads(n):
    """threadpoolctl for the calling thread (OpenMP limits are per thread), scanned once."""
    global _ctl
    import threadpoolctl

    if _ctl is None:
        with _lock:
            if _ctl is None:
                _ctl = threadpoolctl.ThreadpoolController()
    return _ctl.limit(limits=n)


def matrix(batch, names, layout, dtype, reuse=False):
    """Columns of an Arrow batch as the (n, k) input of the model."""
    n, k = batch.num_rows, len(names)
    cols = [batch.column(x) for x in names]
    cols = [a.to_numpy() if isinstance(a, pa.ChunkedArray) else a.to_numpy(zero_copy_only=False) for a in cols]
    if layout == "C":
        out = np.empty((n, k), dtype)
        for i, a in enumerate(cols):
            out[:, i] = a
        return out
    if layout == "T":  # row-major through cache-sized column-major tiles
        out = np.empty((n, k), dtype)
        t = np.empty((k, 4096), dtype)
        for s in range(0, n, 4096):
            e = min(s + 4096, n)
            for i, a in enumerate(cols):
                t[i, : e - s] = a[s:e]
            out[s:e] = t[:, : e - s].T
        return out
    if reuse:  # a matrix kept per thread
        buf = getattr(_tls, "x", None)
        if buf is None or buf.size < n * k or buf.dtype != dtype:
            _tls.x = buf = np.empty(n * k, dtype)
        out = buf[: n * k].reshape(k, n)
    else:
        out = np.empty((k, n), dtype)
    for i, a in enumerate(cols):
        out[i] = a
    out = out.T
    if layout == "df":
        import pandas as pd

        return pd.DataFrame(out, columns=names, copy=False)
    return out  # "F"


class Kernel:
    def __init__(
        self,
        work,
        model=None,
        batch=0,
        layout="auto",
        dtype="float64",
        mmap=False,
        pre_buffer=False,
        buffer=1 << 20,
        compression="snappy",
        dictionary=False,
        csv="arrow1",
        csv_block=1 << 20,
        n_jobs=1,
        threads=1,
        quotes=True,
        reuse=False,
    ):
        self.reuse = reuse
        self.kind, self.path, k, mp = c.WORK[work]
        self.names = c.feats(k)
        self.model_path, self.n_jobs = model or mp, n_jobs
        self.batch, self.layout, self.dtype = batch, layout, np.dtype(dtype)
        self.mmap, self.pre, self.buffer = mmap, pre_buffer, buffer
        self.comp, self.dict, self.csv, self.csv_block, self.threads, self.quotes = (
            compression,
            dictionary,
            csv,
            csv_block,
            threads,
            quotes,
        )

    # -- planning ---------------------------------------------------------
    def blocks(self, csv_bytes=32 << 20, rows=None):
        """Parquet: (file, row group, first row, last row); CSV: (file, start, end) cut at newlines."""
        out = []
        if self.kind == "parquet":
            for f in c.files(self.path):
                md = pq.ParquetFile(f, memory_map=True).metadata
                out += [(f, g, md.row_group(g).num_rows) for g in range(md.num_row_groups)]
            return out
        with open(self.path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            head = f.readline()
            self.header = head.decode().rstrip("\r\n").split(",")
            a = len(head)
            while a < size:
                f.seek(min(a + csv_bytes, size))
                f.readline()
                b = min(f.tell(), size)
                out.append((self.path, a, b))
                a = b
        return out

    # -- scoring ----------------------------------------------------------
    def writer(self, part, schema):
        return pq.ParquetWriter(part, schema, compression=self.comp, use_dictionary=self.dict)

    def sink(self, part, batches, one_writer=None):
        w, n = one_writer, 0
        for names, arrays in batches:
            arrays = [pa.array(a) for a in arrays]
            if w is None:
                w = self.writer(part, pa.schema([(x, a.type) for x, a in zip(names, arrays, strict=True)]))
            w.write_batch(pa.record_batch(arrays, schema=w.schema))
            n += len(arrays[0])
        if one_writer is None and w is not None:
            w.close()
        return n

    def scored(self, block):
        model = load_model(self.model_path, self.n_jobs)
        if self.layout == "auto":
            # forests walk float32 rows (sklearn would copy to that itself); the rest take columns as they come
            forest = type(model).__name__ in (
                "RandomForestClassifier",
                "RandomForestRegressor",
                "ExtraTreesClassifier",
                "ExtraTreesRegressor",
            )
            self.layout, self.dtype = ("C", np.dtype("float32")) if forest else ("F", self.dtype)
            self.batch = self.batch or (262_144 if forest else 131_072)
        if self.kind == "parquet":
            f, g, _ = block
            p = pq.ParquetFile(f, memory_map=self.mmap, pre_buffer=self.pre, buffer_size=self.buffer)
            for b in p.iter_batches(
                self.batch or 131_072, row_groups=[g], columns=["id"] + self.names, use_threads=False
            ):
                if b.num_rows == 0:  # a trailing empty batch is possible
                    continue
                x = matrix(b, self.names, self.layout, self.dtype, self.reuse)
                yield ("id", "score"), (b.column("id"), model.predict_proba(x)[:, 1])
            return
        f, a, e = block
        with open(f, "rb", buffering=0) as fh:
            if self.mmap:
                mm = mmap.mmap(fh.fileno(), 0, prot=mmap.PROT_READ)
                raw = memoryview(mm)[a:e]
                odd = self.quotes and count_quotes(raw) % 2
            else:  # a buffer kept per thread: no fresh pages to fault in for every block
                buf = getattr(_tls, "buf", None)
                if buf is None or len(buf) < e - a:
                    _tls.buf = buf = None
                    _tls.buf = buf = bytearray(e - a + (1 << 16))
                fh.seek(a)
                raw = memoryview(buf)[: fh.readinto(memoryview(buf)[: e - a])]
                odd = self.quotes and buf.find(b'"', 0, len(raw)) >= 0 and buf.count(b'"', 0, len(raw)) % 2
        if odd:
            raise ValueError("a quoted field holds a newline: replan this file sequentially")
        if self.csv == "arrow":
            cv = pc.ConvertOptions(include_columns=[c.W, c.L], column_types={c.W: pa.float64(), c.L: pa.float64()})
            ro = pc.ReadOptions(column_names=self.header, block_size=self.csv_block, use_threads=False)
            for b in pc.open_csv(pa.BufferReader(pa.py_buffer(raw)), read_options=ro, convert_options=cv):
                d = b.column(0).to_numpy(zero_copy_only=False) - b.column(1).to_numpy(zero_copy_only=False)
                d = d[~np.isnan(d)]
                if len(d):
                    yield ("diff", "pred"), (d, model.predict(d.reshape(-1, 1)))
        elif self.csv == "arrow1":  # the whole block in one read_csv
            cv = pc.ConvertOptions(include_columns=[c.W, c.L], column_types={c.W: pa.float64(), c.L: pa.float64()})
            ro = pc.ReadOptions(column_names=self.header, block_size=self.csv_block, use_threads=False)
            t = pc.read_csv(pa.BufferReader(pa.py_buffer(raw)), read_options=ro, convert_options=cv)
            d = t.column(0).to_numpy() - t.column(1).to_numpy()
            d = d[~np.isnan(d)]
            if len(d):
                yield ("diff", "pred"), (d, model.predict(d.reshape(-1, 1)))
        else:
            import io

            import pandas as pd

            df = pd.read_csv(io.BytesIO(raw), header=None, names=self.header, usecols=[c.W, c.L], dtype="float64")
            d = (df[c.W] - df[c.L]).to_numpy()
            d = d[~np.isnan(d)]
            if len(d):
                yield ("diff", "pred"), (d, model.predict(d.reshape(-1, 1)))

    def run(self, block, part):
        t = time.perf_counter()
        if self.threads:
            with limit_threads(self.threads):
                n = self.sink(part, self.scored(block))
        else:
            n = self.sink(part, self.scored(block))
        return {"rows": n, "part": part, "s": time.perf_counter() - t}


def count_quotes(raw, step=4 << 20):
    """Number of quote characters; numpy on a view, no copy (bytes.count needs bytes)."""
    if isinstance(raw, bytes):
        return raw.count(b'"')
    a = np.frombuffer(raw, np.uint8)
    return sum(int(np.count_nonzero(a[i : i + step] == 34)) for i in range(0, len(a), step))
