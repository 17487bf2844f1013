"""What tests of several rooms use: real files, real servers, a plain pandas answer to compare with."""

from __future__ import annotations

import atexit
import base64
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

# Airflow reads these when it is first imported, which collection can do.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="batchscore-airflow-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = str(AIRFLOW_HOME)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__FERNET_KEY"] = base64.urlsafe_b64encode(bytes(32)).decode()  # as airflow.cfg has one
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(AIRFLOW_HOME / "dags")
# Test processes share the cores: OpenMP's threads spin while they wait, and made some tests ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
EXAMPLES = Path(tempfile.mkdtemp(prefix="batchscore-examples-"))  # outputs do not lie in AIRFLOW_HOME
atexit.register(shutil.rmtree, EXAMPLES, ignore_errors=True)
os.environ["BATCHSCORE_EXAMPLES"] = str(EXAMPLES)


def copy_dags(folder: Path, *only: str) -> Path:
    """The example DAGs, the tests' DAGs and the models they name, side by side as in a DAGs folder.

    `only`: names of the files that are needed, where a test can do without the seconds that the others take.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = [path for path in (ROOT / "tests" / "dags").iterdir() if path.suffix in (".py", ".txt")]
    for path in [*ROOT.glob("dags/*.py"), *own, ROOT / "tests" / "strange_models.py"]:
        if not only or path.name in only:
            shutil.copy(path, folder)
    return folder


copy_dags(AIRFLOW_HOME / "dags")

#: Of an Airflow whose DAG files stay as they are, and whose every task a test waits for.
_QUICK = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # a supervisor that misses its task's end looks again then
}


def quick_airflow(home: Path, dags: Path, extra: Mapping[str, str], kind: Any = None) -> Any:
    """A `stack.Stack`, not started, whose tasks take a third of the time that they take as Airflow is installed.

    `kind`: a subclass of it.
    """
    from stack import Stack

    return (kind or Stack)(home, dags, extra={**_QUICK, **extra})


#: What ends with the last test of a folder, at the latest; see `conftest.py`.
ends_with_folder = ExitStack()


@contextmanager
def running(stack: Any) -> Iterator[Any]:
    """A `stack.Stack` while it is needed; then it is killed, because an orderly end takes 15 s."""
    ends_with_folder.callback(stack.stop, at_once=True)
    try:
        stack.start().wait_until_up()
        yield stack
    finally:
        stack.stop(at_once=True)


KEYS = ["tourney_id", "match_num", "winner_id", "loser_id"]

#: For datasets whose key ``id`` is a number here; undeclared, keys of CSV are text.
NUMBERED = {"column_types": {"id": "int64"}}


@dataclass(frozen=True)
class Wta:
    """A folder of ``wta_matches_<year>.csv``, 2000 to 2016."""

    folder: Path
    real: bool

    @property
    def uri(self) -> str:
        return f"{self.folder}/wta_matches_{{year}}.csv"

    def plain_predictions(self, years: Sequence[int] = range(2000, 2017), train_year: int = 2015) -> Any:
        """The pipeline in fifteen lines of pandas, without this package."""
        import numpy as np
        import pandas as pd
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import train_test_split
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        def read(year: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
            raw = pd.read_csv(self.folder / f"wta_matches_{year}.csv", dtype=dict.fromkeys(KEYS, str))
            raw = raw[raw["winner_rank_points"].notna() & raw["loser_rank_points"].notna()]
            first = raw["winner_id"].astype(int) < raw["loser_id"].astype(int)
            leads = {n: raw[f"winner_{n}"] - raw[f"loser_{n}"] for n in ("rank", "rank_points", "age", "ht")}
            signed = {f"{n}_lead": (lead * np.where(first, 1, -1)).fillna(0.0) for n, lead in leads.items()}
            return raw, pd.DataFrame(signed), first

        _, leads, won = read(train_year)
        rows = train_test_split(leads.index, test_size=0.2, random_state=0)[0].sort_values()
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(leads.loc[rows], won.loc[rows])
        scored = [(year, *read(year)) for year in years]
        frames = [raw[KEYS].assign(year=year, prediction=model.predict(leads)) for year, raw, leads, _ in scored]
        return pd.concat(frames, ignore_index=True)[["year", *KEYS, "prediction"]]


def write_csv(path: Path, rows: Sequence[Sequence[object]], header: Sequence[str] = ("id", "a", "b", "label")) -> Path:
    """Rows as given: a cell is written as it stands, so that a test can break it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(map(str, row)) for row in [header, *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def good_rows(count: int, offset: int = 0) -> list[tuple[int, float, int, int]]:
    """`id`, two features and a label that a linear model can learn."""
    return [(offset + n, (n % 17) / 4, n % 7, int((n % 17) / 4 > n % 7)) for n in range(count)]


@dataclass
class Small:
    """A small dataset ``part_<p>.csv`` with a model trained on partition 0, to score in the tests' own process."""

    folder: Path
    model: Any
    recipe: Any

    @property
    def dataset(self) -> Any:
        from airflow_batchscore import PartitionedDataset

        return PartitionedDataset(f"{self.folder}/part_{{p}}.csv", read_options=NUMBERED)

    def copied(self, folder: Path) -> Small:
        """The same in `folder`, which may hold other files."""
        from airflow_batchscore.model.reference import resolve

        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Small(folder, resolve(f"{folder}/model/{self.model.version}"), self.recipe)

    def add(self, partition: int | str, rows: Sequence[Sequence[object]], **header: Any) -> Path:
        return write_csv(self.folder / f"part_{partition}.csv", rows, **header)

    def plain(self, partition: int) -> Any:
        """The scores of a partition by the model's own predict on a frame of all rows."""
        import pandas as pd

        from airflow_batchscore.model import artifact

        raw = pd.read_csv(self.folder / f"part_{partition}.csv")
        estimator = artifact.load(self.model).estimator
        return pd.DataFrame({"id": raw["id"], "prediction": estimator.predict(raw[["a", "b"]].astype(float))})

    def job(self, **options: Any) -> Any:
        from airflow_batchscore.model.outputs import OutputSpec
        from airflow_batchscore.plan.models import OneModel
        from airflow_batchscore.scoring.job import ScoringJob

        spec = OutputSpec.of(
            *(options.pop(name, none) for name, none in (("method", "predict"), ("outputs", None), ("flags", None)))
        )
        model = OneModel(options.pop("model", self.model))
        given = {"scored_with": model, "output_uri": f"{self.folder}/staged", "spec": spec}
        return ScoringJob(**{"dataset": self.dataset, **given, **options})

    def score(self, *partitions: int | str, **options: Any) -> list[tuple[Any, bool]]:
        from airflow_batchscore import LocalDask
        from airflow_batchscore.scoring.partition import score_partitions

        engine = options.pop("engine", LocalDask(workers=2))
        return score_partitions(self.job(**options), [{"p": str(p)} for p in partitions], engine)


def small(folder: Path, **recipe: Any) -> Small:
    """Trained on partition 0 of a dataset in `folder`; a copy of what was trained once in this process if no `recipe`.

    So a test that prepares training (settings, flavours), or trains in `folder` again, calls `newly_trained`.
    """
    return newly_trained(folder, **recipe) if recipe else _trained_once().copied(folder)


def newly_trained(folder: Path, **recipe: Any) -> Small:
    """As `small`, trained in `folder` itself."""
    from airflow_batchscore import PartitionedDataset, Recipe
    from airflow_batchscore.training.train import TrainingJob, train

    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "part_0.csv", good_rows(200))
    made = Recipe(**{"target": "label", "keys": ["id"], "columns": ["a", "b"], **recipe})
    dataset = PartitionedDataset(f"{folder}/part_{{p}}.csv", read_options=NUMBERED)
    job = TrainingJob(dataset, [0], made, "sklearn.linear_model:LogisticRegression", f"{folder}/model")
    return Small(folder, train(job).ref, made)


@cache
def _trained_once() -> Small:
    folder = Path(tempfile.mkdtemp(prefix="batchscore-small-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return newly_trained(folder)


def newest_summary(folder: Path, name: str = "out.parquet") -> Any:
    """What the newest publication's report says of the file `name` in `folder`, as JSON."""
    pointer = json.loads((folder / "_runs" / name / "latest.json").read_text())
    return json.loads(Path(pointer["summary"]).read_text())


def scores(manifest: Any) -> Any:
    """The scores of a committed partition, in order."""
    import pandas as pd

    return pd.concat(
        [pd.read_parquet(f"{manifest.folder}/{block.part}") for block in manifest.blocks], ignore_index=True
    )


def wait_for(condition: Any, seconds: float) -> None:
    """Until `condition()` is true; an OSError counts as not yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds} s")
        time.sleep(0.1)


#: A script that scores a small partition on a master inside its own process.
SCORE_IN_SPARK = """
import sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from support import good_rows, scores, small
from airflow_batchscore import LocalDask, Spark
data = small(Path({folder!r}))
data.add(1, good_rows(100, 1000))
((manifest, _),) = data.score(1, block_rows=30, engine=Spark(master="local[2]"))
print(scores(manifest)["id"].tolist() == list(range(1000, 1100)))
"""


@contextmanager
def looking_at_processes(look: Callable[[Path], None]) -> Iterator[None]:
    """Show `look` the folder in /proc of every process that runs meanwhile for more than a moment."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            for path in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    look(path)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
