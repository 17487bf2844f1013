"""What Airflow's configuration says of the models that may be loaded."""

from __future__ import annotations

from airflow.sdk import BaseHook, conf

from airflow_batchscore.model.trust import Trust

SECTION = "batchscore"


def configured_trust() -> Trust:
    """``[batchscore]``: ``trusted_model_uris``, ``signing_conn_id``, ``require_signature`` and ``trusted_types``."""
    conn_id = conf.get(SECTION, "signing_conn_id", fallback="") or ""
    key = BaseHook.get_connection(conn_id).password if conn_id else None
    return Trust(
        prefixes=_words("trusted_model_uris"),
        key=key.encode() if key else None,
        require_signature=conf.getboolean(SECTION, "require_signature", fallback=False),
        types=_words("trusted_types"),
    )


def _words(option: str) -> tuple[str, ...]:
    return tuple((conf.get(SECTION, option, fallback="") or "").replace(",", " ").split())
