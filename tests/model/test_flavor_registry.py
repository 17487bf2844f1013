"""Where flavours come from: this package's folder, import paths, and entry points of installed packages."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from commands import run_command
from packages import install as install_package
from support import ROOT, good_rows, scores, small

from airflow_batchscore import entry_points
from airflow_batchscore.errors import ModelError
from airflow_batchscore.model import artifact, flavors
from airflow_batchscore.model.flavors import flavor, flavor_of, flavor_of_file
from airflow_batchscore.training.imported import import_model
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

#: A package with an estimator of its own, and a flavour for it.
MODULE = """
import json

from sklearn.base import BaseEstimator, RegressorMixin

from airflow_batchscore.model.flavors import Flavor


class Constant(RegressorMixin, BaseEstimator):
    def __init__(self, value=7.0):
        self.value = value

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return [self.value] * len(X)


class JsonConstant(Flavor):
    name = "json-constant"
    suffix = "constant"
    estimators = ("{package}",)
    reads = ("constant",)

    def dump(self, estimator, features):
        return json.dumps(estimator.value).encode()

    def load(self, data, trusted_types):
        return Constant(json.loads(data)).fit(None, None)
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package as pip does: its module, and the folder that lists its entry points. Returns that folder."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    packages: list[str] = []

    def into(package: str, **points: str) -> Path:
        packages.append(package)
        (site / f"{package}.py").write_text(MODULE.replace("{package}", package))
        names = {name.replace("_", "-"): value for name, value in points.items()}
        return install_package(monkeypatch, site, package, flavors.GROUP, names)

    yield into
    for package in packages:
        sys.modules.pop(package, None)


def test_a_file_in_the_folder_is_all_that_a_flavour_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "constant_file.py").write_text(MODULE.replace("{package}", "airflow_batchscore"))
    monkeypatch.setattr(flavors, "__path__", [*flavors.__path__, str(tmp_path)])
    flavors._own.cache_clear()
    try:
        kind = flavor("json-constant")
        assert (kind.name, kind.runs_code) == ("json-constant", True)
        assert flavor_of_file("s3://models/theirs.constant") is kind
        home = sys.modules["airflow_batchscore.model.flavors.constant_file"]
        assert flavor_of(home.Constant(), "auto") is kind
        with pytest.raises(ModelError, match="there are auto, .*json-constant"):
            flavor("nothing")
    finally:
        flavors._own.cache_clear()
        sys.modules.pop("airflow_batchscore.model.flavors.constant_file", None)


def test_an_installed_packages_flavour_has_a_name_and_is_stored_by_its_import_path(
    tmp_path: Path, install: Install
) -> None:
    artifact._loaded.clear()
    info = install("their_package", json_constant="their_package:JsonConstant")
    data = small(tmp_path)
    data.add(1, good_rows(30, 1000))
    jobs = [
        TrainingJob(data.dataset, [0], data.recipe, "their_package:Constant", f"{tmp_path}/m", flavor=name)
        for name in ("json-constant", "auto", "their_package:JsonConstant")
    ]
    first, *others = [train(job) for job in jobs]
    assert first.manifest.flavor == "their_package:JsonConstant"
    assert first.manifest.file.endswith(".constant")
    assert "their_package:JsonConstant" in first.manifest.code
    assert all(one.reused and one.ref == first.ref for one in others)
    shutil.rmtree(info)  # a worker that has the code
    entry_points._offered.cache_clear()
    ((manifest, _),) = replace(data, model=first.ref).score(1)
    assert set(scores(manifest)["prediction"]) == {7.0}


def test_an_installed_packages_flavour_is_known_by_suffix_and_needs_a_digest(tmp_path: Path, install: Install) -> None:
    install("their_package", json_constant="their_package:JsonConstant")
    (tmp_path / "theirs.constant").write_text("3.5")
    with pytest.raises(ModelError, match="loading a their_package:JsonConstant file can run code"):
        import_model(str(tmp_path / "theirs.constant"))


@pytest.mark.parametrize("name", ["joblib", "skops", "torch-state", "auto"])
def test_an_entry_point_takes_no_name_of_ours(install: Install, name: str, caplog: pytest.LogCaptureFixture) -> None:
    ours = None if name == "auto" else flavor(name)
    install("their_package", **{name.replace("-", "_"): "their_package:JsonConstant"})
    with caplog.at_level(logging.WARNING):
        assert flavor_of_file("theirs.constant") is None
    assert f"{name} = their_package:JsonConstant of the package their_package is ignored" in caplog.text
    if ours is not None:
        assert flavor(name) is ours
    import their_package  # type: ignore[import-not-found]

    assert flavor_of(their_package.Constant(), "auto") is flavor("joblib")


def test_an_entry_point_takes_no_suffix_and_no_library_of_ours(install: Install, tmp_path: Path) -> None:
    install("their_package", greedy="their_package:Greedy")
    with (tmp_path / "site" / "their_package.py").open("a") as module:
        module.write(
            "\n\nclass Greedy(JsonConstant):\n    estimators = ('xgboost',)\n    reads = ('onnx', 'pkl', 'constant')\n"
        )
    from xgboost import XGBRegressor

    assert flavor_of(XGBRegressor(), "auto").name == "xgboost"
    names = {uri: kind.name for uri in ("a.onnx", "a.pkl", "a.constant") if (kind := flavor_of_file(uri))}
    assert names == {"a.onnx": "onnx", "a.pkl": "joblib", "a.constant": "their_package:Greedy"}


def test_two_packages_with_one_name_are_both_named(install: Install) -> None:
    install("their_package", json_constant="their_package:JsonConstant")
    install("other_package", json_constant="other_package:JsonConstant")
    offers = r"\(other_package:JsonConstant of other_package, their_package:JsonConstant of their_package\)"
    with pytest.raises(ModelError, match=rf"several packages offer it {offers}; give flavor= the import path of one"):
        flavor("json-constant")
    with pytest.raises(ModelError, match="several flavours of installed packages claim it .*Choose one with flavor="):
        flavor_of_file("theirs.constant")
    from sklearn.linear_model import Ridge

    assert flavor_of(Ridge(), "auto").name == "joblib"


def test_a_package_whose_flavour_cannot_be_imported_is_left_out_unless_it_is_named(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("broken_package", broken="nowhere_at_all:Flavor")
    install("their_package", json_constant="their_package:JsonConstant")
    import their_package

    with caplog.at_level(logging.WARNING):
        assert flavor_of(their_package.Constant(), "auto").name == "their_package:JsonConstant"
    (warning,) = caplog.messages
    assert "Constant: the flavour 'broken' of the package broken_package cannot be asked whether it fits" in warning
    with pytest.raises(
        ModelError, match=r"'broken' cannot be imported from nowhere_at_all:Flavor of .* broken_package"
    ):
        flavor("broken")


def test_no_other_package_is_asked_for_scikit_learns_own_estimators(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("their_package", greedy="their_package:Greedy", broken="nowhere_at_all:Flavor")
    from sklearn.linear_model import Ridge

    with caplog.at_level(logging.WARNING):
        assert flavor_of(Ridge(), "auto") is flavor("joblib")
    assert not caplog.messages
    assert "their_package" not in sys.modules


def test_a_flavour_that_lacks_a_method_is_refused(install: Install, tmp_path: Path) -> None:
    install("their_package", half="their_package:Half")
    with (tmp_path / "site" / "their_package.py").open("a") as module:
        module.write("\n\nclass Half(Flavor):\n    suffix = 'half'\n    load = JsonConstant.load\n")
    with pytest.raises(ModelError, match="their_package:Half .* cannot be made: .*abstract.*dump"):
        flavor("half")


def test_an_object_that_is_no_subclass_runs_code_unless_its_class_says_not(install: Install, tmp_path: Path) -> None:
    install("their_package")
    with (tmp_path / "site" / "their_package.py").open("a") as module:
        module.write(
            "\n\nclass Safe(JsonConstant):\n    runs_code = False\n"
            "\n\nclass Silent(Safe):\n    pass\n"
            "\n\nclass Vague(JsonConstant):\n    runs_code = None\n"
        )
    said = {name: flavor(f"their_package:{name}").runs_code for name in ("Safe", "Silent", "Vague")}
    assert said == {"Safe": False, "Silent": True, "Vague": True}


def test_an_object_that_only_looks_like_a_flavour_is_refused(install: Install, tmp_path: Path) -> None:
    install("their_package", plain="their_package:Plain")
    with (tmp_path / "site" / "their_package.py").open("a") as module:
        module.write("\n\nclass Plain:\n    suffix = 'x'\n    dump = load = print\n    runs_code = False\n")
    for name in ("plain", "their_package:Plain"):
        with pytest.raises(ModelError, match="their_package:Plain.* is not a class that derives from Flavor"):
            flavor(name)


FROZEN = """
import dataclasses

@dataclasses.dataclass(frozen=True)
class Frozen(JsonConstant):
    name: str = "frozen"

class Named(JsonConstant):
    name = property(lambda self: "named")

class Asks(JsonConstant):
    def takes(self, estimator):
        raise ZeroDivisionError

class Needs(JsonConstant):
    def __init__(self):
        import nowhere_at_all
"""


def test_flavours_whose_class_has_odd_ways_are_used_or_refused_by_name(install: Install, tmp_path: Path) -> None:
    install("their_package")
    with (tmp_path / "site" / "their_package.py").open("a") as module:
        module.write(FROZEN)
    assert flavor("their_package:Frozen").name == "their_package:Frozen"
    with pytest.raises(ModelError, match="their_package:Named: its name must be an attribute"):
        flavor("their_package:Named")
    with pytest.raises(ModelError, match="their_package:Needs cannot be made: ModuleNotFoundError: .*nowhere_at_all"):
        flavor("their_package:Needs")


@pytest.mark.parametrize("name", ["Asks", "Needs"])
def test_a_flavour_that_fails_when_it_is_asked_hurts_nobody_elses_model(
    install: Install, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    install("their_package", odd=f"their_package:{name}", json_constant="their_package:JsonConstant")
    with (tmp_path / "site" / "their_package.py").open("a") as module:
        module.write(FROZEN)
    import their_package

    assert flavor_of(their_package.Constant(), "auto").name == "their_package:JsonConstant"
    assert "the flavour 'odd' of the package their_package cannot be asked whether it fits" in caplog.text


def test_finding_flavours_imports_no_library() -> None:
    heavy = "{'joblib', 'skops', 'sklearn', 'xgboost', 'lightgbm', 'onnx', 'onnxruntime', 'torch', 'mlflow', 'pandas'}"
    script = (
        "import sys\nfrom airflow_batchscore.model.flavors import flavor_of_file\n"
        f"assert flavor_of_file('a.nothing') is None\nprint(sorted({heavy} & set(sys.modules)))"
    )
    done = run_command([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
