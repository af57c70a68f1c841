"""Proof that clients and engagements are answered for by people who work here and may see them."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from app.core.db import db
from app.core.proofs import Finding, proof


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
