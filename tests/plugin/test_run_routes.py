from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.dag


def test_x(client_of: Any, run_small: Any, data: Any) -> None:
    run = run_small()
    c = client_of("viewer")
    p = f"/api/run/small_pipeline/{run.run_id}"
    for path in (
        p,
        p + "/profiles",
        p + "/quarantine",
        f"/api/task/small_pipeline/{run.run_id}/score?map_index=1",
        f"/run/small_pipeline/{run.run_id}",
    ):
        a = c.get(path)
        print(path, a.status_code, a.text[:6000])
    assert 0
