"""Acts of tampering by somebody who owns the database and the storage, and the proof that names each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from app.activity.commands import SEAL_COLUMNS, canonical, link_hash, payload_hash
from app.activity.models import Event, EventSeal
from app.core.db import db
from app.core.storage import storage
from app.exchange.anchors import key_of, stored_anchors
from app.timekeeping.models import TimeEntry
from tests.tampering.firm import House
from tests.timekeeping.make_time import leave_a_rest


@dataclass(frozen=True)
class Act:
    """`do` is SQL (several statements allowed) or a function; one of `named_by` must say it, in these words."""

    name: str
    do: tuple[str, ...] | Callable[[House], None]
    named_by: str
    words: str = ""


ONE = "(SELECT id FROM ledger_transaction WHERE source_id = :bill1 AND kind = 'issued')"
PAID = "(SELECT id FROM ledger_transaction WHERE source_id = :payment1 AND kind = 'paid')"
RECORDED = "(SELECT id FROM ledger_transaction WHERE source_id = :entry1 AND kind = 'recorded')"

LEDGER = [
    Act("another account in balance", (f"UPDATE posting SET account = 'recovered' WHERE transaction_id = {ONE} "
                                       "AND account = 'revenue'",), "ledger.told", "is not what it was"),
    Act("posted on another day", (f"UPDATE ledger_transaction SET posted_on = posted_on + 1 WHERE id = {ONE}",),
        "ledger.told"),
    Act("happened on another day", (f"UPDATE ledger_transaction SET happened_on = happened_on - 1 WHERE id = {ONE}",),
        "ledger.told"),
    Act("another reason", ("UPDATE ledger_transaction SET reason = 'As agreed' WHERE source_id = :bounced",),
        "ledger.told"),
    Act("another author", (f"UPDATE ledger_transaction SET by_id = :sam WHERE id = {ONE}",), "ledger.told"),
    Act("no author", (f"UPDATE ledger_transaction SET by_id = NULL WHERE id = {ONE}",), "ledger.told"),
    Act("made at another time", (f"UPDATE ledger_transaction SET made_at = made_at - interval '9 days' "
                                 f"WHERE id = {ONE}",), "ledger.told"),
    Act("another kind", (f"UPDATE ledger_transaction SET kind = 'repriced' WHERE id = {RECORDED}",), "ledger.told"),
    Act("from another source", (f"UPDATE ledger_transaction SET source_id = :bill2 WHERE id = {ONE}",), "ledger.told"),
    Act("both amounts of a transaction doubled", (
        f"UPDATE posting SET amount = amount * 2, base_amount = base_amount * 2 WHERE transaction_id = {ONE}",
        "UPDATE balance SET amount = s.amount FROM (SELECT client_id, coalesce(engagement_id, "
        "'00000000-0000-0000-0000-000000000000') AS engagement_id, account, currency, aged_on, sum(amount) AS amount "
        "FROM posting WHERE account IN ('wip', 'receivable', 'credit') GROUP BY 1, 2, 3, 4, 5) s "
        "WHERE (s.client_id, s.engagement_id, s.account, s.currency, s.aged_on) = (balance.client_id, "
        "balance.engagement_id, balance.account, balance.currency, balance.aged_on)"), "ledger.told"),
    Act("base amounts at another rate", (f"UPDATE posting SET base_amount = base_amount * 2, base_rate = 2 "
                                         f"WHERE transaction_id = {ONE}",), "ledger.told"),
    Act("another currency", (f"UPDATE posting SET currency = 'EUR' WHERE transaction_id = {PAID}",), "ledger.told"),
    Act("another client", (f"UPDATE posting SET client_id = :rival WHERE transaction_id = {PAID}",), "ledger.told"),
    Act("another engagement", (f"UPDATE posting SET engagement_id = NULL WHERE transaction_id = {ONE} "
                               "AND account = 'revenue'",), "ledger.told"),
    Act("for another bill", (f"UPDATE posting SET invoice_id = :bill2 WHERE transaction_id = {ONE}",), "ledger.told"),
    Act("for another payment", (f"UPDATE posting SET payment_id = :over WHERE transaction_id = {PAID}",),
        "ledger.told"),
    Act("for another entry", (f"UPDATE posting SET item_id = :open_entry WHERE transaction_id = {RECORDED}",),
        "ledger.told"),
    Act("aged from another day", (f"UPDATE posting SET aged_on = aged_on + 40 WHERE transaction_id = {ONE} "
                                  "AND account = 'receivable'",), "ledger.told"),
    Act("a transaction deleted", (f"DELETE FROM posting WHERE transaction_id = {ONE}",
                                  "DELETE FROM ledger_transaction WHERE source_id = :bill1 AND kind = 'issued'"),
        "ledger.told", "is gone"),
    Act("a balanced transaction added", (
        "INSERT INTO ledger_transaction (kind, posted_on, happened_on, source_kind, source_id, reason, by_id) "
        "SELECT kind, posted_on, happened_on, source_kind, source_id, reason, by_id FROM ledger_transaction "
        "WHERE source_id = :bill1 AND kind = 'issued'",
        "INSERT INTO posting (transaction_id, line, entity_id, book, account, amount, currency, base_amount, "
        "base_rate, aged_on) SELECT (SELECT max(id) FROM ledger_transaction), n, :entity, 'office', "
        "CASE n WHEN 1 THEN 'bank' ELSE 'revenue' END, CASE n WHEN 1 THEN 5 ELSE -5 END, 'GBP', "
        "CASE n WHEN 1 THEN 5 ELSE -5 END, 1, CURRENT_DATE FROM generate_series(1, 2) n"),
        "ledger.told", "no event tells of it"),
    Act("a line more in a transaction, and one less", (
        f"UPDATE posting SET amount = amount - 1, base_amount = base_amount - 1 WHERE transaction_id = {ONE} "
        "AND line = 1",
        f"UPDATE posting SET amount = amount + 1, base_amount = base_amount + 1 WHERE transaction_id = {ONE} "
        "AND line = 2"), "ledger.told"),
    Act("a kept balance", ("UPDATE balance SET amount = amount + 1 WHERE client_id = :acme",), "ledger.balances"),
    Act("a kept balance and the sums above it", (
        "UPDATE balance SET amount = amount + 1 WHERE ctid = (SELECT ctid FROM balance WHERE client_id = :acme "
        "AND account = 'wip' ORDER BY aged_on LIMIT 1)",
        "UPDATE account_balance SET amount = amount + 1 WHERE ctid = (SELECT ctid FROM account_balance "
        "WHERE account = 'wip' AND aged_on = (SELECT min(aged_on) FROM balance WHERE client_id = :acme "
        "AND account = 'wip') LIMIT 1)",
        "UPDATE client_balance SET amount = amount + 1 WHERE client_id = :acme AND account = 'wip'"),
        "ledger.balances"),
    Act("a client's kept sum", ("UPDATE client_balance SET amount = amount + 1 WHERE client_id = :acme",),
        "ledger.sums"),
    Act("an exchange rate", ("UPDATE exchange_rate SET rate = 0.9 WHERE id = :rate",), "ledger.told", "exchange rate"),
]
PERIODS = [
    Act("a period reopened", ("DELETE FROM closing WHERE entity_id = :entity",), "ledger.told", "closing"),
    Act("a period closed by another", ("UPDATE closing SET closed_by = :sam WHERE entity_id = :entity",),
        "ledger.told", "closing"),
    Act("a period closed by hand", (
        "INSERT INTO closing (entity_id, closed_through, closed_at, closed_by) VALUES (:entity, "
        "(date_trunc('month', now()) + interval '1 month - 1 day')::date, now(), :pat)",), "ledger.told", "closing"),
]
BILLS = [
    Act("the text of a line", ("UPDATE invoice_line SET description = 'Other work' WHERE invoice_id = :bill1",),
        "billing.told"),
    Act("a tax percent", ("UPDATE invoice_line SET tax_percent = 5 WHERE invoice_id = :bill1",), "billing.told"),
    Act("a line's price", ("UPDATE invoice_line SET unit_price = unit_price * 2, quantity = quantity / 2 "
                             "WHERE invoice_id = :bill1",),
        "billing.told"),
    Act("a line gone and its net on another", (
        "UPDATE invoice_line SET position = position + 5 WHERE invoice_id = :bill1",), "billing.told"),
    Act("the printed facts", ("UPDATE invoice SET facts = jsonb_set(facts, '{buyer,name}', '\"Acne\"') "
                              "WHERE id = :bill1",), "billing.told"),
    Act("the bank that is printed", ("UPDATE invoice SET facts = jsonb_set(facts, '{seller,bank,iban}', '\"GB00\"') "
                                     "WHERE id = :bill3",), "billing.told"),
    Act("the date of a bill", ("UPDATE invoice SET issued_on = issued_on - 1 WHERE id = :bill1",), "billing.told"),
    Act("the day it is due", ("UPDATE invoice SET due_on = due_on + 60 WHERE id = :bill3",), "billing.told"),
    Act("the payer", ("UPDATE invoice SET payer_id = :rival WHERE id = :bill1",), "billing.told"),
    Act("the client", ("UPDATE invoice SET client_id = :rival WHERE id = :bill1",), "billing.told"),
    Act("the note", ("UPDATE invoice SET note = 'Paid in cash' WHERE id = :bill3",), "billing.told"),
    Act("who approved it", ("UPDATE invoice SET approved_by = :sam WHERE id = :bill3",), "billing.told"),
    Act("the reason of a credit note", ("UPDATE invoice SET reason = 'Agreed' WHERE id = :note",), "billing.told"),
    Act("two numbers swapped", (
        "UPDATE invoice SET number = 'x' WHERE id = :bill1",
        "UPDATE invoice SET number = (SELECT facts->>'number' FROM invoice WHERE id = :bill1) WHERE id = :bill3",
        "UPDATE invoice SET number = (SELECT facts->>'number' FROM invoice WHERE id = :bill3) WHERE id = :bill1"),
        "billing.told"),
    Act("voided by hand", ("UPDATE invoice SET state = 'void', open_amount = 0 WHERE id = :bill3",), "billing.told"),
    Act("a void one revived", ("UPDATE invoice SET state = 'sent' WHERE id = :bill2",), "billing.told"),
    Act("sent made unsent", ("UPDATE invoice SET state = 'approved', sent_at = NULL WHERE id = :bill3",),
        "billing.told"),
    Act("its PDF swapped with another's", (
        "UPDATE invoice SET pdf_key = o.pdf_key, pdf_sha256 = o.pdf_sha256 FROM invoice o "
        "WHERE o.id = :bill3 AND invoice.id = :bill1",), "billing.told"),
    Act("its PDF taken off", ("UPDATE invoice SET pdf_key = NULL, pdf_sha256 = NULL WHERE id = :bill1",),
        "billing.told"),
    Act("the first bill of the series deleted", (
        "DELETE FROM invoice_item WHERE invoice_id = :bill1", "DELETE FROM invoice_line WHERE invoice_id = :bill1",
        "DELETE FROM allocation WHERE invoice_id = :bill1",
        "DELETE FROM posting WHERE transaction_id IN (SELECT id FROM ledger_transaction WHERE source_id = :bill1)",
        "DELETE FROM ledger_transaction WHERE source_id = :bill1", "DELETE FROM invoice WHERE id = :bill1"),
        "billing.told", "bill .* is gone"),
    Act("a bill made by hand", (
        "INSERT INTO invoice (id, kind, state, number, entity_id, client_id, payer_id, currency, tax_mode, issued_on, "
        "due_on, terms_days, net, tax, gross, open_amount, note, reason, facts) SELECT gen_random_uuid(), kind, state, "
        "'INV-00099', entity_id, client_id, payer_id, currency, tax_mode, issued_on, due_on, terms_days, 0, 0, 0, 0, "
        "'', '', facts FROM invoice WHERE id = :bill1",), "billing.told", "no event tells of it"),
    Act("what an item was billed at", ("UPDATE invoice_item SET value = value + 1, written = written - 1 "
                                       "WHERE invoice_id = :bill1",), "billing.told"),
    Act("an item of a bill moved to another entry", (
        "UPDATE invoice_item SET item_id = :open_entry WHERE invoice_id = :bill1 AND item_id = :entry1",),
        "billing.told"),
    Act("the value of billed work", ("UPDATE time_entry SET value = value + 5, billed = billed + 5 "
                                     "WHERE id = :entry1",), "billing.told", "work behind bill"),
    Act("the rate of billed work", ("UPDATE time_entry SET rate = rate + 5 WHERE id = :entry1",), "billing.told"),
    Act("the narrative of billed work", ("UPDATE time_entry SET narrative = 'Else' WHERE id = :entry1",),
        "billing.told"),
    Act("the day of billed work", ("UPDATE time_entry SET worked_on = worked_on - 1 WHERE id = :entry1",),
        "billing.told"),
    Act("who did billed work", ("UPDATE time_entry SET person_id = :pat WHERE id = :entry1",), "billing.told"),
    Act("the hours of billed work", ("UPDATE time_entry SET recorded = recorded + 600 WHERE id = :entry1",),
        "billing.told"),
]
PAYMENTS = [
    Act("a payment removed and the sums rebuilt", (
        "DELETE FROM posting WHERE payment_id = :payment1", "DELETE FROM allocation WHERE payment_id = :payment1",
        "DELETE FROM ledger_transaction WHERE source_id = :payment1", "DELETE FROM payment WHERE id = :payment1",
        "UPDATE invoice SET open_amount = gross WHERE id = :bill1"), "billing.told", "payment .* is gone"),
    Act("the day that money came", ("UPDATE payment SET received_on = received_on - 3 WHERE id = :payment1",),
        "billing.told"),
    Act("whose money it was", ("UPDATE payment SET client_id = :rival WHERE id = :payment1",), "billing.told"),
    Act("its reference", ("UPDATE payment SET reference = 'Cash' WHERE id = :payment1",), "billing.told"),
    Act("a bounced payment made good", ("UPDATE payment SET reversed_at = NULL WHERE id = :bounced",), "billing.told"),
    Act("why it was reversed", ("UPDATE payment SET reversed_reason = 'None' WHERE id = :bounced",), "billing.told"),
    Act("allocated to another bill", ("UPDATE allocation SET invoice_id = :rival_bill WHERE payment_id = :payment1",),
        "billing.told"),
    Act("allocated on another day", ("UPDATE allocation SET allocated_on = allocated_on - 9 "
                                     "WHERE payment_id = :payment1",), "billing.told"),
]
DOCUMENTS = [
    Act("a document given to another client", ("UPDATE document SET client_id = :rival WHERE id = :document",),
        "documents.told"),
    Act("a document renamed", ("UPDATE document SET name = 'other.txt' WHERE id = :document",), "documents.told"),
    Act("a document's digest", ("UPDATE document SET sha256 = sha256('other'::bytea) WHERE id = :document",),
        "documents.told"),
    Act("a document deleted", ("DELETE FROM document WHERE id = :document",), "documents.told", "is gone"),
]
EVENTS = [
    Act("an event's author", ("UPDATE event SET actor_id = :sam WHERE subject_id = :bill1 "
                              "AND kind = 'billing.invoice.approve'",), "events.chain"),
    Act("an event's cause", ("UPDATE event SET cause = 'run 1' WHERE subject_id = :payment1",), "events.chain",
        "does not follow"),
    Act("an event's cause taken away", ("UPDATE event SET cause = NULL WHERE subject_id = :payment1",),
        "events.chain", "does not follow"),
    Act("when it happened", ("UPDATE event SET at = at - interval '1 day' WHERE subject_id = :payment1",),
        "events.chain"),
    Act("an event's words", ("UPDATE event_payload SET data = data || '{\"gross\": \"1.00\"}' WHERE event_id = "
                             "(SELECT id FROM event WHERE subject_id = :bill1 AND kind = 'billing.invoice.approve')",),
        "events.chain"),
    Act("a payload deleted", ("DELETE FROM event_payload WHERE event_id = "
                              "(SELECT min(id) FROM event WHERE subject_id = :bill1)",), "events.chain"),
    Act("an event deleted from the middle", (
        "DELETE FROM event_seal WHERE event_id = (SELECT min(id) FROM event WHERE subject_id = :bill1)",
        "DELETE FROM event_payload WHERE event_id = (SELECT min(id) FROM event WHERE subject_id = :bill1)",
        "DELETE FROM event WHERE id = (SELECT min(id) FROM event WHERE subject_id = :bill1)"), "events.chain"),
]
LAST = "(SELECT max(position) FROM event_seal)"


def _end_of_the_log(house: House) -> None:
    house.sql(
        f"CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT event_id FROM event_seal WHERE position > {LAST} - 5",
        "DELETE FROM event_seal WHERE event_id IN (SELECT event_id FROM gone)",
        "DELETE FROM event_payload WHERE event_id IN (SELECT event_id FROM gone)",
        "DELETE FROM event WHERE id IN (SELECT event_id FROM gone)",
    )


def _all_of_the_log(house: House) -> None:
    house.sql("DELETE FROM event_seal", "DELETE FROM event_payload", "DELETE FROM event")
    house.connection.execute(sa.text("DELETE FROM outbox"))


def _written_anew(house: House) -> None:
    """An event changed, its payload's hash made right, and every link from there on made again."""
    house.sql(
        "UPDATE event_payload SET data = jsonb_set(data, '{name}', '\"Other\"') WHERE event_id = "
        "(SELECT event_id FROM event_seal WHERE position = 3)"
    )
    row = house.connection.execute(
        sa.text("SELECT p.event_id, p.salt, p.data FROM event_payload p JOIN event_seal s ON s.event_id = p.event_id "
                "WHERE s.position = 3")
    ).one()
    house.names["hash"] = payload_hash(bytes(row.salt), canonical(row.data))
    house.names["changed"] = row.event_id
    house.sql("UPDATE event SET payload_hash = :hash WHERE id = :changed")
    previous = b""
    rows = house.connection.execute(
        sa.select(*SEAL_COLUMNS, EventSeal.position).join(EventSeal, EventSeal.event_id == Event.id)
        .order_by(EventSeal.position)
    ).all()
    for event in rows:
        previous = link_hash(previous, event)
        house.names |= {"link": previous, "position": event.position}
        house.sql("UPDATE event_seal SET hash = :link WHERE position = :position")


def _left_in_base(house: House) -> None:
    """By the product's own means, so that events tell of it: balanced, and nothing in its currency."""
    leave_a_rest(db.session.get_one(TimeEntry, house.names["entry1"]), Decimal(1))


def _anchors_deleted(house: House) -> None:
    for anchor in stored_anchors():
        house.delete(key_of(anchor))


def _document_altered(house: House) -> None:
    key = house.value("SELECT kept_key FROM document WHERE id = :document")
    house.put(key, b"Dear Cleo, all is lost.")


def _pdf_altered(house: House) -> None:
    body = storage().get(house.names["pdf1"])
    house.put(house.names["pdf1"], body[:-3] + bytes(3))


def _pdf_deleted(house: House) -> None:
    house.delete(house.names["pdf3"])


OUTSIDE = [
    Act("the end of the log deleted", _end_of_the_log, "events.anchors", "its end is gone"),
    Act("all of the log deleted", _all_of_the_log, "events.anchors", "all of it is gone"),
    Act("the log written anew from a place on", _written_anew, "events.anchors", "differs at position"),
    Act("a payload erased by hand", (
        "UPDATE event_payload SET data = NULL, erased_at = now() WHERE event_id = "
        "(SELECT min(id) FROM event WHERE subject_id = :bill3)",), "events.chain", "no event tells of it"),
    Act("the anchors deleted", _anchors_deleted, "events.anchors", "is gone"),
    Act("a document's bytes altered at equal size", _document_altered, "objects.digests", "its bytes have changed"),
    Act("a PDF's bytes altered", _pdf_altered, "objects.digests", "PDF of bill"),
    Act("a PDF deleted", _pdf_deleted, "objects.digests", "is missing"),
]
IN_BASE = [Act("WIP left in base by whoever may post", _left_in_base, "ledger.wip_in_base", "0 GBP stand at 1")]
ACTS = [*LEDGER, *IN_BASE, *PERIODS, *BILLS, *PAYMENTS, *DOCUMENTS, *EVENTS, *OUTSIDE]
