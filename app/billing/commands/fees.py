"""Fixed fees: who may draw on one, how much of it is left, and the kept copy of what is drawn.

Whoever drafts, changes, issues or credits a bill of a client takes turns at the client's row, and then holds the
arrangements that it touches: what is left of a fee is read, decided about and written under that lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceLine
from app.clients.models import Arrangement, Client
from app.core.db import db
from app.core.locking import takes, to_lock


def take_turns(*client_ids: UUID) -> None:
    """The first lock of every act on a client's bills and payments: the client's and the payer's, in order of their
    ids. Time goes on being recorded: it takes another kind of lock."""
    db.session.execute(to_lock(sa.select(Client.id).where(Client.id.in_(client_ids)), lightly=True))


def lock_arrangements(engagement_ids: Iterable[UUID] | sa.Select[UUID | None]) -> dict[UUID, list[Arrangement]]:
    """Lock what is agreed for these engagements, in the order of ids, and read it anew; by engagement.

    Arrangements that were taken away are among them: a draft may still draw on one.
    """
    wanted = engagement_ids if isinstance(engagement_ids, sa.Select) else list(engagement_ids)
    return _agreed(to_lock(sa.select(Arrangement).where(Arrangement.engagement_id.in_(wanted))))


def agreed_on(invoice: Invoice) -> dict[UUID, list[Arrangement]]:
    """What is agreed for a bill's engagements, only to look at."""
    wanted = sa.select(Arrangement).where(Arrangement.engagement_id.in_(engagements_on(invoice)))
    return _agreed(wanted.order_by(Arrangement.id).execution_options(populate_existing=True))


def _agreed(statement: sa.Select[Arrangement]) -> dict[UUID, list[Arrangement]]:
    found: dict[UUID, list[Arrangement]] = {}
    for row in db.session.scalars(statement):
        found.setdefault(row.engagement_id, []).append(row)
    return found


def engagements_on(invoice: Invoice) -> sa.Select[UUID | None]:
    """The engagements of a bill's lines; those of a draft only ever become fewer, or are told by who adds one."""
    return sa.select(InvoiceLine.engagement_id).where(
        InvoiceLine.invoice_id == invoice.id, InvoiceLine.engagement_id.is_not(None)
    )


_KEEP = sa.text("""
    UPDATE arrangement SET drawn = coalesce((
        SELECT sum(l.drawn) FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id
        WHERE l.arrangement_id = arrangement.id AND i.state <> 'void'
    ), 0)
    WHERE id = ANY (CAST(:ids AS uuid[]))
""")


def keep_drawn(ids: Iterable[UUID | None]) -> None:
    """Set what is drawn of these fees to what drafts and standing bills take: the only writer of it.

    They are locked already. The database refuses more than was agreed, and to commit anything but this sum.
    """
    wanted = sorted({each for each in ids if each is not None})
    if not wanted:
        return
    db.session.flush()
    takes("arrangement", wanted)
    db.session.execute(_KEEP, {"ids": wanted})
    for arrangement_id in wanted:
        loaded = db.session.identity_map.get(sa.orm.util.identity_key(Arrangement, arrangement_id))
        if loaded is not None:
            db.session.refresh(loaded, ["drawn"])
