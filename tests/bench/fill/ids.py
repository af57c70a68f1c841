"""Ids that are the same in every run and rise as real ones do; `fill.sql` makes the same in the database."""

from __future__ import annotations

import enum
from uuid import UUID

FIRST_MILLISECOND = 1_700_000_000_000


class Kind(enum.IntEnum):
    """Twelve bits of each id, so that no two tables share one."""

    FIRM = 1
    ENTITY = 2
    OFFICE = 3
    TAX_RATE = 4
    PERSON = 5
    RATE = 6
    SERVICE = 7
    STEP = 8
    TEMPLATE_REQUEST = 9
    CLIENT = 10
    CONTACT = 11
    ADDRESS = 12
    CLIENT_CONTACT = 13
    ENGAGEMENT = 14
    SERIES = 15
    OCCURRENCE = 16
    JOB = 17
    TASK = 18
    DEPENDENCY = 19
    REQUEST = 20
    ITEM = 21
    ENTRY = 22
    INVOICE = 23
    LINE = 24
    PAYMENT = 25
    ALLOCATION = 26
    SESSION = 27
    CONTACT_SESSION = 28
    LINK = 29


def bench_id(kind: Kind, number: int) -> UUID:
    """A UUIDv7 by form: 48 bits that rise with the number, the kind, the number again."""
    return UUID(int=((((FIRST_MILLISECOND + number) << 16) | 0x7000 | kind) << 64) | (1 << 63) | number)
