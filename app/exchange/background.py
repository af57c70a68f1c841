"""What is done daily for the proofs: the chain's end is anchored, and stored objects are read again."""

from __future__ import annotations

import structlog

from app.core.actors import SYSTEM
from app.core.queue import LONGEST, SWEEPS, background
from app.exchange.anchors import write_anchor
from app.exchange.objects import check_objects

log = structlog.get_logger()

DAY = 86_400


@background("exchange.objects", every=DAY, queue=SWEEPS, seconds=LONGEST)
def read_objects() -> None:
    if wrong := check_objects(by=SYSTEM):
        log.error("objects.wrong", count=wrong)


@background("exchange.anchor", every=DAY, queue=SWEEPS, seconds=LONGEST)
def anchor() -> None:
    write_anchor(by=SYSTEM)
