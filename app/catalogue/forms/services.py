"""Forms of services, their stages and a template's details."""

from __future__ import annotations

import wtforms
from wtforms.validators import DataRequired, Length

from app.catalogue.commands import ServiceValues, StageValues
from app.catalogue.forms.rules import ANCHORS, DueRuleField
from app.catalogue.models import Cadence, Service
from app.core.fields import AmountField, EnumField, NumberField, VersionField, offers
from app.core.web import Form

CADENCES = {
    Cadence.ONCE: "Once, when it is asked for", Cadence.MONTH: "Each month", Cadence.QUARTER: "Each calendar quarter",
    Cadence.VAT_QUARTER: "Each VAT quarter of the client", Cadence.HALF_YEAR: "Each half of the client's year",
    Cadence.YEAR: "Each year to the client's year end", Cadence.CALENDAR_YEAR: "Each calendar year",
    Cadence.TAX_YEAR: "Each British tax year, to 5 April", Cadence.PAYROLL: "Each pay period of the client",
}
ENGAGEMENTS = offers([
    ("", "Its jobs share the client’s engagement"), ("own", "Each job has one of its own (a matter)"),
])
PRIORITIES = offers([(0, "Normal"), (1, "High"), (2, "Urgent")])


PERIOD_ANCHORS = list(ANCHORS[:2])


class ServiceForm(Form):
    id = wtforms.HiddenField()
    version = VersionField()
    name = wtforms.StringField("Name", validators=[DataRequired("Give the service a name."), Length(max=120)])
    code = wtforms.StringField("Code", validators=[Length(max=40)])
    practice_area = wtforms.StringField("Practice area", validators=[Length(max=80)])
    cadence = EnumField("How often it is usually done", Cadence, CADENCES, default=Cadence.ONCE)
    own_engagement = wtforms.SelectField("Engagement", choices=ENGAGEMENTS, coerce=str, default="")
    description = wtforms.TextAreaField("What it is")

    def values(self) -> ServiceValues:
        return ServiceValues(
            self.name.data or "", self.code.data or "", self.practice_area.data or "", self.description.data or "",
            self.cadence.data, bool(self.own_engagement.data),
        )

    def show(self, service: Service) -> None:
        self.version.data = str(service.version)
        self.own_engagement.data = "own" if service.own_engagement else ""


class StageForm(Form):
    id = wtforms.HiddenField()
    name = wtforms.StringField("Stage", validators=[DataRequired("Give the stage a name."), Length(max=60)])
    client_words = wtforms.StringField("What clients read", validators=[Length(max=120)])
    limit_days = NumberField("Time limit, days", least=1, most=3650)
    moves_itself = wtforms.BooleanField("Moves on by itself when all is done", default=True)

    def values(self) -> StageValues:
        return StageValues(
            self.name.data or "", self.client_words.data or "", self.limit_days.data, bool(self.moves_itself.data)
        )


class DetailsForm(Form):
    version = VersionField()
    title_pattern = wtforms.StringField("Title of each job", validators=[DataRequired("Give the jobs a title.")])
    start_rule = DueRuleField("When the job starts")
    due_rule = DueRuleField("When the job is due")
    priority = wtforms.SelectField("Priority", choices=PRIORITIES, coerce=int)
    fee = AmountField("Fixed fee", currency="")
