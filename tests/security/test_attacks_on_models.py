"""Nothing of a model that the DAG does not offer is loaded, whatever a trigger names."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from attacks import finish, malicious_version, refusals, refused, start, version_of
from people import Run
from places import WTA_DAG, Place

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

#: Beyond the model's folder, in the words of those who try it.
DETOURS = [
    "../uploads/v1",
    "../../data/uploads/v1",
    "./../uploads/v1",
    "x/../../uploads/v1",
    "..//uploads/v1",
    "%2e%2e/uploads/v1",
    "..%2fuploads%2fv1",
    "..\\uploads\\v1",
    ".",
    "..",
    "v1/../../uploads/v1",
    "../uploads@champion",
]


@pytest.fixture(scope="module")
def mark(place: Place) -> Path:
    """What loading the planted versions makes."""
    return place.home / "mark"


@pytest.fixture(scope="module")
def planted(place: Place, scored: Run, mark: Path) -> Path:
    """A version where everybody may upload, and beside the models of the example."""
    like = version_of(place.home / "wta" / "models" / "wta")
    malicious_version(place.home / "uploads" / "v1", like, mark)
    aliases = place.home / "uploads" / "aliases"
    aliases.mkdir(exist_ok=True)
    digest = hashlib.sha256((place.home / "uploads" / "v1" / "model.joblib").read_bytes()).hexdigest()
    (aliases / "champion.json").write_text(f'{{"version": "v1", "digest": "{digest}"}}')
    return place.home / "uploads" / "v1"


def test_the_examples_form_names_no_model_elsewhere(place: Place, planted: Path, mark: Path) -> None:
    for text in ("../../../uploads/v1", "../../../uploads@champion"):
        message = refused(place.people["user"], WTA_DAG, {"years": [2014], "model_version": text})
        assert "model" in message.lower()
    assert not mark.exists()


def test_a_version_in_a_form_is_the_name_of_a_version(place: Place, planted: Path, mark: Path) -> None:
    user = place.people["user"]
    runs = {text: start(user, "form_version", {"version": text}) for text in DETOURS}
    for text, run in runs.items():
        assert finish(place.stack, run) == "failed", text
        (message,) = refusals(place.stack, run).values()
        assert message.startswith(("ModelError", "InputError", "ModelMissingError")), (text, message)
        # What lies elsewhere is not told, either.
        assert "there are" not in message, (text, message)
    assert not mark.exists()


@pytest.mark.parametrize("how", ["version", "alias", "json"])
def test_a_form_that_takes_a_whole_uri_takes_trusted_ones_alone(
    place: Place, planted: Path, mark: Path, how: str
) -> None:
    names = {
        "version": str(planted),
        "alias": f"{planted.parent}@champion",
        "json": f'{{"model": "{planted}"}}',
    }
    message = refused(place.people["user"], "form_model", {"model": names[how]})
    expected = "GateError: model: this must be what TrainOperator" if how == "json" else "ModelError: "
    assert message.startswith(expected), message
    assert not mark.exists()


def test_a_form_chooses_no_connection(place: Place) -> None:
    message = refused(place.people["user"], "form_connection", {"conn_id": "signing"})
    assert message.startswith("InputError")
    assert "conn_id" in message


def test_the_place_of_an_import_comes_from_the_dag(place: Place, planted: Path, mark: Path) -> None:
    data = (planted / "model.joblib").read_bytes()
    conf = {"source": str(planted / "model.joblib"), "sha256": hashlib.sha256(data).hexdigest()}
    user = place.people["user"]
    for given in (conf, {**conf, "sha256": None}, {"source": "os:getcwd", "sha256": None}):
        message = refused(user, "form_source", given)
        assert message.startswith(("ModelError", "InputError", "RecipeError")), message
    assert not mark.exists()
    assert not (place.home / "imported").exists()


def test_training_writes_where_the_dag_says(place: Place) -> None:
    airflow, dags = (Path(place.stack.env[name]) for name in ("AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER"))
    for folder in (place.home / "uploads", airflow, dags):
        message = refused(place.people["user"], "form_training", {"model_uri": str(folder / "model")})
        assert message.startswith("OutputError: model_uri"), message
        assert not (folder / "model").exists()


@pytest.mark.hardened
@pytest.mark.parametrize("place", ["hardened"], indirect=True)
def test_a_signed_version_is_none_elsewhere(place: Place, scored: Run) -> None:
    """Who can copy files among the models does not make an old version, or another model's, a new one."""
    models = place.home / "wta" / "models" / "wta"
    shutil.copytree(version_of(models), models / "copied")
    message = refused(place.people["user"], WTA_DAG, {"years": [2014], "model_version": "copied"})
    assert message.startswith("ModelError")
    assert "signature" in message
