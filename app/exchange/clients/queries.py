"""What became of each client of an import, and what stayed of one that was taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.clients.models import Client
from app.clients.policy import can_import, within_sight
from app.core.actors import Actor
from app.core.db import db
from app.core.permissions import authorize
from app.exchange.cells import plain_head
from app.exchange.models import ClientImport, ColumnMapping
from app.people.models import Person
from app.runs.models import ItemState, Run, RunItem, RunState

PER_PAGE = 100
_ID = sa.func.coalesce(RunItem.result["client_id"].astext, RunItem.payload["client_id"].astext)
_CLIENT = sa.cast(_ID, sa.Uuid)


@dataclass(frozen=True)
class Brought:
    """One client of an import: its lines, what it is called in the file, and what was done, then taken back.

    `client_id` is where it leads, None where nothing stands here or it may not be seen.
    """

    lines: Sequence[int]
    name: str
    client_id: UUID | None
    code: str
    did: str
    why: str
    after: str


@dataclass(frozen=True)
class TakenBack:
    """Who took an import back and when, how far that is, and what stays: (name, client, why)."""

    by: str
    at: dt.datetime
    is_done: bool
    counts: Mapping[str, int]
    stays: Sequence[tuple[str, UUID | None, str]]


def list_brought(found: ClientImport, *, seen_by: Actor, page: int = 1) -> tuple[list[Brought], int]:
    """A page of its clients in the file's order, and how many there are. Three queries."""
    authorize(seen_by, can_import)
    mine = [RunItem.run_id == found.run_id, *within_sight(seen_by, _CLIENT)]
    items = db.session.execute(
        sa.select(RunItem, Client.id, Client.code, sa.func.count().over())
        .outerjoin(Client, Client.id == _CLIENT).where(*mine).order_by(RunItem.position)
        .offset((page - 1) * PER_PAGE).limit(PER_PAGE)
    ).all()
    back = _taken_back([item for item, *_ in items], found)
    rows = [
        Brought(item.payload["prospect"]["rows"], item.label, client_id, code or "", _did(item), item.message,
                back.get(_of(item), ""))
        for item, client_id, code, _ in items
    ]
    return rows, items[0][3] if items else 0


def _of(item: RunItem) -> str:
    return str((item.result or {}).get("client_id") or item.payload.get("client_id") or "")


def _did(item: RunItem) -> str:
    if item.state is not ItemState.DONE:
        return {ItemState.SKIPPED: "Left out", ItemState.FAILED: "Failed"}.get(item.state, "Still to come")
    result = item.result or {}
    if item.payload["action"] == "unchanged" or not result:
        return "Unchanged"
    return {"create": "Made", "link": "Linked"}.get(result["action"], "Updated")


def _taken_back(items: Sequence[RunItem], found: ClientImport) -> dict[str, str]:
    """By client: what taking the import back did."""
    if found.undo_run_id is None or not items:
        return {}
    of = RunItem.payload["client_id"].astext
    rows = db.session.scalars(
        sa.select(RunItem).where(RunItem.run_id == found.undo_run_id, of.in_([_of(item) for item in items]))
    )
    return {row.payload["client_id"]: _back(row) for row in rows}


def _back(row: RunItem) -> str:
    return row.message or (row.result or {}).get("told", "") or "still to come"


def taken_back(found: ClientImport, *, seen_by: Actor) -> TakenBack | None:
    """None while nobody has taken it back. Three queries."""
    authorize(seen_by, can_import)
    if found.undo_run_id is None:
        return None
    run, name = db.session.execute(
        sa.select(Run, Person.name).outerjoin(Person, Person.id == Run.started_by).where(Run.id == found.undo_run_id)
    ).one()
    mine = [RunItem.run_id == run.id, *within_sight(seen_by, _CLIENT)]
    state = sa.cast(RunItem.state, sa.Text)
    told = sa.case((RunItem.state == ItemState.DONE, RunItem.result["told"].astext), else_=state)
    word = sa.func.split_part(told, ",", 1)
    counts: dict[str, int] = {}
    for said, number in db.session.execute(sa.select(word, sa.func.count()).where(*mine).group_by(word)).all():
        key = "put back" if "put back" in (said or "") else said
        counts[key] = counts.get(key, 0) + number
    left = db.session.execute(
        sa.select(RunItem, Client.id).outerjoin(Client, Client.id == _CLIENT).where(*mine, sa.or_(
            RunItem.state.in_((ItemState.FAILED, ItemState.SKIPPED)),
            sa.func.jsonb_array_length(sa.func.coalesce(RunItem.result["stays"], sa.text("'[]'::jsonb"))) > 0,
            RunItem.result["told"].astext.startswith("archived"),
        )).order_by(RunItem.position.desc()).limit(PER_PAGE)
    ).all()
    stays = [(item.label, client_id, _stays(item)) for item, client_id in left]
    return TakenBack(name or "", run.created_at, run.state is RunState.FINISHED, counts, stays)


def _stays(item: RunItem) -> str:
    result: dict[str, Any] = item.result or {}
    return item.message or "; ".join(result.get("stays") or [result.get("told", "")])


def list_mappings(*, seen_by: Actor) -> list[ColumnMapping]:
    authorize(seen_by, can_import)
    return list(db.session.scalars(sa.select(ColumnMapping).order_by(ColumnMapping.name)))


def mappings_for(found: ClientImport, *, seen_by: Actor) -> list[ColumnMapping]:
    """Those whose columns all stand in this header; those of the very same header first."""
    heads = heads_of(found.header)
    fitting = [each for each in list_mappings(seen_by=seen_by) if each.columns and heads_of(each.columns) <= heads]
    return sorted(fitting, key=lambda each: heads_of(each.header) != heads)


def heads_of(header: Iterable[str]) -> set[str]:
    return {plain_head(head) for head in header}
