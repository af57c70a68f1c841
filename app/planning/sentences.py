"""How the timeline tells what happened to series and applications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.activity.sentences import place, sentence

_TOLD = {
    "planning.series.begin": "began the series {title}",
    "planning.series.edit": "edited the series {title}",
    "planning.series.pause": "paused the series {title}",
    "planning.series.resume": "resumed the series {title}",
    "planning.series.end": "ended the series {title}",
    "planning.series.stuck": "could not work out the dates of {title} anew: they stay as they were",
    "planning.occurrence.create": "created {title} ahead of its day",
    "planning.occurrence.skip": "skipped {title}",
    "planning.occurrence.drop": "let what was set by hand for {title} go: its period is no more",
    "planning.job.move": "moved {title} to the client’s new periods",
    "planning.occurrence.restore": "took {title} back into the forecast",
    "planning.edition.find": "found a newer edition of {title} ({edition}), by which jobs would have other dates",
    "planning.application.start": "applied {service} to {clients} clients",
}


def _teller(words: str) -> Any:
    return lambda data: words.format(**data) + (
        f": the client was {data['because']}" if data.get("because") else f": {data['reason']}" if data.get("reason")
        else ""
    )


for _kind, _words in _TOLD.items():
    sentence(_kind)(_teller(_words))


_PARTS = {
    "starts_on": "its start", "due_on": "its due date", "owner": "who answers for it", "preparer": "its preparer",
    "reviewer": "its reviewer", "partner": "its partner", "administrator": "its administrator", "title": "its title",
    "note": "its note", "because": "why it is due past a deadline",
}


@sentence("planning.occurrence.set")
def _changed(data: Mapping[str, Any]) -> str:
    before, after = data.get("before") or {}, data.get("after") or {}
    changed = [words for part, words in _PARTS.items() if (before.get(part) or "") != (after.get(part) or "")]
    told = f": {', '.join(changed)}" if changed else ""
    return f"changed {data['title']} alone{told}" + (f" ({after['because']})" if after.get("because") else "")


@place("series")
def _series(subject_id: UUID) -> str:
    return f"/series/{subject_id}"


@place("edition")
def _edition(_subject_id: UUID) -> str:
    return "/services/editions"


@place("application")
def _application(subject_id: UUID) -> str:
    return f"/applications/{subject_id}"
