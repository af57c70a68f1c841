"""What the events of a unit of work vouch for of what it posted: every column of it."""

from __future__ import annotations

from app.activity.covers import LEDGER, Cover, Part, all_but, cover
from app.firm.models import Entity
from app.ledger.models import Closing, ExchangeRate, LedgerTransaction, Posting, RateFile

POSTED = cover(
    Cover(
        kind=LEDGER,
        version=1,
        called="transaction",
        model=LedgerTransaction,
        columns=all_but(LedgerTransaction),
        name="x.id::text",
        fixed=True,
        parts=(
            Part(
                Posting,
                all_but(Posting),
                "FROM posting p WHERE p.transaction_id = x.id",
                "p.line",
            ),
        ),
    )
)
cover(
    Cover(
        kind="exchange_rate",
        version=1,
        called="exchange rate",
        model=ExchangeRate,
        columns=all_but(ExchangeRate),
        name="x.currency || ' in ' || x.base || ' from ' || x.from_on",
        whole=False,
    )
)
# The rates of a file, which may be thousands, are told of by it; whether one was withdrawn, by itself.
cover(
    Cover(
        kind="rate_file",
        version=1,
        called="file of exchange rates",
        model=RateFile,
        columns=all_but(RateFile),
        name="x.file_name",
        where="x.taken_at IS NOT NULL",
        parts=(
            Part(
                ExchangeRate,
                all_but(ExchangeRate, "withdrawn_at", "withdrawn_by"),
                "FROM exchange_rate p WHERE p.file_id = x.id",
                "p.id",
            ),
        ),
    )
)
# Through which day the books of an entity are closed, and by whom.
cover(
    Cover(
        kind="closing",
        version=1,
        called="closing of the books of",
        model=Entity,
        columns=("id",),
        name="x.name",
        where="EXISTS (SELECT FROM closing c WHERE c.entity_id = x.id)",
        parts=(Part(Closing, all_but(Closing), "FROM closing p WHERE p.entity_id = x.id", "p.closed_through"),),
    )
)
