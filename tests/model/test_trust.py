"""Who may bring a model: places, signatures, and what a forger can still try."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support import Small, good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.errors import InputError, ModelError
from airflow_batchscore.model import artifact
from airflow_batchscore.model.name_template import filled, models_of
from airflow_batchscore.model.reference import GivenModel, ModelRef, require_trusted, resolve, set_alias
from airflow_batchscore.model.trust import ModelAccess, Trust, sign
from airflow_batchscore.plan.choose import choose
from airflow_batchscore.plan.policy import ModelPolicy
from airflow_batchscore.training.train import TrainingJob, train

pytestmark = pytest.mark.unit

KEY = b"a key of the operators"


@pytest.fixture
def made(tmp_path: Path) -> Small:
    artifact._loaded.clear()
    return small(tmp_path)


@pytest.fixture
def signed(made: Small) -> Small:
    estimator = "sklearn.linear_model:LogisticRegression"
    job = TrainingJob(made.dataset, [0], made.recipe, estimator, f"{made.folder}/signed", signing_key=KEY)
    return replace(made, model=train(job).ref)


def test_a_model_below_a_trusted_uri_is_taken_and_another_is_not(made: Small) -> None:
    inside = Trust(prefixes=(Location(f"file://{made.folder}/model/"), Location("s3://elsewhere", "aws")))
    assert resolve(made.model.uri, ModelAccess(trust=inside)) == made.model
    refused = [(Location(prefix),) for prefix in ("s3://models/", f"{made.folder}/mod", f"{made.folder}/model/x")]
    for prefixes in (*refused, (), (Location(f"{made.folder}/model", "aws"),)):
        with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
            resolve(made.model.uri, ModelAccess(trust=Trust(prefixes=prefixes)))


def test_a_trusted_uri_is_trusted_through_its_connection_only() -> None:
    trust = Trust(prefixes=(Location("s3://models/wta", "ours"),))
    for uri in ("s3://models/wta/v1", "s3a://models/wta/v1"):
        trust.check_place(Location(uri, "ours"))
    for uri, conn_id in (
        ("s3://models/wta/v1", "theirs"),
        ("s3://models/wta/v1", None),
        ("gs://models/wta/v1", "ours"),
    ):
        with pytest.raises(ModelError, match=r"lies below none of the trusted URIs \(s3://models/wta by ours\)"):
            trust.check_place(Location(uri, conn_id))


@pytest.mark.parametrize(
    "where",
    [
        "{folder}/trusted/../model/{version}",
        "{folder}/trusted/%2e%2E/model/{version}",
        "{folder}/trusted/x%2F..%2F..%2Fmodel/{version}",
        "{folder}/trusted/%252e%252e/model/{version}",
        "{folder}//model/{version}",
        "{folder}/model/./{version}",
        "{folder}/trusted\\..\\model/{version}",
        "{folder}/trusted/../model@champion",
        "{folder}/trusted/..@champion",
        "{folder}/model/{version}/..",
    ],
)
@pytest.mark.parametrize("prefixes", [None, "trusted"])
def test_a_reference_that_leads_elsewhere_than_it_says_is_refused(
    made: Small, where: str, prefixes: str | None
) -> None:
    Path(made.folder, "trusted").mkdir()
    set_alias(f"{made.folder}/model", "champion", made.model, 1)
    uri = where.format(folder=made.folder, version=made.model.version)
    trust = Trust(prefixes=None if prefixes is None else (Location(f"{made.folder}/trusted"),))
    for model in (uri, GivenModel(uri, made.model.digest)):
        with pytest.raises((InputError, ModelError), match="decoded|is not usable"):
            resolve(model, ModelAccess(trust=trust))
    if "@" not in uri:
        with pytest.raises(InputError, match="decoded"):
            ModelRef(uri, made.model.digest)


def test_the_models_of_partitions_are_those_that_their_values_name(made: Small) -> None:
    set_alias(f"{made.folder}/model", "champion", made.model, 1)
    for value in ("..", ".", "", "%2e%2e", "x%2F..%2Fmodel"):
        with pytest.raises(InputError, match="decoded"):
            choose({"p": f"{made.folder}/{value}/model@champion"}, ModelPolicy(missing="skip", damaged="skip"))
    shutil.copytree(f"{made.folder}/model", f"{made.folder}/t%2F1")
    models = models_of(f"{made.folder}/{{sensor}}@champion")
    assert models["t%2F1"] == f"{made.folder}/t%2F1@champion"
    chosen = choose(models, ModelPolicy())["t%2F1"].model
    assert chosen is not None
    assert chosen.uri == f"{made.folder}/t%2F1/{made.model.version}"


def test_a_name_is_filled_with_values_and_nothing_of_python() -> None:
    assert filled("s3://m/{device}/{sensor}@champion", {"device": "{sensor}", "sensor": "7"}) == (
        "s3://m/{sensor}/7@champion"
    )
    for name in ("s3://m/{device.__class__}", "s3://m/{device!r}", "s3://m/{0}", "s3://m/{"):
        assert filled(name, {"device": "7"}) == name


def test_a_signed_model_is_taken_with_its_key_only(signed: Small) -> None:
    needed = Trust(key=KEY, require_signature=True)
    assert resolve(signed.model.uri, ModelAccess(trust=needed)) == signed.model
    with pytest.raises(ModelError, match="the signature does not fit"):
        resolve(signed.model.uri, ModelAccess(trust=Trust(key=b"another key")))
    with pytest.raises(ModelError, match="there is no key"):
        resolve(signed.model.uri, ModelAccess(trust=Trust(require_signature=True)))
    assert "operators" not in repr(needed)


def test_a_model_without_a_signature_is_refused_where_one_is_required(made: Small) -> None:
    assert resolve(made.model.uri, ModelAccess(trust=Trust(key=KEY))) == made.model
    with pytest.raises(ModelError, match="is not signed and was not loaded"):
        resolve(made.model.uri, ModelAccess(trust=Trust(key=KEY, require_signature=True)))


def _payload(mark: Path) -> str:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(mark),)

    return base64.b64encode(pickle.dumps(Payload())).decode()


def _swap_manifest(data: Small, mark: Path) -> None:
    """Put a recipe into ``model.json`` that does something when it is loaded."""
    path = Path(data.model.uri) / "model.json"
    value = json.loads(path.read_text())
    value["recipe"]["features"] = {"path": "m:f", "pickled": _payload(mark), "digest": "0" * 64}
    path.write_text(json.dumps(value))


def test_a_swapped_manifest_of_a_signed_model_runs_nothing(signed: Small, tmp_path: Path) -> None:
    _swap_manifest(signed, tmp_path / "mark")
    with pytest.raises(ModelError, match="the signature does not fit"):
        resolve(signed.model.uri, ModelAccess(trust=Trust(key=KEY)))
    assert not (tmp_path / "mark").exists()


def test_a_manifest_that_is_swapped_after_the_plan_runs_nothing(made: Small, tmp_path: Path) -> None:
    made.add(1, good_rows(20))
    _swap_manifest(made, tmp_path / "mark")
    with pytest.raises(ModelError, match="model.json is not the one that the run pinned"):
        made.score(1)
    assert not (tmp_path / "mark").exists()


def test_a_plan_that_names_another_model_is_refused(signed: Small, made: Small) -> None:
    """XComs can be written by those who may not write the configuration."""
    trust = Trust(prefixes=(Location(f"{made.folder}/signed"),), key=KEY, require_signature=True)
    require_trusted(signed.model, trust)
    for forged in (
        made.model,
        replace(signed.model, digest="0" * 64),
        replace(signed.model, manifest_digest="0" * 64),
        replace(signed.model, manifest_digest=None),
    ):
        with pytest.raises(ModelError):
            require_trusted(forged, trust)


def test_an_alias_cannot_lead_out_of_its_model(made: Small) -> None:
    set_alias(f"{made.folder}/model", "champion", made.model, 1)
    path = Path(made.folder, "model", "aliases", "champion.json")
    for version in ("../model/x", "..", "/etc", "a/b", ""):
        path.write_text(json.dumps({"version": version, "digest": made.model.digest}))
        with pytest.raises(ModelError, match="is not usable"):
            resolve(f"{made.folder}/model@champion")
    path.write_text(json.dumps({"version": made.model.version, "digest": "0" * 64}))
    with pytest.raises(ModelError, match="was pinned"):
        resolve(f"{made.folder}/model@champion")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"digest": 1}', "\x00"])
def test_a_manifest_that_is_none_is_said_to_be_damaged(made: Small, text: str) -> None:
    Path(made.model.uri, "model.json").write_text(text)
    with pytest.raises(ModelError, match="it was altered or damaged"):
        resolve(made.model.uri)


@pytest.mark.parametrize("where", ["other/{version}", "signed/v2"])
def test_a_signed_version_that_is_copied_elsewhere_is_refused(signed: Small, where: str) -> None:
    copy = Path(signed.folder, where.format(version=signed.model.version))
    shutil.copytree(signed.model.uri, copy)
    for require in (True, False):
        with pytest.raises(ModelError, match="the signature does not fit model.json at this place.*copied"):
            resolve(str(copy), ModelAccess(trust=Trust(key=KEY, require_signature=require)))


def test_a_signature_holds_however_its_place_is_spelled(signed: Small) -> None:
    trust = Trust(key=KEY, require_signature=True)
    for uri in (signed.model.uri, f"file://{signed.model.uri}", f"{signed.model.uri}/"):
        assert resolve(uri, ModelAccess(trust=trust)).manifest_digest == signed.model.manifest_digest
    assert sign(KEY, "s3a://models/wta/1/", b"{}") == sign(KEY, "s3://models/wta/1", b"{}")
    others = ["s3://models/wta/2", "s3://models/atp/1", "gs://models/wta/1", "/models/wta/1"]
    assert len({sign(KEY, uri, b"{}") for uri in ["s3://models/wta/1", *others]}) == 5


def _uploaded(data: Small) -> Path:
    """A version that somebody else wrote, outside of the model's folder."""
    theirs = data.folder / "uploads" / data.model.version
    shutil.copytree(data.model.uri, theirs)
    return theirs


def test_a_link_to_a_version_outside_of_the_trusted_folder_is_not_followed(made: Small) -> None:
    Path(made.folder, "model", "v2").symlink_to(_uploaded(made))
    with pytest.raises(InputError, match="is a link, or lies behind one, to .*uploads.*and was not read"):
        resolve(f"{made.folder}/model/v2")
    with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
        resolve(f"{made.folder}/model/v2", ModelAccess(trust=Trust(prefixes=(Location(f"{made.folder}/model"),))))
    with pytest.raises(InputError, match="is a link"):
        artifact.load(ModelRef(f"{made.folder}/model/v2", made.model.digest))
    with pytest.raises(InputError, match="is a link"):
        set_alias(f"{made.folder}/model", "champion", ModelRef(f"{made.folder}/model/v2", made.model.digest), 2)


def test_a_whole_model_that_is_a_link_out_of_the_trusted_folder_is_not_followed(made: Small) -> None:
    theirs, trusted = _uploaded(made), Path(made.folder, "trusted")
    trusted.mkdir()
    (trusted / "wta").symlink_to(theirs.parent)
    with pytest.raises(ModelError, match="lies below none of the trusted URIs"):
        resolve(f"{trusted}/wta/{theirs.name}", ModelAccess(trust=Trust(prefixes=(Location(str(trusted)),))))


@pytest.mark.parametrize("name", ["model.json", "model-*.joblib"])
def test_a_file_that_is_swapped_for_a_link_is_not_loaded_on_a_worker(made: Small, name: str) -> None:
    ref = resolve(made.model.uri)
    theirs, (mine,) = _uploaded(made), Path(made.model.uri).glob(name)
    mine.unlink()
    mine.symlink_to(theirs / mine.name)
    for use in (artifact.load, artifact.verify):
        with pytest.raises(InputError, match="is a link"):
            use(ref)


def test_an_alias_that_is_a_link_to_another_models_is_not_followed(made: Small) -> None:
    _uploaded(made)
    set_alias(f"{made.folder}/uploads", "champion", ModelRef(f"{made.folder}/uploads/{made.model.version}", "0"), 1)
    pointer = Path(made.folder, "model", "aliases", "champion.json")
    pointer.parent.mkdir()
    pointer.symlink_to(Path(made.folder, "uploads", "aliases", "champion.json"))
    with pytest.raises(InputError, match="is a link"):
        resolve(f"{made.folder}/model@champion")


def test_links_above_a_trusted_folder_are_the_operators_own(made: Small) -> None:
    mount = Path(made.folder, "mount")
    mount.symlink_to(made.folder)
    trust = Trust(prefixes=(Location(f"{mount}/model"),))
    found = resolve(f"{mount}/model/{made.model.version}", ModelAccess(trust=trust))
    assert artifact.load(found).manifest.digest == made.model.digest


def test_the_signature_lies_beside_the_manifest(signed: Small) -> None:
    (file,) = Path(signed.model.uri).glob("model-*.hmac")
    assert len(file.read_text()) == 64


def test_a_prefix_without_its_connection_is_refused() -> None:
    with pytest.raises(ModelError, match=r"give a Location\(uri, conn_id\), not \('s3', 's3://models'\)"):
        Trust(prefixes=(("s3", "s3://models"),))  # type: ignore[arg-type]
