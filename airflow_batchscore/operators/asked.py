"""What a page asked of a scoring task before it cleared it: to score all of it again, or what is in quarantine."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_batchscore.operators.task_store import TaskStore
from airflow_batchscore.publish.progress import FORCE_KEY, REPLAY_KEY

#: A name of a request is at most so long; what comes after that is ignored.
_NAME_LENGTH = 200


@dataclass(frozen=True)
class Asked:
    """The requests of a scoring task.

    Attributes:
        force: name of the request to score again; None if there is none.
        replay: name of the request to score what is in quarantine again; None if there is none.
    """

    force: str | None
    replay: str | None

    @classmethod
    def of(cls, store: TaskStore) -> Asked:
        """What was asked, by anybody who may clear the task: a name, and nothing else, is taken from there."""
        return cls(_name(store, FORCE_KEY), _name(store, REPLAY_KEY))

    def done(self, store: TaskStore) -> None:
        """Forget what was asked, once everything is committed; a request that came meanwhile stays."""
        for key, name in ((FORCE_KEY, self.force), (REPLAY_KEY, self.replay)):
            if name is not None and _name(store, key) == name:
                store.delete(key)


def _name(store: TaskStore, key: str) -> str | None:
    value = store.get(key)
    return None if value is None else str(value)[:_NAME_LENGTH]
