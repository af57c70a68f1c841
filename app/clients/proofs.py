"""Proof that clients and engagements are answered for by people who may see them, and that names sort as they read."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from app.clients.models import Client, Contact
from app.core.copies import Copy, keeps
from app.core.db import db
from app.core.proofs import Finding, proof
from app.core.sorting import wrong_keys

CLIENTS_SORT = keeps(Copy(
    "client.sort_key", "how lists sort a client, by its name", ("a client's name",),
    "app.clients.commands.clients.update_client", "clients.sort_keys",
))
CONTACTS_SORT = keeps(Copy(
    "contact.sort_key", "how lists sort a contact, by their name", ("a contact's name",),
    "app.clients.commands.contacts.update_contact", "clients.sort_keys",
))


@proof("clients.holders")
def prove_holders() -> Iterator[Finding]:
    """No partner or manager is gone, or kept from the client by a wall."""
    rows = db.session.execute(sa.text("""
        SELECT a.what, a.name, p.name AS person, p.state = 'deactivated' AS gone FROM (
            SELECT 'client ' || code AS what, name, id AS client_id, NULL::uuid AS engagement_id,
                unnest(ARRAY[partner_id, manager_id]) AS person_id FROM client
            UNION ALL
            SELECT 'engagement ' || number, name, client_id, id, unnest(ARRAY[partner_id, manager_id]) FROM engagement
        ) a JOIN person p ON p.id = a.person_id
        WHERE p.state = 'deactivated' OR EXISTS (
            SELECT FROM wall w
            WHERE w.person_id = p.id AND (w.client_id = a.client_id OR w.engagement_id = a.engagement_id))
    """))
    for row in rows:
        yield Finding(row.what, f"is answered for by {row.person}, who {'is gone' if row.gone else 'must not see it'}")


@proof("clients.sort_keys")
def prove_sort_keys() -> Iterator[Finding]:
    """Clients and contacts sort and are found by the names that they have."""
    yield from wrong_keys(Client)
    yield from wrong_keys(Contact)
