"""Exchange rates: added by hand or from a file, never rewritten; what was posted keeps the rate it was posted with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import defer, joinedload

from app.activity.commands import record
from app.clients.models import Engagement, EngagementStatus
from app.core import clock
from app.core.actors import Actor
from app.core.bulk import insert_rows
from app.core.db import db, get_or_404, transaction
from app.core.errors import Refused, Stale
from app.core.ids import new_id
from app.core.locking import lock_row
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.reading import read_bytes_apart
from app.firm.models import Entity
from app.ledger.models import ExchangeRate, RateFile, RateSource
from app.ledger.policy import can_edit_exchange_rates
from app.ledger.rate_files import EURO, Problem, Quotes, RateTable, is_cross, prove_ecb, read_ecb, worth

# What tells that there are rates that were not there before: for readers that wait for one.
RATES_CAME = ("ledger.rate.add", "ledger.rate.import")
STALE_AFTER = dt.timedelta(days=35)
PER_PAGE = 100
Pair = tuple[str, str]
_LIVE = ExchangeRate.withdrawn_at.is_(None)


@dataclass(frozen=True, kw_only=True)
class ExchangeRateFacts:
    """Units of `base` for one unit of `currency`, from a day on."""

    currency: str
    base: str
    rate: Decimal
    from_on: dt.date


def add_exchange_rate(rate_id: UUID, facts: ExchangeRateFacts, *, by: Actor) -> ExchangeRate:
    """Add a rate that somebody typed. The same id and facts again give the one that is there.

    Raises Refused for a second one of the same day, Conflict for an id that stands for other facts.
    """
    authorize(by, can_edit_exchange_rates)
    with transaction() as session:
        said = digest_of(facts)
        existing = made_before(ExchangeRate, rate_id, said)
        if existing is not None:
            return existing
        if facts.currency == facts.base:
            raise Refused("These are the same currency; choose two different ones.", field="currency")
        if facts.from_on > clock.today() + dt.timedelta(days=366):
            raise Refused("That day is too far ahead.", field="from_on")
        same = sa.select(ExchangeRate.id).where(
            ExchangeRate.currency == facts.currency,
            ExchangeRate.base == facts.base,
            ExchangeRate.from_on == facts.from_on,
            _LIVE,
        )
        if session.scalar(same) is not None:
            raise Refused(
                "There is a rate from that very day already; withdraw it if it is wrong, or give another day.",
                field="from_on",
            )
        rate = ExchangeRate(
            id=rate_id, currency=facts.currency, base=facts.base, rate=facts.rate, from_on=facts.from_on,
            source=RateSource.TYPED, entered_by=by.person_id, made_from=said,
        )  # fmt: skip
        session.add(rate)
        session.flush()
        record("ledger.rate.add", rate, by=by, covers=[("exchange_rate", rate.id)], **_told(rate))
        return rate


def _told(rate: ExchangeRate) -> dict[str, Any]:
    number = f"{rate.rate.normalize():f}"
    return {"currency": rate.currency, "base": rate.base, "rate": number, "from_on": rate.from_on}


def withdraw_exchange_rate(rate: ExchangeRate, *, by: Actor) -> None:
    """Take a mistaken rate out of use. What was posted with it keeps it; the one before it counts again."""
    authorize(by, can_edit_exchange_rates)
    with transaction():
        lock_row(rate)
        if rate.withdrawn_at is not None:
            return
        rate.withdrawn_at, rate.withdrawn_by = clock.now(), by.person_id
        record("ledger.rate.withdraw", rate, by=by, covers=[("exchange_rate", rate.id)], **_told(rate))


def get_exchange_rate(rate_id: UUID, *, seen_by: Actor) -> ExchangeRate:
    return get_or_404(
        sa.select(ExchangeRate).where(ExchangeRate.id == rate_id, sa.literal(can_edit_exchange_rates(seen_by)))
        .options(joinedload(ExchangeRate.person))
    )  # fmt: skip


def list_exchange_rates(
    *, seen_by: Actor, pair: Pair | None = None, limit: int = PER_PAGE, page: int = 1
) -> Sequence[ExchangeRate]:
    """The rates of one pair or of all, those withdrawn among them, the newest of each pair first."""
    if not can_edit_exchange_rates(seen_by):
        return []
    statement = sa.select(ExchangeRate).options(joinedload(ExchangeRate.person)).order_by(
        ExchangeRate.currency, ExchangeRate.base, ExchangeRate.from_on.desc(), ExchangeRate.id.desc()
    )  # fmt: skip
    if pair:
        statement = statement.where(ExchangeRate.currency == pair[0], ExchangeRate.base == pair[1])
    return db.session.scalars(statement.limit(limit).offset((page - 1) * limit)).all()


@dataclass(frozen=True)
class InUse:
    """What a currency is worth today in an entity's own, how old that is, and whether open work needs it."""

    currency: str
    base: str
    rate: ExchangeRate | None
    is_needed: bool
    days_old: int = 0

    @property
    def is_stale(self) -> bool:
        return dt.timedelta(days=self.days_old) > STALE_AFTER


def needed_pairs() -> set[Pair]:
    """The currencies of engagements that are not closed, each against its entity's own."""
    rows = db.session.execute(
        sa.select(Engagement.currency, Entity.currency).distinct().join(Entity, Entity.id == Engagement.entity_id)
        .where(Engagement.currency != Entity.currency, Engagement.status != EngagementStatus.CLOSED)
    )  # fmt: skip
    return {(currency, base) for currency, base in rows}


def rates_in_use(*, seen_by: Actor) -> list[InUse]:
    """One row a pair: the rate that holds today, or none where open work is without one."""
    if not can_edit_exchange_rates(seen_by):
        return []
    today, needed = clock.today(), needed_pairs()
    newest = db.session.scalars(
        sa.select(ExchangeRate).ext(distinct_on(ExchangeRate.currency, ExchangeRate.base))
        .where(_LIVE, ExchangeRate.from_on <= today).options(joinedload(ExchangeRate.person))
        .order_by(ExchangeRate.currency, ExchangeRate.base, ExchangeRate.from_on.desc())
    ).all()  # fmt: skip
    found = {(rate.currency, rate.base): rate for rate in newest}
    return [
        InUse(*pair, rate := found.get(pair), pair in needed, (today - rate.from_on).days if rate else 0)
        for pair in sorted(needed | found.keys())
    ]


def send_rate_file(file_id: UUID, name: str, content: bytes, *, by: Actor) -> RateFile:
    """Keep a list of the ECB, to look at and take rates from. Raises Refused for any other file.

    The same id and list again give the one that is there; Stale for an id that stands for another list.
    """
    authorize(by, can_edit_exchange_rates)
    _, body = read_bytes_apart(prove_ecb, content, clock.today().isoformat())
    text = bytes(body).decode()
    with transaction() as session:
        existing = session.get(RateFile, file_id)
        if existing is not None:
            if existing.content != text:
                raise Stale("This form has sent another file already. Open the page anew for this one.")
            return existing
        sent = RateFile(
            id=file_id, file_name=name[-200:], content=text, sent_at=clock.now(), sent_by=by.person_id, wanted={}
        )
        session.add(sent)
        session.flush()
        return sent


def get_rate_file(file_id: UUID, *, seen_by: Actor) -> RateFile:
    return get_or_404(
        sa.select(RateFile).where(RateFile.id == file_id, sa.literal(can_edit_exchange_rates(seen_by)))
    )


def list_rate_files(*, seen_by: Actor) -> Sequence[RateFile]:
    """The last files that rates were taken from."""
    if not can_edit_exchange_rates(seen_by):
        return []
    return db.session.scalars(
        sa.select(RateFile).options(defer(RateFile.content)).where(RateFile.taken_at.is_not(None))
        .order_by(RateFile.sent_at.desc()).limit(10)
    ).all()  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is taken from a file: rates of these currencies in each entity's own, from a day on."""

    currencies: frozenset[str]
    from_on: dt.date | None = None

    def to_json(self) -> dict[str, Any]:
        return {"currencies": sorted(self.currencies), "from_on": str(self.from_on) if self.from_on else None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Wanted:
        day = data.get("from_on")
        return cls(frozenset(data.get("currencies") or ()), dt.date.fromisoformat(day) if day else None)


@dataclass(frozen=True)
class Said:
    """One rate as a file says it."""

    currency: str
    base: str
    from_on: dt.date
    rate: Decimal
    line: int

    @property
    def key(self) -> tuple[str, str, dt.date]:
        return self.currency, self.base, self.from_on


@dataclass
class RatePlan:
    """What taking from a file would do: rates that are new, the same, or there already with another number.

    `without` are days on which one of the two legs of a pair is missing: (pair, how many of them, the last one).
    """

    table: RateTable
    wanted: Wanted
    pairs: list[Pair]
    new: list[Said] = field(default_factory=list)
    same: int = 0
    differing: list[tuple[Said, ExchangeRate]] = field(default_factory=list)
    without: list[tuple[Pair, int, dt.date]] = field(default_factory=list)

    @property
    def problems(self) -> list[Problem]:
        return self.table.problems

    @property
    def last_of_each(self) -> list[Said]:
        """The newest new rate of each pair, to look at before anything is taken."""
        found: dict[Pair, Said] = {}
        for said in self.new:
            found.setdefault((said.currency, said.base), said)
        return list(found.values())


def bases() -> list[str]:
    """The currencies that books are kept in."""
    codes = sa.select(Entity.currency).distinct().where(Entity.archived_at.is_(None)).order_by(Entity.currency)
    return list(db.session.scalars(codes))


def usual_wish(table: RateTable) -> Wanted:
    """The currencies that the firm works in or has had rates for, of those that the file holds."""
    known = db.session.scalars(sa.select(ExchangeRate.currency).distinct()).all()
    used = {currency for currency, _ in needed_pairs()} | set(known)
    return Wanted(frozenset(used & {*table.currencies, EURO}))


def read_rate_file(sent: RateFile) -> RateTable:
    return read_ecb(sent.content, today=clock.today())


def plan_rates(sent: RateFile, wanted: Wanted | None = None) -> RatePlan:
    """What taking rates from a file would do; computed by the same code that does it."""
    table = read_rate_file(sent)
    wanted = wanted or usual_wish(table)
    offered = wanted.currencies & {*table.currencies, EURO}
    plan = RatePlan(table, wanted, sorted((c, base) for c in offered for base in bases() if c != base))
    days = [day for day in table.days if wanted.from_on is None or day.on >= wanted.from_on]
    there = _there(plan.pairs, days)
    for pair in plan.pairs:
        _plan_pair(plan, pair, days, there)
    return plan


def _plan_pair(
    plan: RatePlan, pair: Pair, days: Sequence[Quotes], there: Mapping[tuple[str, str, dt.date], ExchangeRate]
) -> None:
    lacking: list[dt.date] = []
    for day in days:
        rate = worth(day, *pair)
        if rate is None:
            lacking.append(day.on)
            continue
        said = Said(*pair, day.on, rate, day.line)
        known = there.get(said.key)
        if known is None:
            plan.new.append(said)
        elif known.rate == rate:
            plan.same += 1
        else:
            plan.differing.append((said, known))
    if lacking:
        plan.without.append((pair, len(lacking), lacking[0]))


def _there(pairs: Collection[Pair], days: Sequence[Quotes]) -> dict[tuple[str, str, dt.date], ExchangeRate]:
    """What stands there for these pairs in the days of a file, in one query."""
    if not pairs or not days:
        return {}
    rows: Iterable[ExchangeRate] = db.session.scalars(
        sa.select(ExchangeRate).options(joinedload(ExchangeRate.person)).where(
            _LIVE, sa.tuple_(ExchangeRate.currency, ExchangeRate.base).in_(list(pairs)),
            ExchangeRate.from_on.between(days[-1].on, days[0].on),
        )
    )  # fmt: skip
    return {(row.currency, row.base, row.from_on): row for row in rows}


def take_rates(sent: RateFile, wanted: Wanted, *, by: Actor, skip_problems: bool = False) -> int:
    """Add the new rates of a file; what is there already stays as it is. Returns how many were added.

    Taking the same again adds nothing. Raises Refused while the file has bad lines, unless the good ones are wanted;
    Stale when something else was taken from this file.
    """
    authorize(by, can_edit_exchange_rates)
    with transaction():
        lock_row(sent)
        if sent.taken_at is not None:
            if Wanted.from_json(sent.wanted) != wanted:
                raise Stale("Other rates were taken from this file already. Send it again to take more of them.")
            return sent.added or 0
        plan = plan_rates(sent, wanted)
        if plan.problems and not skip_problems:
            lines = len(plan.problems)
            raise Refused(
                f"{lines} line{' is' if lines == 1 else 's are'} not readable, beginning with line "
                f"{plan.problems[0].line}: {plan.problems[0].message} "
                "Correct the file, or choose to take its good lines."
            )
        if not plan.pairs:
            raise Refused("Choose the currencies whose rates are taken.", field="currencies")
        rows = [
            {"id": new_id(), "currency": said.currency, "base": said.base, "from_on": said.from_on, "rate": said.rate,
             "source": RateSource.ECB, "via": EURO if is_cross(said.currency, said.base) else None}
            for said in plan.new
        ]  # fmt: skip
        common = {"file_id": sent.id, "entered_by": by.person_id}
        sent.added = insert_rows(ExchangeRate, rows, common=common, tail="ON CONFLICT DO NOTHING")
        sent.taken_at, sent.wanted = clock.now(), wanted.to_json()
        days = [said.from_on for said in plan.new]
        record(
            "ledger.rate.import", sent, by=by, name=sent.file_name, source=RateSource.ECB, added=sent.added,
            pairs=[list(pair) for pair in plan.pairs], first=min(days, default=None), last=max(days, default=None),
            covers=[("rate_file", sent.id)],
        )  # fmt: skip
        return sent.added

