"""Every row read is scored, skipped or in quarantine, or the account is off."""

from __future__ import annotations

import pytest

from airflow_batchscore.errors import ScoringError
from airflow_batchscore.quality.accounting import Account

pytestmark = pytest.mark.unit


def test_accounts_add_up() -> None:
    total = sum([Account(5, 3, 1, 1), Account(2, 2, 0, 0)], Account())
    assert total == Account(7, 5, 1, 1)
    assert Account.from_dict(total.check("x").to_dict()) == total


@pytest.mark.parametrize("account", [Account(5, 3, 1, 0), Account(5, 5, 1, -1), Account(0, 0, 0, 1)])
def test_a_row_that_is_not_accounted_for_fails(account: Account) -> None:
    with pytest.raises(ScoringError, match="partition p=1: the account is off"):
        account.check("partition p=1")
