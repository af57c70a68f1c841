"""Everything that is left to chance comes from one seed: ids, secrets, the clock, and what goes wrong when."""

from __future__ import annotations

import base64
import datetime as dt
import random
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from app.core import clock

START = dt.datetime(2031, 5, 14, 9, tzinfo=dt.UTC)


class Time:
    """Stands where the product's clock keeps the instant that it was set to, for all contexts at once."""

    def __init__(self) -> None:
        self.now = START

    def get(self) -> dt.datetime:
        return self.now

    def set(self, instant: dt.datetime | None) -> dt.datetime:
        before, self.now = self.now, instant or START
        return before

    def reset(self, before: dt.datetime) -> None:
        self.now = before

    def pass_by(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@contextmanager
def from_seed(seed: int) -> Iterator[tuple[random.Random, Time]]:
    """The dice of a run and its clock. Inside, ids and secrets are thrown too, by dice of their own."""
    dice, secret, time = random.Random(seed), random.Random(seed + 1_000_003), Time()
    made = 0

    def uuid7() -> UUID:
        nonlocal made
        made += 1
        ahead = int(time.now.timestamp() * 1000) << 80 | 7 << 76 | (made & 0xFFF) << 64
        return UUID(int=ahead | 2 << 62 | secret.getrandbits(62))

    def token_bytes(n: int | None = None) -> bytes:
        return secret.randbytes(n or 32)

    def token_urlsafe(n: int | None = None) -> str:
        return base64.urlsafe_b64encode(token_bytes(n)).rstrip(b"=").decode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uuid_utils.compat.uuid7", uuid7)
        patch.setattr("secrets.token_bytes", token_bytes)
        patch.setattr("secrets.token_urlsafe", token_urlsafe)
        patch.setattr(clock, "_travelled", time)
        yield dice, time
