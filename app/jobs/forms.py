"""The forms of jobs and steps."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import wtforms
from wtforms.validators import DataRequired, Length, Optional

from app.catalogue.models import Service, StepKind, WorkRole
from app.clients.models import Client, Engagement, EngagementStatus
from app.clients.queries import engagements_of, find_client, get_engagement
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.core.errors import Refused
from app.core.fields import DurationField, EnumField, IdSelectField, NumberField, PickField, VersionField, offers
from app.core.ids import parse_id
from app.core.web import Form, form_id
from app.jobs.commands.dates import Answer
from app.jobs.commands.deadline_dates import DeadlineChange, NewDeadline
from app.jobs.commands.deadlines import Filed
from app.jobs.commands.jobs import JobChange, NewJob
from app.jobs.commands.steps import NewTask, TaskChange
from app.jobs.models import Deadline, Job, Task
from app.people.models import Person, PersonState

PRIORITIES = [("0", "Normal"), ("1", "High"), ("2", "Urgent")]
MOST = dt.timedelta(hours=10_000)


def find_person(text: str) -> UUID | None:
    """The one active colleague of exactly this name."""
    ids = db.session.scalars(
        sa.select(Person.id)
        .where(sa.func.lower(Person.name) == text.lower(), Person.state == PersonState.ACTIVE).limit(2)
    ).all()
    return ids[0] if len(ids) == 1 else None


def person_of(field: PickField) -> Person | None:
    return db.session.get(Person, field.data) if field.data else None


def show_person(field: PickField, person: Person | None) -> None:
    field.data, field.text = (person.id, person.name) if person else (None, "")


def _day(label: str) -> wtforms.DateField:
    return wtforms.DateField(label, validators=[Optional()])


class JobForm(Form):
    """A job by hand. The engagement is picked with the client: the client's only one, or the one chosen."""

    id = wtforms.HiddenField()
    client = PickField("Client", find=lambda text: None, required="Say which client the job is for.")
    engagement = IdSelectField("Engagement")
    title = wtforms.StringField("Title", validators=[DataRequired("Give the job a title."), Length(max=300)])
    service = IdSelectField("Service")
    starts_on = _day("Starts")
    due_on = _day("Due")
    owner = PickField("In charge", find=find_person)
    budget = DurationField("Budget, hours", most=MOST)
    notes = wtforms.TextAreaField("Notes")

    def offer(self, actor: Actor) -> None:
        """Fill the short lists; the client's engagements once the client is known."""
        self.client.find = lambda text: _client_id(text, actor)
        services = db.session.execute(
            sa.select(Service.id, Service.name).where(Service.archived_at.is_(None)).order_by(Service.name)
        ).all()
        self.service.offer([(row.id, row.name) for row in services], empty="No service")
        engagements = engagements_of(self.client.data, seen_by=actor, open_only=True) if self.client.data else []
        self.engagement.offer([(e.id, f"{e.number} {e.name}") for e in engagements], empty="The client's only one")

    def values(self, actor: Actor) -> NewJob:
        return NewJob(
            id=form_id(self), engagement=self._engagement(actor), title=self.title.data or "",
            service_id=self.service.data, starts_on=self.starts_on.data, due_on=self.due_on.data,
            owner=person_of(self.owner), budget=self.budget.data, notes=self.notes.data or "",
        )

    def _engagement(self, actor: Actor) -> Engagement:
        if self.engagement.data:
            chosen = get_engagement(self.engagement.data, seen_by=actor)
            if chosen.client_id == self.client.data:
                return chosen
        found = [e for e in engagements_of(self.client.data, seen_by=actor, open_only=True)
                 if e.status is EngagementStatus.OPEN]
        if len(found) != 1:
            what = "several open engagements: choose one" if found else "no open engagement: make one first"
            raise Refused(f"This client has {what}.", field="engagement")
        return found[0]


def _client_id(text: str, actor: Actor) -> UUID | None:
    client: Client | None = find_client(text, seen_by=actor)
    return client.id if client else None


PAST_DEADLINE = "Why it moves past a deadline"


class JobEditForm(Form):
    version = VersionField()
    title = wtforms.StringField("Title", validators=[DataRequired("Give the job a title."), Length(max=300)])
    starts_on = wtforms.DateField("Starts", validators=[DataRequired("Say when the job starts.")])
    due_on = _day("Due")
    owner = PickField("In charge", find=find_person)
    priority = wtforms.SelectField("Priority", choices=offers(PRIORITIES))
    budget = DurationField("Budget, hours", most=MOST)
    notes = wtforms.TextAreaField("Notes")
    because = wtforms.StringField(PAST_DEADLINE)
    dates, seen = wtforms.HiddenField(), wtforms.HiddenField()

    @classmethod
    def of(cls, job: Job) -> JobEditForm:
        form = cls(data={
            "version": job.version, "title": job.title, "starts_on": job.starts_on, "due_on": job.due_on,
            "priority": str(job.priority), "budget": job.budget, "notes": job.notes,
            "owner": job.owner_id,
        })
        if not form.owner.text:
            form.owner.text = job.owner.name if job.owner else ""
        return form

    def values(self) -> JobChange:
        return JobChange(
            title=self.title.data or "", starts_on=self.starts_on.data or today(), due_on=self.due_on.data,
            owner=person_of(self.owner), priority=int(self.priority.data), budget=self.budget.data,
            notes=self.notes.data or "", because=self.because.data or "",
        )


class TaskForm(Form):
    """A step beside the template's."""

    id = wtforms.HiddenField()
    name = wtforms.StringField("Step", validators=[DataRequired("Give the step a name."), Length(max=300)])
    kind = EnumField("Kind", StepKind, {StepKind.WORK: "Work", StepKind.REVIEW: "Review"}, default=StepKind.WORK)
    stage = IdSelectField("Stage")
    person = PickField("Who", find=find_person)
    estimate = DurationField("Estimate, hours", most=MOST)
    due_on = _day("Due")
    after = wtforms.SelectMultipleField("Comes after", validate_choice=False)
    checklist = wtforms.TextAreaField("Checklist", description="One line each.")
    instructions = wtforms.TextAreaField("Instructions")

    def values(self) -> NewTask:
        ids = [UUID(text) for text in self.after.data or [] if len(text) == 36]
        return NewTask(
            id=form_id(self), name=self.name.data or "", kind=self.kind.data, stage_id=self.stage.data,
            assignee=person_of(self.person), estimate=self.estimate.data, due_on=self.due_on.data, after=ids,
            instructions=self.instructions.data or "", checklist=(self.checklist.data or "").splitlines(),
        )


class TaskEditForm(Form):
    version = VersionField()
    name = wtforms.StringField("Step", validators=[DataRequired("Give the step a name."), Length(max=300)])
    estimate = DurationField("Estimate, hours", most=MOST)
    due_on = _day("Due")
    priority = wtforms.SelectField("Priority", choices=offers(PRIORITIES))
    instructions = wtforms.TextAreaField("Instructions")

    @classmethod
    def of(cls, task: Task) -> TaskEditForm:
        return cls(data={
            "version": task.version, "name": task.name, "estimate": task.estimate, "due_on": task.due_on,
            "priority": str(task.priority), "instructions": task.instructions,
        })

    def values(self) -> TaskChange:
        return TaskChange(
            name=self.name.data or "", instructions=self.instructions.data or "", estimate=self.estimate.data,
            due_on=self.due_on.data, priority=int(self.priority.data),
        )


class AssignForm(Form):
    person = PickField("Who", find=find_person)


class RemainingForm(Form):
    left = DurationField("Left, hours", most=MOST)


class SnoozeForm(Form):
    until = wtforms.DateField("Put off to", validators=[Optional()])


class NoteForm(Form):
    note = wtforms.TextAreaField("What is to be changed")


class ReasonForm(Form):
    because = wtforms.StringField("Why")


class MetForm(Form):
    """A deadline was met: on which day, and what the authority calls it."""

    on = wtforms.DateField("Filed or paid on", validators=[DataRequired("Say on which day.")], default=today)
    reference = wtforms.StringField("Reference", description="A filing number or receipt, if there is one.")


class DatesForm(Form):
    """A form whose saving may move other dates: the answer to them comes with it when they have been shown."""

    dates, seen = wtforms.HiddenField(), wtforms.HiddenField()


def dates_answer(form: Any) -> Answer:
    return Answer(form.dates.data == "apply", form.seen.data or "")


class DeadlineForm(Form):
    """A date beside those of the template."""

    id = wtforms.HiddenField()
    name = wtforms.StringField("What", validators=[DataRequired("Say what it is: a hearing, a filing."),
                                                   Length(max=200)])
    due_on = wtforms.DateField("Day", validators=[DataRequired("Say on which day.")])
    met_by = IdSelectField("Met by the step")
    basis = wtforms.TextAreaField(
        "Where it comes from", description="The order, the letter, the rule.",
        validators=[DataRequired("Say where the date comes from: the order, the letter, the rule.")],
    )

    def values(self, task: Task | None) -> NewDeadline:
        assert self.due_on.data is not None
        return NewDeadline(id=form_id(self), name=self.name.data or "", due_on=self.due_on.data, met_by=task,
                           basis=self.basis.data or "")


class DeadlineEditForm(DatesForm):
    """Putting a deadline right. Where a rule gives it, the day that the rule counts from is what is put right."""

    version = VersionField()
    name = wtforms.StringField("What", validators=[DataRequired("Give the deadline a name."), Length(max=200)])
    trigger_on = _day("Counts from")
    due_on = wtforms.DateField("Day", validators=[DataRequired("Say on which day.")])
    met_by = IdSelectField("Met by the step")
    because = wtforms.StringField("Why the date changes")

    @classmethod
    def of(cls, deadline: Deadline) -> DeadlineEditForm:
        return cls(data={
            "version": deadline.version, "name": deadline.name, "trigger_on": deadline.trigger_on,
            "due_on": deadline.effective_on, "met_by": deadline.met_by_task_id,
        })

    def values(self) -> DeadlineChange:
        assert self.due_on.data is not None
        return DeadlineChange(
            name=self.name.data or "", due_on=self.due_on.data, trigger_on=self.trigger_on.data,
            met_by_task_id=self.met_by.data, because=self.because.data or "",
        )


class ExtensionForm(DatesForm):
    version = VersionField()
    to = wtforms.DateField("New day", validators=[DataRequired("Say until which day.")])
    because = wtforms.StringField("Why", validators=[DataRequired("Say why there is more time.")])
    reference = wtforms.StringField("Reference", description="What the authority calls the extension.")


class NamedDateForm(DatesForm):
    version = VersionField()
    name = wtforms.HiddenField()
    on = _day("Day")
    because = wtforms.StringField(PAST_DEADLINE)


class FollowForm(Form):
    """Where all dates go that have drifted from their rules."""

    seen = wtforms.HiddenField()
    because = wtforms.StringField(PAST_DEADLINE)


class FiledForm(MetForm):
    """Which deadlines the step that is being finished has met."""

    filed = wtforms.SelectMultipleField("Met", validate_choice=False)

    def values(self) -> Filed:
        ids = [found for text in self.filed.data or [] if (found := parse_id(text))]
        return Filed(ids, self.on.data, self.reference.data or "")


class AfterForm(Form):
    """Which other step of the same job comes first."""

    after = IdSelectField("Comes after")
    lag_days = NumberField("Lag, working days", most=366, default=0)
    soft = wtforms.BooleanField("Only re-dates, does not block")


class RoleForm(Form):
    role = EnumField("Role", WorkRole)
    person = PickField("Who", find=find_person)
