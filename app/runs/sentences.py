"""How the timeline tells of long work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.activity.sentences import place, sentence

Data = Mapping[str, Any]


@sentence("runs.run.start", icon="play")
def _start(data: Data) -> str:
    return f"started {_title(data)}, {_things(data)} to do"


@sentence("runs.run.stop", icon="stop")
def _stop(data: Data) -> str:
    return f"stopped {_title(data)}; what was done stays done"


@sentence("runs.run.resume", icon="play")
def _resume(data: Data) -> str:
    return f"let {_title(data)} go on"


@sentence("runs.run.finish", icon="check-circle")
def _finish(data: Data) -> str:
    return f"finished {_title(data)}"


def _title(data: Data) -> str:
    return f"“{data['title']}”" if data.get("title") else "a run"


def _things(data: Data) -> str:
    return "one thing" if data["items"] == 1 else f"{data['items']:,} things"


@sentence("runs.work.try", icon="refresh")
def _try(data: Data) -> str:
    return f"had failed work tried again: {data['name']}"


@sentence("runs.work.forget", icon="trash")
def _forget(data: Data) -> str:
    return f"let failed work be: {data['name']}"


@place("run")
def _run(subject_id: UUID) -> str:
    return f"/runs/{subject_id}"
