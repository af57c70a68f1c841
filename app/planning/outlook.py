"""What applying a service will bring about, in one sentence: what is made, who gets mail when, what repeats."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.catalogue.models import Cadence
from app.catalogue.plausible import doubts_of
from app.core.clock import local, now
from app.core.wording import counted, day
from app.planning.models import Application
from app.planning.plans import JobPlan
from app.requests.moments import moment_of
from app.requests.queries import Reachable, who_is_asked

REPEATS = {
    Cadence.MONTH: "monthly", Cadence.QUARTER: "quarterly", Cadence.VAT_QUARTER: "each VAT quarter",
    Cadence.HALF_YEAR: "half-yearly", Cadence.YEAR: "yearly", Cadence.CALENDAR_YEAR: "each calendar year",
    Cadence.TAX_YEAR: "each tax year", Cadence.PAYROLL: "each pay period",
}
MOST_MOMENTS = 3


@dataclass(frozen=True)
class Outlook:
    """Counts over all jobs of an application. `mails` by the moment at which they go out, None for at once."""

    jobs: int
    first_due: dt.date | None
    opened: int = 0
    mails: Counter[dt.datetime | None] = field(default_factory=Counter)
    when_step_opens: int = 0
    held: int = 0
    unreachable: tuple[str, ...] = ()
    repeats: str = ""
    own_reviews: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        parts = [counted(self.jobs, "job") + (f", first due {day(self.first_due)}" if self.first_due else "")]
        if self.opened:
            parts.append(f"{counted(self.opened, 'new engagement')}")
        parts += self._mails()
        if self.when_step_opens:
            parts.append(f"{counted(self.when_step_opens, 'mail')} when the step that waits for it opens")
        if self.held:
            parts.append(f"{counted(self.held, 'request')} held until you let them go")
        if self.unreachable:
            parts.append(f"{counted(len(self.unreachable), 'client')} without an address, so not asked")
        if self.own_reviews:
            jobs = counted(self.own_reviews, "job")
            parts.append(f"{jobs} reviewed by whoever prepares, as nobody else is on the team")
        if self.repeats:
            parts.append(f"repeats {self.repeats}")
        return "; ".join(parts) + "."

    def _mails(self) -> list[str]:
        later = sorted(moment for moment in self.mails if moment)
        found = [f"{counted(self.mails[None], 'mail')} at once"] if self.mails[None] else []
        if len(later) > MOST_MOMENTS:
            total = sum(self.mails[moment] for moment in later)
            return [*found, f"{counted(total, 'mail')} between {day(later[0].date())} and {day(later[-1].date())}"]
        return found + [
            f"{counted(self.mails[moment], 'mail')} {_on(moment.date())} at {moment:%H:%M}" for moment in later
        ]


def _on(date: dt.date) -> str:
    words = day(date)
    return f"on {words}" if words[-1].isdigit() or " " in words else words


def outlook_of(
    application: Application, plans: Sequence[JobPlan], contacts: Mapping[UUID, list[Reachable]]
) -> Outlook:
    """`contacts` holds, by client, who can be written to."""
    mails: Counter[dt.datetime | None] = Counter()
    when_open = held = 0
    unreachable = []
    for plan in plans:
        asked = who_is_asked(contacts.get(plan.client.id, []))
        if plan.requests and not asked:
            unreachable.append(plan.client.name)
        elif not application.send_requests:
            held += len(plan.requests)
        else:
            for request in plan.requests:
                if request.when_step_opens:
                    when_open += len(asked)
                else:
                    mails[_moment(plan, asked[0], request.asked_on, request.row.send_time)] += len(asked)
    return Outlook(
        len(plans), min((plan.due_on for plan in plans if plan.due_on), default=None),
        sum(plan.client.engagement_id is None and not plan.client.lost for plan in plans), mails, when_open, held,
        tuple(unreachable), REPEATS.get(Cadence(application.period["cadence"]), "") if application.repeat else "",
        sum(bool(plan.own_reviews) for plan in plans), _doubts(plans),
    )


def _doubts(plans: Sequence[JobPlan]) -> tuple[str, ...]:
    """What is odd about the dates of these very jobs, each kind of thing once."""
    found: dict[str, str] = {}
    for plan in plans:
        for what, said in doubts_of(plan.blueprint, plan.dates, plan.starts_on):
            found.setdefault(what, said)
    if any(plan.due_on is None and not plan.dates.deadlines and not plan.dates.steps for plan in plans):
        found["nothing"] = "Nothing has a due date, so that no job is ever late."
    return tuple(found.values())


def _moment(plan: JobPlan, to: Reachable, asked_on: dt.date | None, at: dt.time) -> dt.datetime | None:
    moment = moment_of(
        asked_on, at, now=now(), office_zone=plan.client.office_zone, zone=to.zone or plan.client.zone,
        calendar=plan.client.calendar,
    )
    return None if moment <= now() else local(moment)
