"""The forms of billing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import wtforms
from flask_wtf.file import FileField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.billing.amounts import Spread
from app.billing.commands.lines import DraftTerms
from app.billing.models import PaymentMethod, Rest, TaxMode
from app.clients.commands.clients import LONGEST_ADDRESS
from app.clients.forms import find_client_id
from app.clients.models import Engagement
from app.core.fields import AmountField, DecimalField, EnumField, IdSelectField, PickField, VersionField, offers
from app.core.ids import parse_id
from app.core.web import Form
from app.firm.forms import GROUPINGS
from app.firm.models import Grouping
from app.firm.words import reader_country, words_of

SPREADS = {
    Spread.PRO_RATA: "Pro rata, by amount",
    Spread.OLDEST_FIRST: "Keep the oldest, cut the newest",
    Spread.NEWEST_FIRST: "Keep the newest, cut the oldest",
    Spread.CHOSEN: "Only on the entries I tick",
}
TAX_MODES = {TaxMode.LINE: "On each line", TaxMode.TOTAL: "On the total of each rate"}


class JobEngagementForm(Form):
    """To which of its client's open engagements a job is moved."""

    version = VersionField()
    engagement = IdSelectField("To", validators=[DataRequired("Choose the engagement that the job goes to.")])

    def offer(self, engagements: Sequence[Engagement]) -> None:
        named = [(each.id, f"{each.number} {each.name}") for each in engagements]
        self.engagement.offer(named, empty="Choose an engagement")

    @property
    def chosen(self) -> UUID:
        chosen: UUID = self.engagement.data
        return chosen


class DraftForm(Form):
    """Which engagements of a client are billed, up to when, and how they become lines."""

    id = wtforms.HiddenField()
    engagement = wtforms.SelectMultipleField("What is billed", validate_choice=False)
    until = wtforms.DateField("Work up to and including", validators=[DataRequired("Up to which day?")])
    grouping = EnumField("Lines", Grouping, GROUPINGS, empty="As agreed")


class GroupingForm(Form):
    """How the time of a draft becomes lines."""

    version = VersionField()
    grouping = EnumField("Time on this bill", Grouping, GROUPINGS)


class TermsForm(Form):
    """The head of a draft."""

    version = VersionField()
    terms_days = wtforms.IntegerField(
        "Due after, days",
        validators=[
            InputRequired("Give the days until it is due."),
            NumberRange(0, 365, "Terms are between 0 and 365 days."),
        ],
    )
    tax_mode = EnumField("Tax is rounded", TaxMode, TAX_MODES)
    note = wtforms.TextAreaField("Note on the bill")
    reason = wtforms.StringField("Reason for a difference from the value of the time")

    def values(self) -> DraftTerms:
        return DraftTerms(
            terms_days=self.terms_days.data or 0,
            note=self.note.data or "",
            tax_mode=self.tax_mode.data,
            reason=self.reason.data or "",
        )


class DueDateForm(Form):
    """When an issued bill is due, and why not on the day that it says."""

    version = VersionField()
    due_on = wtforms.DateField("Due on", validators=[InputRequired("Give a date.")])
    reason = wtforms.StringField("Reason", validators=[Length(max=500)])


class TakeOffForm(Form):
    """Why money is taken off the bill that it was put on."""

    reason = wtforms.StringField("Reason", validators=[Length(max=500)])


class AddressForm(Form):
    """The postal address that a bill lacks."""

    address = wtforms.TextAreaField("Postal address", validators=[
        InputRequired("Write the postal address."), Length(max=LONGEST_ADDRESS),
    ])


class PayerForm(Form):
    """Who pays a draft."""

    version = VersionField()
    payer = PickField("Who pays", find=find_client_id, required="Who pays this bill?")


LONGEST_LINE = 4000


class RestField(wtforms.StringField):
    """Whether what is not billed is written off or carried; `choice` is None where nothing was chosen."""

    @property
    def choice(self) -> Rest | None:
        return Rest(self.data) if self.data in set(Rest) else None


class LineForm(Form):
    """A line of a draft. Its amount is read by whoever knows the currency of the bill."""

    id = wtforms.HiddenField()
    description = wtforms.TextAreaField(
        "Description",
        validators=[Length(max=LONGEST_LINE, message="A line says what it is for in 4,000 characters at most.")],
    )
    net = wtforms.StringField("Net")
    tax_code = wtforms.StringField("Tax", validators=[Length(max=20)])
    supplied_on = wtforms.DateField("Supplied on", validators=[Optional()])
    rest = RestField("What is not billed")


class PartForm(Form):
    """What a draft does with an entry; of one that is billed, how much."""

    treatment = wtforms.StringField("Does")
    amount = wtforms.StringField("Billed")


class TotalForm(Form):
    """Another total for a draft: an amount or a percentage, and where the difference falls."""

    version = VersionField()
    total = wtforms.StringField("New net")
    spread = EnumField("The difference falls", Spread, SPREADS, default=Spread.PRO_RATA)
    rest = RestField("What is not billed")
    reason = wtforms.StringField("Reason")


SPREAD = [("auto", "The oldest due first"), ("parts", "As I write below")]


class PaymentForm(Form):
    """Money received. What goes to which invoice stands in fields named `part-<invoice id>`."""

    id = wtforms.HiddenField()
    client = PickField("From", find=find_client_id, required="Who has paid?")
    currency = wtforms.SelectField("Currency", choices=[])
    entity_id = wtforms.SelectField("Into the account of", coerce=lambda text: parse_id(str(text)), choices=[])
    amount = AmountField(
        "Amount", currency=lambda form: form.currency.data, validators=[InputRequired("How much arrived?")]
    )
    received_on = wtforms.DateField("Arrived on", validators=[DataRequired("When did it arrive?")])
    method = EnumField("By", PaymentMethod, default=PaymentMethod.TRANSFER)
    reference = wtforms.StringField("Reference")
    spread = wtforms.RadioField("Goes to", choices=offers(SPREAD), default="auto")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method.call(PaymentMethod.CHEQUE, words_of(reader_country()).cheque)


class ExchangeRateForm(Form):
    """Units of the base currency for one unit of another, from a day on."""

    id = wtforms.HiddenField()
    currency = wtforms.SelectField("One unit of")
    base = wtforms.SelectField("Is worth, in")
    rate = DecimalField(
        "Rate", decimals=10, least=Decimal("1e-10"), most=Decimal(10) ** 9, validators=[InputRequired("Give the rate.")]
    )
    from_on = wtforms.DateField("From", validators=[DataRequired("From which day on?")])


class RateFileForm(Form):
    """A list of rates as the European Central Bank publishes it."""

    id = wtforms.HiddenField()
    file = FileField("File")
