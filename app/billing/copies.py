"""What fees, entries and bills keep of what was posted and billed."""

from __future__ import annotations

from app.core.copies import Copy, keeps

_BILLED = ("a bill issued", "a bill credited")

DRAWN = keeps(Copy(
    "arrangement.drawn", "what drafts and standing bills take of a fee",
    ("a fee drafted", "a line lowered", "a draft taken apart", *_BILLED),
    "app.billing.commands.fees.keep_drawn", "billing.fees",
))
WRITTEN = keeps(Copy(
    "time_entry.written", "what is written on or off an entry, by its postings",
    ("time written off", "time written up", "a write-off taken back", *_BILLED),
    "app.timekeeping.commands.figures.settle", "billing.figures_of_items",
))
BILLED = keeps(Copy(
    "time_entry.billed", "what standing bills took of an entry", _BILLED,
    "app.timekeeping.commands.figures.settle", "billing.figures_of_items",
))
OPEN_AMOUNT = keeps(Copy(
    "invoice.open_amount", "what is still owed on a bill, by its postings",
    (*_BILLED, "a payment received", "money taken off a bill", "a payment taken back"),
    "app.billing.commands.settling.settle_invoice", "billing.open_amounts",
))
# What was issued is frozen and no copy; its totals are proven with it.
_DRAFTED = ("a fee drafted", "a line lowered", "a bill drafted again")
NET, TAX = (
    keeps(Copy(
        f"invoice.{each}", f"the {each} of a draft, of its lines; with the other its gross (a constraint)", _DRAFTED,
        "app.billing.commands.totals.recompute", "billing.totals",
    ))
    for each in ("net", "tax")
)
