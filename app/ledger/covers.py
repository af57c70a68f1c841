"""What the events of a unit of work vouch for of what it posted, and for rates and closings."""

from __future__ import annotations

from app.activity.covers import LEDGER, Cover, Part, cover
from app.firm.models import Entity
from app.ledger.models import Closing, ExchangeRate, LedgerTransaction, Posting, RateFile

TRANSACTION_1 = (
    "by_id", "exchange_rate_id", "happened_on", "id", "kind", "made_at", "posted_on", "reason", "reverses_id",
    "source_id", "source_kind", "xid",
)  # fmt: skip
POSTING_1 = (
    "account", "aged_on", "amount", "base_amount", "base_rate", "book", "client_id", "currency", "engagement_id",
    "entity_id", "invoice_id", "item_id", "line", "payment_id", "transaction_id",
)  # fmt: skip
RATE_1 = (
    "base", "currency", "entered_by", "file_id", "from_on", "id", "made_from", "rate", "source", "via",
    "withdrawn_at", "withdrawn_by",
)  # fmt: skip
RATE_OF_FILE_1 = (
    "base", "currency", "entered_by", "file_id", "from_on", "id", "made_from", "rate", "source", "via",
)  # fmt: skip
RATE_FILE_1 = ("added", "content", "file_name", "id", "sent_at", "sent_by", "taken_at", "wanted")

POSTED = cover(
    Cover(
        kind=LEDGER,
        version=1,
        called="transaction",
        model=LedgerTransaction,
        columns=TRANSACTION_1,
        name="x.id::text",
        fixed=True,
        parts=(Part(Posting, POSTING_1, "FROM posting p WHERE p.transaction_id = x.id", "p.line"),),
    )
)
cover(
    Cover(
        kind="exchange_rate",
        version=1,
        called="exchange rate",
        model=ExchangeRate,
        columns=RATE_1,
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
        columns=RATE_FILE_1,
        name="x.file_name",
        where="x.taken_at IS NOT NULL",
        parts=(
            Part(
                ExchangeRate,
                RATE_OF_FILE_1,
                "FROM exchange_rate p WHERE p.file_id = x.id",
                "p.id",
                left_out=dict.fromkeys(("withdrawn_at", "withdrawn_by"), "told of by the rate itself"),
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
        parts=(
            Part(
                Closing,
                ("closed_at", "closed_by", "closed_through", "entity_id"),
                "FROM closing p WHERE p.entity_id = x.id",
                "p.closed_through",
            ),
        ),
    )
)
