"""Whose postal address a bill lacks, and whether the law lets it go out without."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from uuid import UUID

from app.clients.models import Client
from app.firm.countries import VAT_INVOICES
from app.firm.models import Entity


class Whose(enum.StrEnum):
    CLIENT = "client"
    ENTITY = "entity"


@dataclass(frozen=True)
class Lack:
    """An address that a bill would not have on its paper."""

    whose: Whose
    id: UUID
    name: str


def asks_addresses(entity: Entity) -> bool:
    """Whether the law asks for both addresses on what an entity bills.

    It does of whoever is registered for VAT in the United Kingdom (VAT Regulations 1995, reg. 14(1)(d) and (e)) or in
    the European Union (Directive 2006/112/EC, art. 226(5)): a full VAT invoice names supplier and customer with their
    addresses. Elsewhere it is good practice, and the firm may leave it out.
    """
    return bool(entity.tax_number) and entity.country in VAT_INVOICES


def lacking(payer: Client, entity: Entity) -> list[Lack]:
    """The addresses that are not kept, the customer's first."""
    found = []
    if not payer.address.strip():
        found.append(Lack(Whose.CLIENT, payer.id, payer.name))
    if not entity.address.strip():
        found.append(Lack(Whose.ENTITY, entity.id, entity.name))
    return found


def lack_words(lacks: list[Lack], entity: Entity) -> str:
    """What is said of a bill that lacks an address."""
    names = " and ".join(lack.name for lack in lacks)
    said = f"{names} {'has' if len(lacks) == 1 else 'have'} no postal address"
    if asks_addresses(entity):
        law = ("VAT Regulations 1995, reg. 14" if entity.country == "GB" else "Directive 2006/112/EC, art. 226(5)")
        return f"{said}, and a VAT invoice must show it ({law}). Add it on the draft; it is kept for every later bill."
    return f"{said}. Add it on the draft, or say that the bill is issued without."
