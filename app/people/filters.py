"""Colleagues in the filters of lists: picked in a look-up, or typed into it where no script runs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import request

from app.core.web import arg, id_arg, me
from app.people.queries import find_people

NOBODY, SEVERAL = "No one is called that", "Several are called that"


@dataclass(frozen=True)
class PersonAsked:
    """Whom a filter asks for. `text` stands in its field; `error` says why what was typed narrows nothing."""

    id: UUID | None = None
    text: str = ""
    error: str = ""


def people_asked(*names: str) -> dict[str, PersonAsked]:
    """Whom the look-ups of these names in the address ask for: one query, none where they are empty."""
    picked = {name: id_arg(name) for name in names}
    typed = {name: arg(f"{name}_text").strip() for name in names}
    found = find_people(picked.values(), typed.values(), seen_by=me())
    return {name: _asked(picked[name], typed[name], f"{name}_text" in request.args, found) for name in names}


def _asked(picked: UUID | None, typed: str, was_shown: bool, found: dict[UUID, str]) -> PersonAsked:
    """The id counts unless its field says otherwise: without script it stays when the text beside it is changed."""
    if picked is not None and (not was_shown or _same(found.get(picked), typed)):
        return PersonAsked(picked, found.get(picked, ""))
    if not typed:
        return PersonAsked()
    called = [(each, name) for each, name in found.items() if _same(name, typed)]
    if len(called) != 1:
        return PersonAsked(None, typed, SEVERAL if called else NOBODY)
    return PersonAsked(*called[0])


def _same(name: str | None, typed: str) -> bool:
    return name is not None and name.lower() == typed.lower()
