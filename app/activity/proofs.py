"""What `firmament verify` proves of the event log."""

from __future__ import annotations

from collections.abc import Iterator

from app.activity.queries import verify_chain
from app.core.proofs import Finding, proof


@proof("events.chain")
def chain_holds() -> Iterator[Finding]:
    """Every event follows from the one before it, and its payload is what was recorded."""
    report = verify_chain()
    if report.broken:
        yield Finding("event log", f"After {report.checked} good links: {report.broken}.")
    if report.unsealed:
        yield Finding("event log", f"{report.unsealed} events are committed and not sealed yet.", note=True)
