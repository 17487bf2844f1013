"""What a task hands on through XCom, sealed: whoever may edit XComs cannot alter it, and another run's does not fit.

The seal is an HMAC of the value, of what it is for, of the task instance and of the run. Its key is one that tasks and
the API server have and that people who may trigger runs do not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow.sdk import conf

from airflow_batchscore.errors import GateError

SECTION = "batchscore"
_FIELD = "seal"
#: What is sealed, and who seals it.
_MAKERS = {
    "model": "TrainOperator, ImportModelOperator or CheckModelOperator",
    "plan": "PlanPartitionsOperator",
    "scores": "ScorePartitionOperator",
    "audit": "CheckScoresOperator",
    "publication": "CombineOperator",
}
#: The first that is set is the key.
_SECRETS = ((SECTION, "secret"), ("core", "fernet_key"))


def seal(value: Mapping[str, Any], purpose: str, run: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
    """`value` (JSON) with its seal, and the task instance that it is from.

    Args:
        purpose: what it is, such as ``"plan"``; a value that was sealed for one purpose does not serve another.
        run: ``<dag_id>/<run_id>``.
        map_index: -1 of a task that is not mapped.

    Raises:
        GateError: there is no key.
    """
    value = {**value, "task": [task_id, map_index]}
    return {**value, _FIELD: _digest(_keys()[0], value, purpose, run)}


def unseal(
    argument: str,
    value: Any,
    purpose: str,
    run: str,
    task_ids: Collection[str] | None = None,
    map_index: int | None = None,
) -> dict[str, Any]:
    """What was sealed, without the seal.

    Args:
        argument: what was given `value`, for the message.
        task_ids: of the tasks that it may be from; None for any of the run.
        map_index: of the instance that it may be from; None for any.

    Raises:
        GateError: `value` is not what such a task of the run returned.
    """
    needed = f"what {_MAKERS[purpose]} returned in this run is needed here"
    if not isinstance(value, Mapping):
        several = isinstance(value, Sequence) and not isinstance(value, str)
        what = "a list, and one item of it" if several else f"{str(value)[:100]!r}, and"
        raise GateError(f"{argument}: this is {what} {needed}{'; expand over the list' if several else ''}")
    bare = {name: item for name, item in value.items() if name != _FIELD}
    if _fits(value, bare, purpose, run):
        task_id, index = bare["task"]
        if (task_ids is None or task_id in task_ids) and map_index in (None, index):
            return bare
        raise GateError(f"{argument}: this is from another task than the DAG says, {task_id} (map index {index})")
    other = next((other for other in _MAKERS if _fits(value, bare, other, run)), None)
    if other is not None:
        raise GateError(f"{argument}: this is what {_MAKERS[other]} returned, and {needed}")
    raise GateError(
        f"{argument}: {needed}, and the seal of this does not fit: it is another run's, or was altered on its way. "
        "Nothing of it was used. Hand on what the task returned, as it is. If that is so, workers have different keys "
        "(give all the same [batchscore] secret), or somebody edited the XCom: find out who, and clear the task before"
    )


def _fits(value: Mapping[str, Any], bare: Mapping[str, Any], purpose: str, run: str) -> bool:
    given = str(value.get(_FIELD)).encode(errors="replace")
    return any(hmac.compare_digest(given, _digest(key, bare, purpose, run).encode()) for key in _keys())


def _digest(key: bytes, value: Mapping[str, Any], purpose: str, run: str) -> str:
    text = json.dumps([purpose, run, value], sort_keys=True, separators=(",", ":"), default=repr)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def require_key() -> None:
    """Raises GateError where there is no key: said before a task works for an hour."""
    _keys()


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
