"""Forms: applying a service, changing one client's job, how a series runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import wtforms
from wtforms.validators import DataRequired, Length, Optional

from app.catalogue.models import Cadence, WorkRole
from app.clients.changes import Years
from app.clients.forms import find_person, name_of
from app.clients.models import Engagement
from app.clients.names import LONGEST_NAME
from app.core.clock import today
from app.core.errors import Refused
from app.core.fields import EnumField, NumberField, PickField, VersionField, offers
from app.core.ids import parse_id
from app.core.web import Form
from app.planning.cadences import WORDS, pattern_of
from app.planning.commands.applications import ApplicationValues
from app.planning.commands.occurrences import LONGEST_NOTE, LONGEST_REASON, LONGEST_TITLE
from app.planning.commands.series import SeriesValues
from app.planning.models import ByHand, Series, VersionPolicy
from app.planning.plans import OWNER
from app.planning.queries import Planned

GOES_TO = offers([
    ("", "The client’s for the service"), ("own", "One of its own for each job"),
])
AS_PLANNED, NEW = "", "new"
ROLES = (OWNER, *(role.value for role in WorkRole))


class TeamForm(Form):
    """Who answers for the jobs and who holds which work role; empty: as the client's team says."""

    owner = PickField("Answers for it", find=find_person)
    preparer = PickField("Preparer", find=find_person)
    reviewer = PickField("Reviewer", find=find_person)
    partner = PickField("Partner", find=find_person)
    administrator = PickField("Administrator", find=find_person)

    def team(self) -> dict[str, str]:
        return {name: str(self[name].data) for name in ROLES if self[name].data}

    def people(self) -> list[PickField]:
        """In the order in which work passes through their hands, and who answers for all of it last."""
        return [self.preparer, self.reviewer, self.partner, self.administrator, self.owner]

    def show_team(self, roles: dict[str, Any]) -> None:
        for name in ROLES:
            if roles.get(name):
                self[name].data = UUID(str(roles[name]))
                self[name].text = name_of(self[name].data)


class ApplyForm(TeamForm):
    id = wtforms.HiddenField()
    engagement = wtforms.HiddenField()
    cadence = EnumField("How often", Cadence, WORDS)
    period_on = wtforms.DateField("For the period around", validators=[DataRequired("Choose a day in the period.")])
    starts_on = wtforms.DateField("Starts on", validators=[Optional()])
    repeat = wtforms.BooleanField("Repeat it for every period from then on")
    ahead_days = NumberField("Create each job, days ahead", most=400, default=14)
    offset_days = NumberField("Start, days after the period's end", least=-400, most=400, default=0)
    send_requests = wtforms.BooleanField("Ask the clients when each request says so; otherwise hold it", default=True)

    own_engagement = wtforms.SelectField("Engagement", choices=GOES_TO, coerce=str, default="")

    def suggest(self, cadence: Cadence, own_engagement: bool = False) -> None:
        """The period that ended last in an ordinary year; work done once starts today."""
        self.cadence.data, self.own_engagement.data = cadence, "own" if own_engagement else ""
        pattern = pattern_of(cadence, Years())
        self.period_on.data = pattern.containing(today()).start - dt.timedelta(days=1) if pattern else today()

    def values(self) -> ApplicationValues:
        return ApplicationValues(
            self.cadence.data, self.period_on.data or today(), self.starts_on.data, self.team(), bool(self.repeat.data),
            14 if self.ahead_days.data is None else self.ahead_days.data, self.offset_days.data or 0,
            bool(self.send_requests.data), bool(self.own_engagement.data),
            parse_id(self.engagement.data or ""),
        )


PAST_DEADLINE = "Why it is due past a deadline"


class ClientChangeForm(Form):
    skip = wtforms.BooleanField("Pass this client over")
    owner = PickField("Answers for it", find=find_person)
    starts_on = wtforms.DateField("Starts on", validators=[Optional()])
    due_on = wtforms.DateField("Due on", validators=[Optional()])
    because = wtforms.StringField(PAST_DEADLINE, validators=[Length(max=LONGEST_REASON)])
    engagement = wtforms.SelectField("Engagement", coerce=str, default=AS_PLANNED)
    new_engagement = wtforms.StringField("Name of the new one", validators=[Length(max=LONGEST_NAME)])

    def offer(self, planned: Planned, engagements: Sequence[Engagement]) -> None:
        """The client's open engagements beside the planned one and a new one."""
        row, plan = planned.row, planned.plan
        said = f"{plan.engagement_name}, {'there already' if plan.client.engagement_id else 'new'}"
        as_planned = "As planned" if row.engagement_id or row.new_engagement else f"As planned: {said}"
        self.engagement.choices = offers([
            (AS_PLANNED, as_planned), *((each.id, f"{each.number} {each.name}") for each in engagements),
            (NEW, "A new one"),
        ])

    def show(self, planned: Planned) -> None:
        row = planned.row
        self.engagement.data = str(row.engagement_id or (NEW if row.new_engagement else AS_PLANNED))
        self.new_engagement.data = row.new_engagement or planned.plan.new_name

    @property
    def chosen(self) -> UUID | None:
        return parse_id(self.engagement.data or "")

    @property
    def named(self) -> str:
        """The name of the new engagement that is asked for; empty where none is."""
        if self.engagement.data != NEW:
            return ""
        if not (self.new_engagement.data or "").strip():
            raise Refused("Give the new engagement a name.", field="new_engagement")
        return str(self.new_engagement.data)


class OccurrenceForm(TeamForm):
    """What holds for one occurrence alone; what is empty follows the rule and the series."""

    seen = wtforms.HiddenField()
    starts_on = wtforms.DateField("Starts on", validators=[Optional()])
    due_on = wtforms.DateField("Due on", validators=[Optional()])
    because = wtforms.StringField(PAST_DEADLINE, validators=[Length(max=LONGEST_REASON)])
    title = wtforms.StringField("Title", validators=[Length(max=LONGEST_TITLE)])
    note = wtforms.TextAreaField("Note for the job", validators=[Length(max=LONGEST_NOTE)])

    def show(self, own: ByHand) -> None:
        self.seen.data = own.digest
        self.starts_on.data, self.due_on.data = own.starts_on, own.due_on
        self.title.data, self.note.data, self.because.data = own.title, own.note, own.because
        self.show_team(dict(own.roles))

    def values(self) -> ByHand:
        return ByHand(
            self.starts_on.data, self.due_on.data, self.team(), self.title.data or "", self.note.data or "",
            self.because.data or "",
        )


class SkipForm(Form):
    because = wtforms.StringField("Why it is skipped", validators=[Length(max=LONGEST_REASON)])


class SeriesForm(TeamForm):
    version = VersionField()
    ahead_days = NumberField("Create each job, days ahead", most=400)
    offset_days = NumberField("Start, days after the period's end", least=-400, most=400)
    ends_on = wtforms.DateField("Last period begins by", validators=[Optional()])
    version_policy = EnumField("Made from", VersionPolicy, {
        VersionPolicy.LATEST: "the latest published version", VersionPolicy.PIN: "the version of now, always",
    })
    because = wtforms.StringField(PAST_DEADLINE, validators=[Length(max=LONGEST_REASON)])

    def show(self, series: Series) -> None:
        for name in ("ahead_days", "offset_days", "ends_on", "version_policy"):
            self[name].data = getattr(series, name)
        self.version.data = str(series.version)
        self.show_team(series.roles)

    def values(self) -> SeriesValues:
        return SeriesValues(
            self.ahead_days.data or 0, self.offset_days.data or 0, self.ends_on.data, self.team(),
            self.version_policy.data,
        )
