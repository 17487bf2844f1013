"""The wheel and the sdist in dist/, installed as users do: without Airflow, with it, and what can live together."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from build_dist import version
from commands import run_command
from support import ROOT

pytestmark = [pytest.mark.dist, pytest.mark.timeout(900)]

UV = str(ROOT / ".tools" / "bin" / "uv")
#: What Airflow's constraints pin, and Spark does not support.
PANDAS3 = "pandas==3.0.5"
#: What a worker of a pipeline on S3 has, by the README.
NAMED = {
    "apache-airflow",
    "apache-airflow-providers-amazon",
    "boto3",
    "dask",
    "dask-ml",
    "distributed",
    "joblib",
    "pandas",
    "scikit-learn",
}
#: Imports each module but those that are Airflow's side of the package; a worker and a notebook have no Airflow.
IMPORT_ALL = """
import importlib, importlib.util, pkgutil, sys
import airflow_batchscore as package
assert importlib.util.find_spec("airflow") is None
airflows = "celery_worker|connections|links|notifications|operators|plugin|sensors|triggers|engine.connections_plugin"
skipped = tuple(f"{package.__name__}.{name}" for name in airflows.split("|"))
found = pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda name: None)
names = [module.name for module in found]
imported = [name for name in names if not name.startswith(skipped)]
for name in imported:
    importlib.import_module(name)
print(package.__version__, len(imported), package.__file__)
"""


def _only(pattern: str) -> str:
    (path,) = (ROOT / "dist").glob(pattern)
    return str(path)


@pytest.fixture(scope="module")
def wheel() -> str:
    return _only("*.whl")


def _environment(folder: Path, requirement: str) -> Path:
    """A new environment with `requirement` in it; returns its Python."""
    run_command([UV, "venv", "-q", "-p", sys.executable, str(folder)], check=True)
    python = folder / "bin" / "python"
    constraints = ["-c", str(ROOT / "requirements.lock")]
    run_command([UV, "pip", "install", "-q", "-p", str(python), *constraints, requirement], check=True)
    return python


@pytest.fixture(scope="module")
def with_airflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist with Airflow and S3."""
    return _environment(
        tmp_path_factory.mktemp("sdist") / "venv", f"airflow-batchscore[airflow,s3] @ file://{_only('*.tar.gz')}"
    )


def _airflow(python: Path, home: Path, *arguments: str) -> str:
    """What `airflow` prints in this environment, on a home of its own."""
    environment = {"PATH": f"{python.parent}:/usr/bin:/bin", "AIRFLOW_HOME": str(home), "HOME": str(home)}
    done = run_command([str(python.parent / "airflow"), *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return str(done.stdout)


def test_the_wheel_alone_brings_what_a_worker_imports(wheel: str, tmp_path: Path) -> None:
    python = _environment(tmp_path / "venv", wheel)
    done = run_command([str(python), "-c", IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True, env={})
    assert done.returncode == 0, done.stderr[-3000:]
    named, modules, place = done.stdout.split()
    assert named == version(ROOT)
    assert int(modules) > 100
    assert Path(place).is_relative_to(tmp_path)
    assert Path(place).with_name("py.typed").is_file()


def test_the_sdist_with_airflow_and_s3_brings_all_that_is_named(with_airflow: Path) -> None:
    command = [UV, "pip", "list", "-p", str(with_airflow), "--format", "json"]
    listed = run_command(command, capture_output=True, check=True)
    installed = {package["name"]: package["version"] for package in json.loads(listed.stdout)}
    assert installed.keys() >= NAMED
    assert installed["airflow-batchscore"] == version(ROOT)
    run_command([UV, "pip", "check", "-p", str(with_airflow)], check=True)


def test_airflow_lists_the_provider_and_the_plugin(with_airflow: Path, tmp_path: Path) -> None:
    providers = json.loads(_airflow(with_airflow, tmp_path, "providers", "list", "-o", "json"))
    versions = {provider["package_name"]: provider["version"] for provider in providers}
    assert versions["airflow-batchscore"] == version(ROOT)
    plugins = json.loads(_airflow(with_airflow, tmp_path, "plugins", "-o", "json"))
    assert "batchscore" in {plugin["name"] for plugin in plugins}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("extras", ["all", "all,mlflow,torch"])
def test_all_can_be_installed_with_the_pandas_that_airflow_pins(
    extras: str, python: str, wheel: str, tmp_path: Path
) -> None:
    assert not _conflict(tmp_path, python, f"airflow-batchscore[{extras}] @ file://{wheel}", PANDAS3)


def test_spark_cannot(wheel: str, tmp_path: Path) -> None:
    said = _conflict(tmp_path, "3.11", f"airflow-batchscore[spark] @ file://{wheel}", PANDAS3)
    assert "No solution found" in said
    assert "pandas" in said


def _conflict(folder: Path, python: str, *requirements: str) -> str:
    """Why no versions of all packages can be installed together; empty if some can. Nothing is installed."""
    file = folder / "requirements.in"
    file.write_text("\n".join(requirements))
    command = [UV, "pip", "compile", "-q", "--python-version", python, "-o", str(folder / "found.txt"), str(file)]
    done = run_command(command, capture_output=True, text=True)
    return str(done.stderr) if done.returncode else ""
