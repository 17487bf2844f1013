"""Seals for XComs: nobody who may edit XComs can alter a sealed value, and another run's value is refused.

The seal is an HMAC over the value, its purpose, the task instance and the run. Tasks and the API server have the key;
people who may trigger runs do not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence

from airflow.sdk import conf

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.errors import GateError

SECTION = "batchscore"
_FIELD = "seal"
#: What is sealed, and by which operators.
_MAKERS = {
    "model": "TrainOperator, ImportModelOperator or CheckModelOperator",
    "plan": "PlanPartitionsOperator",
    "estimate": "PlanPartitionsOperator(estimate=True)",
    "scores": "ScorePartitionOperator",
    "audit": "CheckScoresOperator",
    "totals": "CheckScoresOperator",
    "publication": "CombineOperator",
}
#: The first one set is the key.
_SECRETS = ((SECTION, "secret"), ("core", "fernet_key"))


def seal(value: JsonMapping, purpose: str, run: str, task_id: str, map_index: int = -1) -> JsonObject:
    """`value` (JSON) with its seal and the task instance that it comes from.

    Args:
        purpose: what it is, such as ``"plan"``; a value sealed for one purpose is refused for another.
        run: ``<dag_id>/<run_id>``.
        map_index: -1 for a task that is not mapped.

    Raises:
        GateError: there is no key.
    """
    value = {**value, "task": [task_id, map_index]}
    return {**value, _FIELD: _digest(_keys()[0], value, purpose, run)}


def unseal(
    argument: str,
    value: object,
    purpose: str,
    run: str,
    task_ids: Collection[str] | None = None,
    map_index: int | None = None,
) -> JsonObject:
    """What was sealed, without the seal.

    Args:
        argument: the argument that received `value`, for the message.
        task_ids: tasks it may come from; None for any task of the run.
        map_index: instance it may come from; None for any.

    Raises:
        GateError: `value` is not what such a task of the run returned.
    """
    needed = f"this must be what {_MAKERS[purpose]} returned in this run"
    if not isinstance(value, Mapping):
        if isinstance(value, Sequence) and not isinstance(value, str):
            raise GateError(f"{argument}: {needed}, and it is a list; expand over the list, one item per task")
        raise GateError(f"{argument}: {needed}, and it is {str(value)[:100]!r}")
    bare = {name: item for name, item in value.items() if name != _FIELD}
    if _fits(value, bare, purpose, run):
        task_id, index = bare["task"]
        if (task_ids is None or task_id in task_ids) and map_index in (None, index):
            return bare
        raise GateError(f"{argument}: the DAG names another task; this comes from {task_id} (map index {index})")
    other = next((other for other in _MAKERS if _fits(value, bare, other, run)), None)
    if other is not None:
        raise GateError(f"{argument}: {needed}, and it is what {_MAKERS[other]} returned")
    raise GateError(
        f"{argument}: {needed}, and its seal does not match: it comes from another run or was changed on the way. "
        "Nothing of it was used. Pass on exactly what the task returned. If the DAG does, the workers have different "
        "keys (give all of them the same [batchscore] secret), or somebody edited the XCom: find out who, and clear "
        "the task before this one"
    )


def _fits(value: JsonMapping, bare: JsonMapping, purpose: str, run: str) -> bool:
    given = str(value.get(_FIELD)).encode(errors="replace")
    return any(hmac.compare_digest(given, _digest(key, bare, purpose, run).encode()) for key in _keys())


def _digest(key: bytes, value: JsonMapping, purpose: str, run: str) -> str:
    text = json.dumps([purpose, run, value], sort_keys=True, separators=(",", ":"), default=repr)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def require_key() -> None:
    """Raises GateError if there is no key, before a task works for an hour."""
    _keys()


def _keys() -> list[bytes]:
    """The key that seals, and older keys that still unseal: during a key rotation both are listed."""
    given = (conf.get(section, option, fallback="") or "" for section, option in _SECRETS)
    # An unset option may be the name of a placeholder in Airflow's own defaults, which everybody knows.
    secret = next((text for text in given if text and not text.startswith("{")), "")
    secrets = [each.strip() for each in secret.split(",") if each.strip()]
    if not secrets:
        raise GateError(
            "there is no key to seal what tasks return: set [batchscore] secret (or [core] fernet_key) to the "
            "same random text for the workers and the API server"
        )
    # Never the configured key itself, which also encrypts connections.
    return [hmac.new(each.encode(), b"airflow_batchscore: seals of XComs", hashlib.sha256).digest() for each in secrets]
