from __future__ import annotations

import pytest

from airflow_batchscore.errors import InputError
from airflow_batchscore.operators.places import configured
from airflow_batchscore.operators.trust import configured_trust

pytestmark = pytest.mark.unit


def test_without_configuration_there_is_no_key() -> None:
    trust = configured_trust()
    assert (trust.prefixes, trust.key, trust.require_signature) == (None, None, False)


def test_a_key_that_is_none_does_not_go_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SIGNING_CONN_ID", "signing")
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", '{"conn_type": "generic"}')
    with pytest.raises(InputError, match="signing_conn_id=signing: the connection has no password"):
        configured_trust()


def test_the_configuration_names_places_and_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__TRUSTED_MODEL_URIS", "s3://models/, prod@s3://models/ /srv/a@b/models")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__SIGNING_CONN_ID", "signing")
    monkeypatch.setenv("AIRFLOW__BATCHSCORE__REQUIRE_SIGNATURE", "True")
    monkeypatch.setenv("AIRFLOW_CONN_SIGNING", '{"conn_type": "generic", "password": "the key"}')
    places = configured("trusted_model_uris")
    assert places == (("aws_default", "s3://models/"), ("prod", "s3://models/"), (None, "/srv/a@b/models"))
    trust = configured_trust(places)
    assert trust.prefixes == places
    assert trust.key == b"the key"
    assert trust.require_signature
