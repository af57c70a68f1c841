"""The forms of time, expenses and rates."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar

import wtforms
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired, Length, Optional

from app.catalogue.models import WorkRole
from app.core.actors import Actor
from app.core.clock import today
from app.core.fields import AmountField, CodeField, DurationField, PercentField, PickField, VersionField, offers
from app.core.web import Form
from app.firm.queries import list_entities, list_tax_rates
from app.timekeeping.commands.expenses import LONGEST_EVIDENCE, ExpenseTax
from app.timekeeping.commands.valuing import LONGEST_NARRATIVE, EntryFacts
from app.timekeeping.late import closed_note
from app.timekeeping.lookup import currency_of, resolve_work
from app.timekeeping.models import BillTax, Expense, TimeEntry
from app.timekeeping.targets import Target

TOO_LONG = f"A narrative has at most {LONGEST_NARRATIVE:,} characters; shorten it."
NO_DATE = "Give a date, for example 2026-03-31."


class WorkField(PickField):
    """What time is recorded on: `data` is a Target, picked from the list or named exactly."""

    def __init__(self, label: str = "Work", **kwargs: Any) -> None:
        self.seen_by: Actor | None = None
        super().__init__(label, find=self._resolve, required="Say what you worked on.", **kwargs)

    def _resolve(self, text: str) -> Any:
        return resolve_work(text, seen_by=self.seen_by) if self.seen_by else None

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = Target.parse(valuelist[0]) if valuelist else None

    def show(self, item: TimeEntry | Expense) -> None:
        """Say where an item is."""
        self.data = Target.of(item)
        names = [item.client.name, item.job.title if item.job else item.engagement.name]
        self.text = " · ".join([*names, item.task.name] if item.task else names)


class DateField(wtforms.DateField):
    """A day; what cannot be read is said in words."""

    def process_formdata(self, valuelist: list[str]) -> None:
        if not any(valuelist):
            self.data = None
            return
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(NO_DATE) from None


class ApartForm(Form):
    """A form that may stand on a page beside another one with the same fields."""

    def apart(self, prefix: str) -> None:
        for field in self:
            field.id = field.label.field_id = f"{prefix}-{field.id}"


class EntryForm(ApartForm):
    """Time worked: the same fields for adding and for changing."""

    id = wtforms.HiddenField()
    version = VersionField()
    person = wtforms.HiddenField()
    worked_on = DateField("Day", validators=[InputRequired(NO_DATE)])
    work = WorkField("Work")
    recorded = DurationField("Time", validators=[InputRequired("Say how long it took, for example 1:30 or 90m.")])
    narrative = wtforms.TextAreaField("Narrative", validators=[Length(max=LONGEST_NARRATIVE, message=TOO_LONG)])
    billable = wtforms.BooleanField("Billable", default=True)
    activity = wtforms.StringField("Activity", validators=[Length(max=80)])

    def prepare(self, by: Actor) -> EntryForm:
        self.work.seen_by = by
        if self.worked_on.data is None and not self.worked_on.raw_data:
            self.worked_on.data = today()
        return self

    @property
    def closed_note(self) -> str:
        """What becomes of time of the day that is filled in, where books are closed."""
        return closed_note(self.worked_on.data) if self.worked_on.data else ""

    @property
    def is_empty(self) -> bool:
        """Whether it is as it stands for the next entry: nothing is filled in but the day."""
        filled_in = self.work.data, self.work.text, self.narrative.data, self.recorded.data, self.errors
        return bool(self.billable.data) and not any(filled_in)

    def empty(self, on: dt.date) -> EntryForm:
        """Forget what was typed: the same form for the next entry."""
        for field in self:
            field.raw_data, field.errors = None, ()
        self.process(None, worked_on=on)
        return self

    def show(self, entry: TimeEntry) -> None:
        """Fill in an entry that is to be changed."""
        self.version.data = str(entry.version)
        self.worked_on.data, self.recorded.data = entry.worked_on, entry.recorded
        self.narrative.data, self.billable.data = entry.narrative, entry.billable
        self.activity.data = entry.activity
        self.work.show(entry)

    def facts(self) -> EntryFacts:
        assert self.worked_on.data is not None
        return EntryFacts(
            worked_on=self.worked_on.data,
            recorded=self.recorded.data,
            narrative=self.narrative.data or "",
            billable=self.billable.data,
            activity=self.activity.data or "",
            **vars(self.work.data),
        )


class SplitForm(ApartForm):
    id = wtforms.HiddenField()
    taken = DurationField("Time to take out", validators=[InputRequired("Say how much of it, for example 0:30.")])
    part_narrative = wtforms.TextAreaField(
        "Its narrative", validators=[Length(max=LONGEST_NARRATIVE, message=TOO_LONG)]
    )


def _currency_of_work(form: Any) -> str | None:
    """That of the engagement which the form's work belongs to; none while it names no work that is in sight."""
    work, seen_by = form.work.data, form.work.seen_by
    return currency_of(work, seen_by=seen_by) if work and seen_by else None


BY_CODE = "code:"


class ExpenseTaxForm(Form):
    """How the bill that passes an expense on taxes it."""

    version = VersionField()
    bill_tax = CodeField("Tax on the bill")
    receipt_name = wtforms.StringField("Name on the receipt", validators=[Length(max=LONGEST_EVIDENCE)])
    evidence = wtforms.StringField("Why the client owed it", validators=[Length(max=LONGEST_EVIDENCE)])

    def offer_taxes(self, expense: Expense | None = None) -> None:
        """What can be chosen today, and what was chosen before even if it cannot."""
        codes = {rate.code: rate.name for rate in list_tax_rates()}
        if expense is not None and expense.bill_tax is BillTax.CODE and expense.tax_code:
            codes.setdefault(expense.tax_code, f"{expense.tax_code}, not in use today")
        by_code = [(BY_CODE + code, name) for code, name in codes.items()]
        self.bill_tax.offer(
            [(BillTax.DISBURSEMENT.value, disbursement_words()), *by_code], empty="As its engagement"
        )

    def show_tax(self, expense: Expense) -> None:
        chosen = {BillTax.ENGAGEMENT: None, BillTax.CODE: f"{BY_CODE}{expense.tax_code}"}
        self.bill_tax.data = chosen.get(expense.bill_tax, expense.bill_tax.value)
        self.receipt_name.data, self.evidence.data = expense.receipt_name, expense.evidence
        self.version.data = str(expense.version)

    def said_of_tax(self) -> ExpenseTax:
        chosen = self.bill_tax.data or BillTax.ENGAGEMENT.value
        code = chosen.removeprefix(BY_CODE) if chosen.startswith(BY_CODE) else None
        return ExpenseTax(
            how=BillTax.CODE if code else BillTax(chosen), code=code,
            receipt_name=self.receipt_name.data or "", evidence=self.evidence.data or "",
        )


def disbursement_words() -> str:
    """A disbursement in the words of the country that the firm bills from."""
    entities = list_entities()
    if entities and all(entity.country == "US" for entity in entities):
        return "Not taxed: a cost advanced for the client"
    return "Outside the scope: a disbursement"


class ExpenseForm(ExpenseTaxForm):
    """Money laid out. The currency is that of the engagement."""

    id = wtforms.HiddenField()
    spent_on = DateField("Day", validators=[InputRequired(NO_DATE)])
    work = WorkField("For")
    category = wtforms.StringField("Kind", validators=[Length(max=80)])
    narrative = wtforms.TextAreaField(
        "What it was for",
        validators=[
            InputRequired("Say what it was for; the client may read it."),
            Length(max=LONGEST_NARRATIVE, message=TOO_LONG),
        ],
    )
    net = AmountField(
        "Net", currency=_currency_of_work, validators=[InputRequired("Give the amount without tax.")]
    )
    tax = AmountField("Tax", currency=_currency_of_work, validators=[Optional()])
    mark_up_percent = PercentField("Mark-up", most=1000, validators=[Optional()])
    billable = wtforms.BooleanField("Billable to the client", default=True)

    def prepare(self, by: Actor, expense: Expense | None = None) -> ExpenseForm:
        self.work.seen_by = by
        self.offer_taxes(expense)
        if self.spent_on.data is None and not self.spent_on.raw_data:
            self.spent_on.data = today()
        return self


def _roles(none: str) -> list[SelectChoice]:
    return offers([("", none), *((role.value, role.value.replace("_", " ").capitalize()) for role in WorkRole)])


class RateForm(Form):
    """A rate from a day on. What is left empty applies to everything."""

    id = wtforms.HiddenField()
    from_on = DateField("From", validators=[InputRequired(NO_DATE)])
    amount = AmountField(
        "Rate an hour", currency=lambda form: (form.currency.data or "").upper(),
        validators=[InputRequired("Give the rate an hour.")],
    )
    currency = wtforms.StringField(
        "Currency",
        validators=[InputRequired("Three letters."), Length(min=3, max=3, message="Three letters, for example GBP.")],
    )
    person = PickField("Person", find=lambda text: None)
    grade = wtforms.StringField("Grade", validators=[Length(max=80)])
    work_role = wtforms.SelectField(
        "Work role",
        choices=_roles("Any"),
        default="",
    )
    activity = wtforms.StringField("Activity", validators=[Length(max=80)])
    client = PickField("Client", find=lambda text: None)
    engagement = PickField("Engagement", find=lambda text: None)


class TryRateForm(Form):
    """Which rate would apply."""

    class Meta(Form.Meta):
        csrf = False

    person = PickField("Person", find=lambda text: None, required="Pick a person.")
    engagement = PickField("Engagement", find=lambda text: None, required="Pick an engagement.")
    on = DateField("On", validators=[InputRequired(NO_DATE)])
    work_role = wtforms.SelectField("Work role", choices=_roles("Whatever the role"), default="")


Fallback = TypeVar("Fallback", dt.date, None)


def day_or(text: str, otherwise: Fallback) -> dt.date | Fallback:
    """A date of an address, or the fallback when there is none to read."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return otherwise


__all__ = ["EntryForm", "ExpenseForm", "ExpenseTaxForm", "RateForm", "SplitForm", "TryRateForm", "day_or"]
