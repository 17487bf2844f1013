"""The hand-written limit: pyarrow -> numpy -> predict -> ParquetWriter, no framework.

usage: python limit.py WORK 1t|2t|pipe|2p [preloaded] [knob=value ...]      (knobs: see kernel.Kernel)

preloaded    imports are over before the clock starts
"""

import os
import sys

work, mode, *knobs = sys.argv[1:]
preloaded = "preloaded" in knobs
kw = dict(k.split("=") for k in knobs if k != "preloaded")
omp = kw.pop("omp", "1")
if omp != "none":
    for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[v] = omp
import queue  # noqa: E402
import threading  # noqa: E402

import common as c  # noqa: E402  (clock starts here)
import kernel  # noqa: E402
import pyarrow as pa  # noqa: E402

if preloaded:
    import joblib  # noqa: F401
    import pandas  # noqa: F401, ICN001 - scikit-learn imports it
    import sklearn.linear_model  # noqa: F401
c.mark("began")
csv_bytes = int(kw.pop("csv_bytes", 32 << 20))
for k, v in kw.items():
    if k in ("batch", "buffer", "csv_block", "n_jobs", "threads"):
        kw[k] = int(v)
    elif v in ("True", "False"):
        kw[k] = v == "True"
kw.setdefault("threads", 0)
pa.set_cpu_count(1)
k = kernel.Kernel(work, **kw)
out = c.fresh(f"{c.OUT}/scores")
kernel.load_model(k.model_path, k.n_jobs)
c.mark("ready")
blocks = k.blocks(csv_bytes)
c.mark("planned")
part = lambda i: f"{out}/part-{i:05d}.parquet"  # noqa: E731
rows = 0
if mode == "1t":
    for i, b in enumerate(blocks):
        rows += k.run(b, part(i))["rows"]
elif mode == "2t":  # data parallel: two threads pull blocks
    it, lock, got = iter(enumerate(blocks)), threading.Lock(), []

    def pull():
        while True:
            with lock:
                x = next(it, None)
            if x is None:
                return
            got.append(k.run(x[1], part(x[0]))["rows"])

    ts = [threading.Thread(target=pull) for _ in range(2)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    rows = sum(got)
elif mode == "pipe":  # reader+predict thread, encoder thread
    q = queue.Queue(4)

    def encode():
        while (x := q.get()) is not None:
            k.sink(x[0], x[1])

    t = threading.Thread(target=encode)
    t.start()
    for i, b in enumerate(blocks):
        for j, x in enumerate(k.scored(b)):
            rows += len(x[1][1])
            q.put((f"{out}/part-{i:05d}-{j:04d}.parquet", [x]))
    q.put(None)
    t.join()
elif mode == "2p":
    import struct

    r, w = os.pipe()
    tr, tw = os.pipe()  # tickets: whoever reads one scores that block
    for i in range(len(blocks)):
        os.write(tw, struct.pack("i", i))
    os.close(tw)
    pids = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            n = 0
            while x := os.read(tr, 4):
                (i,) = struct.unpack("i", x)
                n += k.run(blocks[i], part(i))["rows"]
            os.write(w, struct.pack("q", n))
            os._exit(0)
        pids.append(pid)
    for p in pids:
        os.waitpid(p, 0)
        rows += struct.unpack("q", os.read(r, 8))[0]
c.done(rows=rows, blocks=len(blocks))
