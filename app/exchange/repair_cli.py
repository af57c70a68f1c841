"""`firmament repair books`: what an older version left wrong in the books, and putting it right."""

from __future__ import annotations

from collections.abc import Callable

from app.billing.commands.repairing import list_wrong, repair_books
from app.core.actors import SYSTEM


def run(*, applies: bool, say: Callable[[str], None]) -> None:
    """Print a line for each thing that is wrong; put it right only when asked to."""
    found = repair_books(by=SYSTEM) if applies else list_wrong(by=SYSTEM)
    for each in found:
        say(each.words)
    if not found:
        say("Nothing to put right.")
    elif applies:
        say(f"{len(found)} put right, dated today or the first open day; `firmament verify` proves it.")
    else:
        say(f"{len(found)} to put right. Nothing was posted: add --apply.")
