"""What the ledger does by itself: the many changes of an account's sums become one row a month."""

from __future__ import annotations

from app.core.actors import SYSTEM
from app.core.queue import NOW, background
from app.ledger.commands import gather_account_balances


@background("ledger.gather", every=60, queue=NOW, seconds=600)
def gather() -> None:
    gather_account_balances(by=SYSTEM)
