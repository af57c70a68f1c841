"""Letters of a draft that no typeface of ours has, told beside what holds them before the bill has its number."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.billing.glyphs import MARK, unprintable
from app.billing.models import Invoice
from app.clients.models import Client, Engagement
from app.core.db import db


@dataclass(frozen=True)
class Marked:
    """A record whose name or address would show marks on the paper."""

    kind: str  # client, entity or engagement
    id: UUID
    name: str
    letters: str


@dataclass(frozen=True)
class Marks:
    """What of a draft is shown as marks: the letters by line, those of its note, and records beyond it."""

    lines: dict[UUID, str]
    note: str
    records: list[Marked]


def marks_on(invoice: Invoice) -> Marks:
    """Which letters of a draft its paper shows as marks, by where they are changed."""
    lines = {line.id: letters for line in invoice.lines if (letters := unprintable(line.description))}
    entity, payer = invoice.entity, invoice.payer
    texts = [
        ("client", payer.id, payer.name, _called(payer) + payer.address),
        ("entity", entity.id, entity.name, entity.name + entity.address + entity.bank_name),
    ]
    if invoice.client_id != payer.id:
        texts.append(("client", invoice.client_id, invoice.client.name, _called(invoice.client)))
    billed = {line.engagement_id for line in invoice.lines if line.engagement_id}
    named = db.session.execute(sa.select(Engagement.id, Engagement.name).where(Engagement.id.in_(billed)))
    texts += [("engagement", row.id, row.name, row.name) for row in named]
    records = [Marked(kind, id, name, letters) for kind, id, name, text in texts if (letters := unprintable(text))]
    return Marks(lines, unprintable(invoice.note), records)


def _called(client: Client) -> str:
    return client.legal_name or client.name


def marks_words(letters: str) -> str:
    """What is said of letters that the paper cannot show."""
    named = ", ".join(_named(letter) for letter in letters[:10])
    more = f" and {len(letters) - 10} more" if len(letters) > 10 else ""
    return f"The paper shows {MARK} in place of {named}{more}: no typeface here has that letter."


def _named(letter: str) -> str:
    """With its code: whoever reads this may have no typeface for it either."""
    code = f"U+{ord(letter):04X}"
    return f"{letter} ({code})" if letter.isprintable() else code
