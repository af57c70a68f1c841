"""Taking a code: the app's, or a recovery code; each works once, whichever process it reaches."""

from __future__ import annotations

import sqlalchemy as sa

from app.core.clock import now
from app.core.db import db
from app.core.locking import to_lock
from app.core.sealing import unseal
from app.people.models import Person
from app.people.totp import matching_step, recovery_hash

PURPOSE = "totp"


def take_code(person: Person, code: str) -> bool:
    """Whether the code is right and was not used before; uses it up in the caller's transaction."""
    locked = db.session.scalars(
        to_lock(sa.select(Person).where(Person.id == person.id), of=Person)
    ).one()
    if locked.totp_secret is None:
        return False
    step = matching_step(unseal(locked.totp_secret, purpose=PURPOSE), code, now())
    if step is not None:
        if locked.totp_counter is not None and step <= locked.totp_counter:
            return False
        locked.totp_counter = step
        return True
    digest = recovery_hash(code)
    if len(code) > 8 and digest in (locked.recovery_hashes or []):
        locked.recovery_hashes = [kept for kept in locked.recovery_hashes or [] if kept != digest]
        return True
    return False
