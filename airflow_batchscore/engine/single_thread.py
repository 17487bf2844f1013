"""Limits BLAS and OpenMP to one thread: workers are already one per core, and each would start a thread per core."""

from __future__ import annotations

import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_here = threading.local()
_scanning = threading.Lock()
#: State of the last scan for libraries, which takes 20 ms: modules and extension modules present, and what was found.
_modules = _extensions = 0
_controller: ThreadpoolController | None = None


def hold_to_one_thread() -> None:
    """Limit the calling thread (OpenMP) and the process (BLAS). Cheap if nothing was imported since the last call.

    The BLAS limit remains in this process: once lifted, OpenBLAS does not accept it again from another thread. Call
    this when the model is loaded, because a library loaded later comes with its own number of threads.
    """
    with _scanning:
        _scan()
        if _controller is not None and getattr(_here, "controller", None) is not _controller:
            _controller.limit(limits=1)
            _here.controller = _controller


def _scan() -> None:
    global _modules, _extensions, _controller
    if len(sys.modules) == _modules:
        return
    _modules = len(sys.modules)
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    extensions = sum(1 for file in files if isinstance(file, str) and file.endswith(tuple(EXTENSION_SUFFIXES)))
    if extensions != _extensions:
        import threadpoolctl

        _extensions = extensions
        _controller = threadpoolctl.ThreadpoolController()
