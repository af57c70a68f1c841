"""The board: active jobs in columns, each column cut at its first cards, or as one table."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import Service, Stage
from app.clients.models import Client
from app.clients.policy import within_sight
from app.clients.queries import client_found, read_typed
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.core.finding import has_words
from app.jobs.models import Job, JobStatus
from app.jobs.queries.lateness import late_words
from app.people.models import Person

CARDS, CARDS_A_PAGE, PER_PAGE, MOST_COLUMNS = 20, 40, 50, 12


class View(enum.StrEnum):
    STAGE = "stage"
    WEEK = "week"
    OWNER = "owner"
    TABLE = "table"


class Mark(enum.StrEnum):
    """What a figure of the dashboard opens."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    OVERDUE = "overdue"
    WAITING = "waiting"
    STALLED = "stalled"


@dataclass(frozen=True)
class BoardFilter:
    """What is shown, as the address says it."""

    service_id: UUID | None = None
    owner_id: UUID | None = None
    partner_id: UUID | None = None
    office_id: UUID | None = None
    client_id: UUID | None = None
    text: str = ""
    mark: Mark | None = None
    status: JobStatus = JobStatus.ACTIVE

    @property
    def is_narrow(self) -> bool:
        return any((self.owner_id, self.partner_id, self.office_id, self.client_id, self.text, self.mark))


@dataclass(frozen=True)
class Card:
    """What a card carries, and nothing else."""

    id: UUID
    title: str
    client: str
    client_id: UUID
    due_on: dt.date | None
    owner: str | None
    tasks_done: int
    tasks_total: int
    waiting_items: int
    waiting_total: int
    at_risk_because: str
    priority: int
    stage_id: UUID | None
    number: str
    stage: str | None
    service: str | None
    status: JobStatus

    deadline_on: dt.date | None
    deadline_name: str
    stage_since: dt.date
    limit_days: int | None

    @property
    def stalled_for(self) -> int:
        """Days beyond its stage's time limit; 0 within it."""
        if self.limit_days is None or self.status is not JobStatus.ACTIVE:
            return 0
        return max((today() - self.stage_since).days - self.limit_days, 0)

    @property
    def must_by(self) -> dt.date | None:
        """As `Job.must_by`."""
        return min((each for each in (self.due_on, self.deadline_on) if each), default=None)

    @property
    def is_late(self) -> bool:
        return self.status is JobStatus.ACTIVE and self.must_by is not None and self.must_by < today()

    @property
    def why_late(self) -> str:
        return late_words(self.due_on, self.deadline_on, self.deadline_name)


@dataclass(frozen=True)
class Column:
    """A column of the board; `topic` is told when a job enters or leaves it."""

    key: str
    title: str
    topic: str = ""
    condition: Any = field(default=None, repr=False, compare=False)
    cards: Sequence[Card] = ()
    total: int = 0

    @property
    def more(self) -> int:
        return max(self.total - len(self.cards), 0)


_COLUMNS = (
    Job.id, Job.title, Client.name, Job.client_id, Job.due_on, Person.name, Job.tasks_done, Job.tasks_total,
    Job.waiting_items, Job.waiting_total, Job.at_risk_because, Job.priority, Job.stage_id, Job.number,
    Stage.name, Service.name, Job.status, Job.deadline_on, Job.deadline_name,
    Job.stage_since, Stage.limit_days,
)


def conditions(found: BoardFilter, seen_by: Actor) -> list[Any]:
    """The filter as conditions on job (and client, which is joined when it is asked for)."""
    status = sa.literal(found.status, Job.status.type, literal_execute=True)
    wanted: list[Any] = [Job.status == status, *within_sight(seen_by, Job.client_id, Job.engagement_id)]
    if found.service_id:
        wanted.append(Job.service_id == found.service_id)
    if found.owner_id:
        wanted.append(Job.owner_id == found.owner_id)
    if found.client_id:
        wanted.append(Job.client_id == found.client_id)
    of_client = []
    if found.partner_id:
        of_client.append(Client.partner_id == found.partner_id)
    if found.office_id:
        of_client.append(Client.office_id == found.office_id)
    if of_client:
        wanted.append(Job.client_id.in_(sa.select(Client.id).where(*of_client)))
    if found.text:
        typed = read_typed(found.text)
        named = sa.select(Client.id).where(client_found(typed, contacts=False))
        wanted.append(sa.or_(has_words(Job.found_by, typed), Job.client_id.in_(named)))
    if found.mark:
        wanted.append(mark_condition(found.mark))
    return wanted


def mark_condition(mark: Mark) -> Any:
    """The one definition of each mark, for the figures and for the rows that they open."""
    late = sa.func.coalesce(Job.must_by < today(), False)
    if mark is Mark.OVERDUE:
        return late
    if mark is Mark.AT_RISK:
        return sa.and_(~late, Job.at_risk_because != "")
    if mark is Mark.ON_TRACK:
        return sa.and_(~late, Job.at_risk_because == "")
    if mark is Mark.STALLED:
        return stalled_condition()
    return Job.waiting_items > 0


def stalled_condition() -> Any:
    """Longer in its stage than the stage's time limit."""
    over = sa.select(Stage.id).where(Stage.id == Job.stage_id, Job.stage_since + Stage.limit_days < today())
    return over.correlate(Job).exists()


_STAGE = cast(sa.Table, Stage.__table__)
_STAGES = (
    sa.select(_STAGE.c.id, _STAGE.c.name).where(_STAGE.c.service_id == sa.bindparam("service", type_=sa.Uuid))
    .order_by(_STAGE.c.position)
)


def columns_of(view: View, found: BoardFilter, *, seen_by: Actor) -> list[Column]:
    """The columns of a view in order, without their cards."""
    if view is View.STAGE:
        stages = db.session.execute(_STAGES, {"service": found.service_id}).all()
        columns = [Column(str(s.id), s.name, f"stage:{s.id}", Job.stage_id == s.id) for s in stages]
        return columns or [Column("none", "Without a service", "", Job.service_id.is_(None))]
    if view is View.WEEK:
        return _weeks()
    owners = db.session.execute(
        sa.select(Person.id, Person.name).where(
            Person.id.in_(sa.select(Job.owner_id).where(*conditions(found, seen_by)).distinct())
        ).order_by(Person.sort_key).limit(MOST_COLUMNS + 1)
    ).all()
    named = [Column(str(o.id), o.name, f"person:{o.id}", Job.owner_id == o.id) for o in owners[:MOST_COLUMNS]]
    nobody = Column("nobody", "Nobody yet", "", Job.owner_id.is_(None))
    if len(owners) <= MOST_COLUMNS:
        return [*named, nobody]
    others = Job.owner_id.not_in([o.id for o in owners[:MOST_COLUMNS]])
    return [*named, Column("others", "Everybody else", "", others), nobody]


def fill(columns: Sequence[Column], view: View, found: BoardFilter, *, seen_by: Actor) -> list[Column]:
    """The first cards of every column in one statement, fewer the more columns; the totals in another."""
    listing, counting = _prepared(tuple(columns), view, found, seen_by, today())
    cards: dict[str, list[Card]] = {column.key: [] for column in columns}
    for row in db.session.execute(listing) if listing is not None else ():
        cards[row[-1]].append(Card(*row[:-1]))
    totals = {row[0] if row[0] is not None else "nobody": row[1] for row in db.session.execute(counting)}
    return [
        Column(c.key, c.title, c.topic, c.condition, _sorted(cards[c.key]), totals.get(c.key, 0)) for c in columns
    ]


@lru_cache(maxsize=512)
def _prepared(
    columns: tuple[Column, ...], view: View, found: BoardFilter, seen_by: Actor, on: dt.date
) -> tuple[Any, Any]:
    """Both statements, made once a day for a board: making them costs more than asking them."""
    wanted = conditions(found, seen_by)
    limit = max(min(CARDS, CARDS_A_PAGE // max(len(columns), 1)), 4)
    parts = [
        sa.select(Job.id, sa.literal(column.key).label("column")).where(*wanted, column.condition)
        .order_by(Job.must_by, Job.id).limit(limit).subquery().select()
        for column in columns
    ]
    if not parts:
        return None, _totals(columns, view, wanted)
    first = sa.union_all(*parts).subquery("first")
    listing = _cards().add_columns(first.c.column).join(first, first.c.id == Job.id)
    return listing, _totals(columns, view, wanted)


def list_cards(
    column: Column, found: BoardFilter, *, seen_by: Actor, offset: int = 0
) -> tuple[list[Card], bool]:
    """More cards of one column."""
    rows = db.session.execute(
        _cards().where(*conditions(found, seen_by), column.condition).order_by(Job.must_by, Job.id)
        .offset(offset).limit(CARDS + 1)
    ).all()
    return [Card(*row) for row in rows[:CARDS]], len(rows) > CARDS


SORTS: dict[str, Any] = {
    "due": Job.must_by, "client": Client.sort_key, "job": Job.title, "stage": Stage.position, "owner": Person.sort_key,
    "progress": Job.tasks_done, "number": Job.number,
}


def list_table(
    found: BoardFilter, *, seen_by: Actor, only: Column | None = None, sort: str = "due", page: int = 1
) -> tuple[list[Card], int]:
    """One page of the table and how many there are in all; with `only`, what a column of another view holds."""
    wanted = [*conditions(found, seen_by), *([only.condition] if only else [])]
    rows = db.session.execute(
        _cards().where(*wanted).order_by(*_sorting(sort)).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    )
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Job).where(*wanted)) or 0
    return [Card(*row) for row in rows], total


def every_job(
    found: BoardFilter, *, seen_by: Actor, only: Column | None = None, sort: str = "due"
) -> Iterator[Card]:
    """All of them, streamed, for the file; asked when the first is drawn."""
    wanted = [*conditions(found, seen_by), *([only.condition] if only else [])]
    statement = _cards().where(*wanted).order_by(*_sorting(sort))
    for row in db.session.execute(statement.execution_options(yield_per=1000)):
        yield Card(*row)


def get_card(job_id: UUID, *, seen_by: Actor) -> Card | None:
    row = db.session.execute(
        _cards().where(Job.id == job_id, *within_sight(seen_by, Job.client_id, Job.engagement_id))
    ).one_or_none()
    return Card(*row) if row else None


def _sorting(sort: str) -> list[Any]:
    key = SORTS.get(sort.removeprefix("-"), Job.must_by)
    return [key.desc().nulls_last() if sort.startswith("-") else key.asc().nulls_last(), Job.id]


def _cards() -> sa.Select[Any]:
    return (
        sa.select(*_labelled()).select_from(Job).join(Client, Client.id == Job.client_id)
        .outerjoin(Person, Person.id == Job.owner_id).outerjoin(Stage, Stage.id == Job.stage_id)
        .outerjoin(Service, Service.id == Job.service_id)
    )


def _labelled() -> list[Any]:
    return [column.label(f"c{place}") for place, column in enumerate(_COLUMNS)]


def _sorted(cards: list[Card]) -> list[Card]:
    return sorted(cards, key=lambda card: (card.must_by or dt.date.max, card.id))


def _totals(columns: Sequence[Column], view: View, wanted: list[Any]) -> sa.Select[Any]:
    if view is View.WEEK or not columns or columns[0].key == "none" or any(c.key == "others" for c in columns):
        key: Any = sa.case(*((column.condition, column.key) for column in columns), else_="")
    else:
        key = sa.cast(Job.stage_id if view is View.STAGE else Job.owner_id, sa.Text)
    return sa.select(key, sa.func.count()).select_from(Job).where(*wanted).group_by(sa.text("1"))


def _weeks(count: int = 5) -> list[Column]:
    monday = today() - dt.timedelta(days=today().weekday())
    columns = [Column("overdue", "Overdue", "", Job.must_by < today())]
    for number in range(count):
        start = max(monday + dt.timedelta(weeks=number), today())
        end = monday + dt.timedelta(weeks=number + 1)
        title = ("This week", "Next week")[number] if number < 2 else f"From {start.day} {start:%b}"
        columns.append(Column(f"w{number}", title, "", sa.and_(Job.must_by >= start, Job.must_by < end)))
    last = monday + dt.timedelta(weeks=count)
    columns.append(Column("later", "Later", "", Job.must_by >= last))
    return [*columns, Column("none_due", "No date", "", Job.must_by.is_(None))]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
