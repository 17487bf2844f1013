"""Whether a cluster may have run this before: Dask and Spark run the work of a worker that died again elsewhere."""

from __future__ import annotations

import sys


def may_be_a_rerun() -> bool:
    """In a Dask worker always (it is not told); in a Spark task after its first attempt; in a task's thread never."""
    if "distributed.worker" in sys.modules:
        from distributed import get_worker

        try:
            get_worker()
        except ValueError:
            pass
        else:
            return True
    if "pyspark.taskcontext" in sys.modules:
        from pyspark import TaskContext

        context = TaskContext.get()
        return context is not None and context.attemptNumber() > 0
    return False
