"""A warning that is ignored while a model predicts, and nowhere else."""

from __future__ import annotations

import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from commands import run_command
from sklearn.linear_model import LinearRegression
from support import ROOT

from airflow_batchscore.model.ignored_warnings import ignored
from airflow_batchscore.model.user_code import result_of

pytestmark = pytest.mark.unit


def _fitted() -> LinearRegression:
    import pandas as pd

    return LinearRegression().fit(pd.DataFrame({"a": [1.0, 2.0]}), [1.0, 2.0])


def test_a_matrix_is_predicted_without_a_warning_about_names() -> None:
    model, matrix = _fitted(), np.array([[1.0], [2.0]])
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        result_of(model, "predict", matrix)
        assert not shown
        assert list(warnings.filters) == before
        model.predict(matrix)
        assert "feature names" in str(shown[0].message)


def test_the_first_thread_to_leave_does_not_end_it_for_the_other() -> None:
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with ignored("a text"):
            inside.set()
            leave.wait(60)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        thread = threading.Thread(target=first)
        thread.start()
        inside.wait(60)
        with ignored("a text"):
            leave.set()
            thread.join(60)
            warnings.warn("a text and more", stacklevel=1)
            warnings.warn("another text", stacklevel=1)
        warnings.warn("a text after", stacklevel=1)
        assert list(warnings.filters) == before
    assert [str(warning.message) for warning in shown] == ["another text", "a text after"]


def test_what_python_shows_once_is_still_shown_once() -> None:
    def warn() -> None:
        warnings.warn("seen before", stacklevel=1)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(3):
            with ignored("a text"):
                warn()
    assert len(shown) == 1


def test_an_error_in_the_block_ends_it() -> None:
    before = list(warnings.filters)
    with pytest.raises(ValueError, match="inside"), ignored("a text"):
        raise ValueError("inside")
    assert list(warnings.filters) == before


@pytest.mark.slow
def test_importing_the_package_changes_no_filter_and_scoring_in_threads_shows_no_warning(tmp_path: Path) -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in ("data", "model", "quality", "scoring", "training", "publish")
        for path in (ROOT / "airflow_batchscore" / room).rglob("*.py")
    )
    script = (
        f"import sys, warnings\nsys.path[:0] = [{str(ROOT / 'tests')!r}]\n"
        "import numpy, pandas, pyarrow, sklearn.linear_model\nbefore = list(warnings.filters)\n"
        f"import {', '.join(modules)}\nassert list(warnings.filters) == before\n"
        "from pathlib import Path\nfrom support import small, good_rows\n"
        f"data = small(Path({str(tmp_path)!r}))\ndata.add(1, good_rows(200))\n"
        "warnings.simplefilter('always')\ndata.score(1, block_rows=20)\n"
    )
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "feature names" not in done.stderr
