"""What a task hands on through XCom, sealed: whoever may edit XComs cannot alter it, and another run's does not fit.

The seal is an HMAC of the value, of what it is for, of the task and of the run. Its key is one that tasks and the API
server have and that people who may trigger runs do not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from typing import Any

from airflow.sdk import conf

from airflow_batchscore.errors import GateError

SECTION = "batchscore"
_FIELD = "seal"
#: The first that is set is the key.
_SECRETS = ((SECTION, "secret"), ("core", "fernet_key"), ("api_auth", "jwt_secret"))


def seal(value: Mapping[str, Any], purpose: str, run: str, task_id: str) -> dict[str, Any]:
    """`value` (JSON) with its seal, and the task that it is from.

    Args:
        purpose: what it is, such as ``"plan"``; a value that was sealed for one purpose does not serve another.
        run: ``<dag_id>/<run_id>``.

    Raises:
        GateError: there is no key.
    """
    value = {**value, "task": task_id}
    return {**value, _FIELD: _digest(_keys()[0], value, purpose, run)}


def unseal(value: Any, purpose: str, run: str, task_ids: Collection[str] | None = None) -> dict[str, Any]:
    """What was sealed, without the seal.

    Args:
        task_ids: of the tasks that it may be from; None for any of the run.

    Raises:
        GateError: `value` is not what such a task of the run returned.
    """
    given = value.get(_FIELD) if isinstance(value, Mapping) else None
    if isinstance(given, str):
        bare = {name: item for name, item in value.items() if name != _FIELD}
        fits = any(hmac.compare_digest(given.encode(), _digest(key, bare, purpose, run).encode()) for key in _keys())
        if fits and (task_ids is None or bare["task"] in task_ids):
            return bare
    raise GateError(
        f"what should be the {purpose} of the run {run} was altered on its way here, or is of another run or task: its "
        "seal does not fit. Nothing of it was used. Hand on what the task before returned, as it is. If that is so, "
        "workers have different keys (give all the same [batchscore] secret), or somebody edited the XCom: find out "
        "who, and clear the task before"
    )


def _digest(key: bytes, value: Mapping[str, Any], purpose: str, run: str) -> str:
    text = json.dumps([purpose, run, value], sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _keys() -> list[bytes]:
    """The key that seals, and those before it that still open: of a key that is being changed, both are listed."""
    given = (conf.get(section, option, fallback="") or "" for section, option in _SECRETS)
    # What nobody has set can be the name of a placeholder in Airflow's own defaults, which everybody knows.
    secret = next((text for text in given if text and not text.startswith("{")), "")
    secrets = [each.strip() for each in secret.split(",") if each.strip()]
    if not secrets:
        raise GateError(
            "there is no key to seal with what tasks hand on: set [batchscore] secret (or [core] fernet_key) to the "
            "same random text for the workers and the API server"
        )
    # Never the configured key itself, which also encrypts connections.
    return [hmac.new(each.encode(), b"airflow_batchscore: seals of XComs", hashlib.sha256).digest() for each in secrets]
