"""The sealer and the readers, kept going by the scheduler."""

from __future__ import annotations

from app.activity.commands import BATCH, readers, run_reader, seal_events
from app.core.each import each_by_itself
from app.core.queue import NOW, background


@background("activity.seal", every=1, queue=NOW, seconds=300)
def seal_and_read() -> None:
    """Seal what was committed, then let every reader catch up; one that fails stops no other.

    Safe to run anywhere, any number of times.
    """
    while seal_events() == BATCH:
        pass
    each_by_itself(readers(), _catch_up, name="activity.read")


def _catch_up(name: str) -> None:
    while run_reader(name):
        pass
