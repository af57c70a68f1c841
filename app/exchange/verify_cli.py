"""`firmament verify`: every proof of the house, and what each found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from app.core.proofs import run_proofs
from app.exchange.anchors import differences_from
from app.exchange.objects import SAMPLE, reading


def run(*, as_json: bool, say: Callable[[str], None], anchors: Sequence[str] = (), all_objects: bool = False) -> int:
    """Print a line for each proof and each anchor in hand; the exit code is 1 when anything does not hold."""
    reading.set(None if all_objects else SAMPLE)
    results = list(run_proofs())
    results += [(f"events.anchor {given[:60]}", list(differences_from(given))) for given in anchors]
    broken = sum(not finding.note for _, findings in results for finding in findings)
    if as_json:
        say(json.dumps({
            "ok": not broken,
            "proofs": [{
                "name": name,
                "findings": [{"subject": f.subject, "message": f.message} for f in findings if not f.note],
                "notes": [{"subject": f.subject, "message": f.message} for f in findings if f.note],
            } for name, findings in results],
        }, ensure_ascii=False, indent=2))
        return 1 if broken else 0
    for name, findings in results:
        faults = [finding for finding in findings if not finding.note]
        say(f"{'FAILS ' if faults else '  ok  '}  {name}")
        for finding in findings:
            say(f"        {'note: ' if finding.note else ''}{finding.subject}: {finding.message}")
    say("Everything holds." if not broken else f"{broken} things do not hold.")
    return 1 if broken else 0
