"""A year of an accountancy firm, day by day: work comes, is done and asked for; `money` bills it and is paid."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import StepKind
from app.clients.access import actor_for
from app.clients.models import Client
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.db import db, in_one_piece
from app.core.errors import NotAllowed
from app.core.ids import new_id
from app.demo.asking import Asking
from app.demo.cast import ADVICE, INTERNAL
from app.demo.filling import keep_filling
from app.demo.founding import House
from app.demo.money import Money
from app.firm.calendars import calendar_for
from app.jobs.commands.deadline_dates import extend_deadline
from app.jobs.commands.deadlines import satisfy_deadline
from app.jobs.commands.jobs import complete_job
from app.jobs.commands.reviews import return_task
from app.jobs.commands.tasks import assign_task, complete_task
from app.jobs.models import DOABLE_STATES, UNMET, Deadline, DeadlineState, Job, JobStatus, Task
from app.people.commands.leave import NewLeave, add_leave
from app.people.models import Leave, LeaveKind, Person, WorkingPattern
from app.planning.commands.forecasting import top_up_forecasts
from app.planning.commands.occurrences import create_occurrences, due_occurrences
from app.requests.commands.asking import ask_due_requests
from app.timekeeping.commands.entries import EntryFacts, record_entry

HOUR = dt.timedelta(hours=1)
A_DAY, A_WEEK, LOOKED_AHEAD, MOST_SHARED = 7 * HOUR, dt.timedelta(days=7), dt.timedelta(days=25), 6
BILLED_ON, CHASED_ON = 5, 16
PIECES, ADVICE_PIECES = (180, 240, 300), (45, 60, 90, 120)  # minutes that one thing is worked on at a time
PAID_BY_CLIENTS = ("UK-SA-POA2", "UK-SA-PAY", "UK-CTPAY", "UK-PAYE-ELEC", "IE-PAYE")


class Year:
    """One firm's days. Each is lived in one transaction, which also keeps what the next one needs to know.

    Deterministic for a seed: every day has dice of its own, so that it does not matter how often the year was
    interrupted. Nothing here but the product's commands writes.
    """

    def __init__(self, house: House, seed: int, last: dt.date, known: dict[str, Any]) -> None:
        self.house = house
        self.seed = seed
        self.last = last
        self.dice = random.Random(seed)
        self.left: dict[UUID, int] = {UUID(task): left for task, left in known.get("left", {}).items()}
        answers = {UUID(id_): dt.date.fromisoformat(day) for id_, day in known.get("answer_on", {}).items()}
        self.actors: dict[UUID, Actor] = {p.id: actor_for(p) for p in house.people.values()}
        self.returned = False
        self.asking = Asking(house, last, self.actors, answers)
        unpaid = [(dt.date.fromisoformat(day), UUID(bill)) for day, bill in known.get("unpaid", ())]
        self.money = Money(house, last, self.actors[house.people["Beatrice Lowe"].id], unpaid)
        self.calendars = {name: calendar_for(office.calendar) for name, office in house.offices.items()}
        self.office_of = {office.id: name for name, office in house.offices.items()}
        self.weeks: dict[UUID, list[int]] = {
            row.person_id: row.minutes for row in db.session.scalars(sa.select(WorkingPattern))
        }

    def known(self) -> dict[str, Any]:
        """What tomorrow needs to know, as it is kept."""
        return {
            "left": {str(task): left for task, left in self.left.items()},
            "unpaid": [(day.isoformat(), str(bill)) for day, bill in self.money.unpaid],
            "answer_on": {str(id_): day.isoformat() for id_, day in self.asking.answer_on.items()},
        }

    def run(self, first: dt.date, tell: Callable[[dt.date], None]) -> None:
        """Live through the days from first on, until the last is over."""
        day = first
        while day <= self.last:
            tell(day)
            self.dice = self.asking.dice = self.money.dice = random.Random(f"{self.seed} {day}")
            with clock.travel_to(self.at(day, 7)):
                self._create_due_jobs()
            with in_one_piece():
                if any(c.is_working_day(day) for c in self.calendars.values()):
                    self._live(day, is_last=day == self.last)
                keep_filling(day, self.known())
            db.session.expunge_all()
            day += dt.timedelta(days=1)

    def at(self, day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(hour, minute), clock.zone())

    def _create_due_jobs(self) -> None:
        if clock.today().day == 1:
            while top_up_forecasts(by=SYSTEM):
                pass
        ids = [row.id for row in due_occurrences(500, by=SYSTEM)]
        if ids:
            create_occurrences(ids, by=SYSTEM)

    def _live(self, day: dt.date, *, is_last: bool) -> None:
        with clock.travel_to(self.at(day, 9, 30)):
            ask_due_requests(by=SYSTEM)
            self.asking.remind(day)
            self.asking.receive(day)
            self.asking.ask_between(day)
            self._give_out(day)
            self._share_out(day)
        # A session forgets what nobody holds: each act would ask for whoever does it, and for the job, once more.
        people, (work, jobs) = db.session.scalars(sa.select(Person)).all(), self._tasks_by_person(day)
        away, self.returned = self._away(day), False
        for person in self.house.people.values():
            minutes = self.weeks[person.id][day.weekday()]
            if not minutes or person.id in away or not self.calendars[self._office(person)].is_working_day(day):
                continue
            if self.dice.random() < 0.02:
                with clock.travel_to(self.at(day, 8)):
                    sick = NewLeave(id=new_id(), kind=LeaveKind.SICK, from_on=day, to_on=day)
                    add_leave(person, sick, by=SYSTEM)
                continue
            self._work(person, day, minutes // 2 if is_last else minutes - 15, work[person.id])
        del people, work, jobs
        with clock.travel_to(self.at(day, 17)):
            self._finish_jobs(day)
            self._look_after_deadlines(day)
            if self._is_turn(day, BILLED_ON):
                self.money.bill(day)
            if self._is_turn(day, CHASED_ON) and (self.last - day).days < 100:
                self.money.chase(day)
            self.money.collect(day)

    def _office(self, person: Person) -> str:
        return self.office_of[person.office_id]

    def _is_turn(self, day: dt.date, of_month: int) -> bool:
        """That day of the month, or the Monday after it."""
        return day.day == of_month or (day.weekday() == 0 and of_month < day.day <= of_month + 2)

    def _away(self, day: dt.date) -> set[UUID]:
        there = Leave.cancelled_at.is_(None), Leave.from_on <= day, Leave.to_on >= day
        return set(db.session.scalars(sa.select(Leave.person_id).where(*there)))

    def _tasks_by_person(self, day: dt.date) -> tuple[dict[UUID, list[Task]], list[Job]]:
        """What each can do, the first to be done first, and the jobs that it is of."""
        found: dict[UUID, list[Task]] = defaultdict(list)
        jobs = []
        for task, job in db.session.execute(
            sa.select(Task, Job)
            .join(Job, Job.id == Task.job_id)
            .where(
                Task.state.in_(DOABLE_STATES),
                Task.assignee_id.is_not(None),
                Job.status == JobStatus.ACTIVE,
                Job.starts_on <= day,
            )
            .order_by(Task.due_on.nulls_last(), Task.id)
        ):
            found[task.assignee_id].append(task)  # type: ignore[index]
            jobs.append(job)
        return found, jobs

    def _give_out(self, day: dt.date) -> None:
        """Managers give out what is nobody's when it is due soon; the rest stays in the queue."""
        nobodys = db.session.scalars(
            sa.select(Task).join(Job, Job.id == Task.job_id).where(
                Task.state.in_(DOABLE_STATES), Task.assignee_id.is_(None), Job.status == JobStatus.ACTIVE,
                Task.due_on <= day + dt.timedelta(days=3),
            ).order_by(Task.id)
        ).all()
        offices = dict(db.session.execute(
            sa.select(Client.id, Client.office_id).where(Client.id.in_([task.client_id for task in nobodys]))
        ).all()) if nobodys else {}
        for task in nobodys:
            team = [p for p in self.house.people.values()
                    if p.office_id == offices[task.client_id] and p.grade in ("Senior", "Junior")]
            assign_task(task, to=db.session.get_one(Person, self.dice.choice(team).id), by=SYSTEM)

    def _share_out(self, day: dt.date) -> None:
        """On Mondays managers give work that has lain for a week to whoever of the office has least in hand."""
        if day.weekday():
            return
        doable = sa.select(Task).join(Job, Job.id == Task.job_id).where(
            Task.state.in_(DOABLE_STATES), Task.assignee_id.is_not(None), Job.status == JobStatus.ACTIVE,
            Task.due_on <= day + LOOKED_AHEAD,
        )
        tasks = db.session.scalars(doable.order_by(Task.due_on, Task.id)).all()
        in_hand: dict[UUID, dt.timedelta] = defaultdict(dt.timedelta)
        for task in tasks:
            if task.assignee_id:
                in_hand[task.assignee_id] += task.estimate or HOUR
        away, given = self._away(day), 0
        offices = {person.id: person.office_id for person in self.house.people.values()}
        for task in tasks:
            holder = task.assignee_id
            late = task.due_on is not None and task.due_on < day - A_WEEK
            if not late or task.kind is StepKind.REVIEW or holder is None or given == MOST_SHARED:
                continue
            office = offices[holder]
            team = [p for p in self.house.people.values()
                    if p.office_id == office and p.grade in ("Senior", "Junior") and p.id not in away]
            to = min(team, key=lambda p: (in_hand[p.id], p.name), default=None)
            if to is None or in_hand[holder] - in_hand[to.id] < A_DAY:
                continue
            assign_task(task, to=db.session.get_one(Person, to.id), by=SYSTEM)
            in_hand[holder] -= task.estimate or HOUR
            in_hand[to.id] += task.estimate or HOUR
            given += 1

    def _work(self, person: Person, day: dt.date, minutes: int, tasks: list[Task]) -> None:
        """Tasks by due date first, then advice for one's clients, now and then the firm's own business."""
        by, hour = self.actors[person.id], 9 * 60
        spare = 40 if person.grade != "Administrator" else 150
        for task in tasks:
            if minutes <= spare:
                break
            if task.due_on and (task.due_on - day).days > 25:
                continue
            if task.id not in self.left:
                estimate = (task.estimate or HOUR).total_seconds() / 60
                self.left[task.id] = max(int(estimate * self.dice.triangular(0.6, 1.7, 1.0)), 10)
            while minutes > spare and self.left.get(task.id, 0) > 0:
                chunk = min(self.left[task.id], minutes, self.dice.choice(PIECES))
                with clock.travel_to(self.at(day, hour // 60, hour % 60)):
                    self._record(task.engagement_id, day, chunk, by, task=task, narrative=task.name)
                    self.left[task.id] -= chunk
                    if self.left[task.id] <= 0:
                        del self.left[task.id]
                        self._complete(task, by)
                minutes, hour = minutes - chunk, min(hour + chunk, 19 * 60)
        self._fill(person, day, minutes, hour, by)

    def _fill(self, person: Person, day: dt.date, minutes: int, hour: int, by: Actor) -> None:
        if person.grade != "Administrator":
            mine = [c for c in self.house.clients if c.office_id == person.office_id and c.id in self.house.advice]
            while minutes > 90 and mine and self.dice.random() < 0.5:
                chunk = min(self.dice.choice(ADVICE_PIECES), minutes)
                with clock.travel_to(self.at(day, hour // 60, hour % 60)):
                    engagement = self.house.advice[self.dice.choice(mine).id]
                    self._record(engagement.id, day, chunk, by, narrative=self.dice.choice(ADVICE))
                minutes, hour = minutes - chunk, min(hour + chunk, 19 * 60)
        in_the_office = person.grade == "Administrator"
        if minutes >= 30 and self.dice.random() < (0.9 if in_the_office else 0.5):
            with clock.travel_to(self.at(day, hour // 60, hour % 60)):
                own = min(minutes, self.dice.choice((150, 210, 240) if in_the_office else (60, 90, 150)))
                self._record(self.house.internal.id, day, own, by, narrative=self.dice.choice(INTERNAL))

    def _record(
        self, engagement_id: UUID, day: dt.date, minutes: int, by: Actor, *, task: Task | None = None, narrative: str
    ) -> None:
        facts = EntryFacts(
            engagement_id=engagement_id,
            worked_on=day,
            recorded=dt.timedelta(minutes=minutes),
            narrative=narrative,
            task_id=task.id if task else None,
        )
        record_entry(new_id(), facts, by=by)

    def _complete(self, task: Task, by: Actor) -> None:
        if self.returned:  # and what came after it waits again
            db.session.refresh(task, ["state", "returns", "started_at"])
        if task.state not in DOABLE_STATES:
            return
        try:
            if task.kind is StepKind.REVIEW and task.returns == 0 and self.dice.random() < 0.06:
                back = return_task(task, note="Please tie the control account to the ledger and send it again.", by=by)
                self.left[back.id], self.left[task.id] = 45, 20
                self.returned = True
                return
            complete_task(task, by=by)
        except NotAllowed:
            # One's own work is reviewed by somebody else.
            other = next(a for a in self.actors.values() if a.role == "partner" and a.id != by.id)
            complete_task(task, by=other)

    def _finish_jobs(self, day: dt.date) -> None:
        done = db.session.scalars(
            sa.select(Job).where(Job.status == JobStatus.ACTIVE, Job.tasks_total > 0, Job.tasks_done >= Job.tasks_total)
            .order_by(Job.id)
        ).all()
        for job in done:
            by = self.actors.get(job.owner_id) if job.owner_id else None
            for deadline in db.session.scalars(
                sa.select(Deadline).where(Deadline.job_id == job.id, Deadline.state.in_(UNMET))
            ):
                satisfy_deadline(deadline, by=by or SYSTEM)
            complete_job(job, by=by or SYSTEM)

    def _look_after_deadlines(self, day: dt.date) -> None:
        """Clients pay their own tax in time, nearly all; for what will not be ready, more time is asked."""
        near = db.session.scalars(
            sa.select(Deadline).join(Job, Job.id == Deadline.job_id).where(
                Deadline.state.in_(UNMET), Deadline.effective_on.between(day, day + dt.timedelta(days=4)),
                Job.status == JobStatus.ACTIVE,
            ).order_by(Deadline.id)
        ).all()
        for deadline in near:
            if deadline.code in PAID_BY_CLIENTS:
                if self.dice.random() < 0.6:
                    satisfy_deadline(deadline, by=SYSTEM)
            elif deadline.code == "UK-ACC" and deadline.state is DeadlineState.OPEN and self.dice.random() < 0.3:
                extend_deadline(
                    deadline, to=deadline.effective_on + dt.timedelta(days=30), by=SYSTEM,
                    because="Companies House gave a month: the client’s records were lost in a flood",
                )
