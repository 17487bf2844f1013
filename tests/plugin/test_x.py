from __future__ import annotations
import time
from typing import Any
import pytest
from made_runs import MadeRun, DAG_ID
pytestmark = pytest.mark.dag

@pytest.mark.parametrize("sizes", [[1]*1000, [100]*100, [10]*1000])
def test_x(client_of: Any, tmp_path: Any, sizes: Any) -> None:
    c = client_of("viewer")
    run = MadeRun(tmp_path)
    entries = run.plan(sizes)
    for e in entries[:-10]: run.scored(e)
    for e in entries[-10:]:
        run.task("score","ScorePartitionOperator","running",e.index); run.progress(e, blocks=2, rows=500)
    run.task("check_scores","CheckScoresOperator",None)
    run.write()
    for _ in range(4):
        t=time.perf_counter(); a=c.get(f"/api/run/{DAG_ID}/{run.run_id}"); print(len(sizes), sum(sizes), a.status_code, len(a.content), round(time.perf_counter()-t,3))
    print(a.json()["totals"], a.json()["failures"], a.json()["model"]["problem"])
    import cProfile,pstats
    p=cProfile.Profile(); 
    from airflow_batchscore.plugin.run_state import read_run, records_of
    from airflow_batchscore.plugin.run_storage import with_drifts
    from airflow_batchscore.publish.run_view import RunView, May
    from airflow.utils.session import create_session
    with create_session() as s:
        p.enable(); r=read_run(s,DAG_ID,run.run_id); r=with_drifts(records_of(r)); v=RunView(r).to_dict(May(True,True),model=None,output=None); p.disable()
    pstats.Stats(p).sort_stats("cumtime").print_stats(28)
    assert 0
