"""Hold BLAS and OpenMP to one thread: workers are one a core already, and each would start a thread a core more."""

from __future__ import annotations

import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

_here = threading.local()
_scanning = threading.Lock()
#: Of the last scan for libraries, which takes 20 ms: modules and extension modules there were, and what was found.
_modules = _extensions = 0
_controller: Any = None


def hold_to_one_thread() -> None:
    """For the calling thread (OpenMP) and the process (BLAS). Cheap when nothing was imported since the last call.

    BLAS stays so in this process: OpenBLAS does not take a limit again that was lifted and is set by another thread.
    To be called when the model is loaded, because a library that loads later comes with its own number of threads.
    """
    with _scanning:
        _scan()
        if getattr(_here, "controller", None) is not _controller:
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
