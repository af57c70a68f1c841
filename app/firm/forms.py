"""The forms of the firm's settings."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

import wtforms
from babel import Locale
from babel.dates import get_month_names
from flask_wtf.file import FileField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.core.fields import CodeField, EnumField, IdSelectField, PercentField, offers
from app.core.rounding import INCREMENTS, RoundingRule, RoundMode, RoundPer
from app.core.web import Form
from app.firm.calendars import list_calendar_ids
from app.firm.commands.entities import EntityFacts, OfficeFacts
from app.firm.commands.firm import FirmLook
from app.firm.commands.tax import RateFacts
from app.firm.countries import country_choices
from app.firm.models import Grouping, TaxPoint, TaxTreatment
from app.firm.queries import list_tax_rates
from app.firm.words import reader_country, words_of

MONTHS = [(number, name) for number, name in get_month_names("wide", locale=Locale("en")).items()]
TREATMENTS = {
    TaxTreatment.STANDARD: "Charges tax", TaxTreatment.ZERO: "Zero rate", TaxTreatment.EXEMPT: "Exempt",
    TaxTreatment.REVERSE_CHARGE: "Reverse charge", TaxTreatment.OUTSIDE: "Outside the scope of the tax",
    TaxTreatment.EXPORT: "Export, not taxed", TaxTreatment.INTRA_EU: "Goods within the EU, not taxed",
}
GROUPINGS = {
    Grouping.ENGAGEMENT: "One line per engagement",
    Grouping.JOB: "One line per job",
    Grouping.ENTRY: "One line per entry: date, person, hours, rate",
}
TAX_POINTS = {TaxPoint.SUPPLY: "the day of the work", TaxPoint.ISSUE: "the date of the bill"}
ROUND_WORDS = {
    RoundMode.NONE: "Not at all", RoundMode.UP: "Up", RoundMode.NEAREST: "To the nearest", RoundMode.DOWN: "Down",
}


def treatments_of(country: str) -> dict[TaxTreatment, str]:
    """What a tax can do, as far as its country knows of it."""
    known = (TaxTreatment.STANDARD, TaxTreatment.EXEMPT, TaxTreatment.OUTSIDE)
    everything = treatment_words(country)
    return everything if words_of(country).knows_scope else {each: everything[each] for each in known}


def treatment_words(country: str) -> dict[TaxTreatment, str]:
    return TREATMENTS | {TaxTreatment.OUTSIDE: words_of(country).outside}


def zones() -> list[str]:
    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))


def currencies() -> list[tuple[str, str]]:
    first = ("GBP", "EUR", "USD", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "ZAR")
    names = {str(code): str(name) for code, name in Locale("en", "GB").currencies.items()}
    rest = sorted(code for code, name in names.items() if code not in first and len(code) == 3 and "(" not in name)
    return [(code, f"{code} {names.get(code, '')}") for code in (*first, *rest)]


class ConfirmedForm(Form):
    """Asks for the present password again when it was last given a while ago."""

    current_password = wtforms.PasswordField("Your present password", validators=[Length(max=1024)])


class FirmForm(Form):
    name = wtforms.StringField("Name", validators=[DataRequired("Give the firm a name."), Length(max=200)])
    zone = wtforms.StringField("Time zone", validators=[DataRequired("Choose a time zone.")])
    accent = wtforms.StringField("Colour", validators=[DataRequired("Give a colour.")])
    version = wtforms.HiddenField()

    def look(self) -> FirmLook:
        return FirmLook(name=self.name.data or "", zone=self.zone.data or "", accent=self.accent.data or "")


class LogoForm(Form):
    logo = FileField("Logo")


class EntityForm(ConfirmedForm):
    id = wtforms.HiddenField()
    name = wtforms.StringField("Legal name", validators=[DataRequired("Give the legal name."), Length(max=200)])
    country = wtforms.SelectField("Country")
    currency = wtforms.SelectField("Currency")
    address = wtforms.TextAreaField("Address", validators=[Length(max=1000)])
    tax_number = wtforms.StringField("Tax number", validators=[Length(max=40)])
    registration_number = wtforms.StringField("Registration number", validators=[Length(max=60)])
    year_end_month = wtforms.SelectField("Year end, month", choices=offers(MONTHS), coerce=int, default=12)
    year_end_day = wtforms.IntegerField(
        "Day", validators=[InputRequired("Give a day."), NumberRange(1, 31)], default=31
    )
    bank_name = wtforms.StringField("Bank", validators=[Length(max=120)])
    iban = wtforms.StringField("IBAN", validators=[Length(max=60)])
    bic = wtforms.StringField("BIC", validators=[Length(max=20)])
    account_number = wtforms.StringField("Account number", validators=[Length(max=40)])
    sort_code = wtforms.StringField("Sort code or routing number", validators=[Length(max=20)])
    terms_days = wtforms.IntegerField(
        "Days to pay", validators=[InputRequired("Give a number of days."), NumberRange(0, 365)], default=14
    )
    invoice_note = wtforms.TextAreaField("Note on every invoice", validators=[Length(max=1000)])
    tax_code = CodeField("Usual tax")
    tax_point = EnumField("The rate of tax is that of", TaxPoint, TAX_POINTS, default=TaxPoint.SUPPLY)
    line_grouping = EnumField("Time on bills", Grouping, GROUPINGS, default=Grouping.ENGAGEMENT)
    late_time = wtforms.BooleanField("Time worked in a closed month may still be recorded", default=True)
    version = wtforms.HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.country.choices = offers(country_choices())
        self.currency.choices = offers(currencies())
        self.tax_code.offer([(rate.code, rate.name) for rate in list_tax_rates()], empty="As the firm")

    def facts(self) -> EntityFacts:
        typed: dict[str, Any] = {name: self._fields[name].data for name in EntityFacts.__dataclass_fields__}
        filled: dict[str, Any] = {
            name: "" if value is None and name != "tax_code" else value for name, value in typed.items()
        }
        return EntityFacts(**filled)


class OfficeForm(Form):
    id = wtforms.HiddenField()
    name = wtforms.StringField("Name", validators=[DataRequired("Give the office a name."), Length(max=200)])
    entity_id = IdSelectField("Entity")
    zone = wtforms.StringField("Time zone", validators=[DataRequired("Choose a time zone.")])
    calendar = wtforms.SelectField("Holiday calendar")
    phone = wtforms.StringField("Telephone", validators=[Length(max=60)])
    email = wtforms.StringField("E-mail", validators=[Length(max=254)])
    address = wtforms.TextAreaField("Address", validators=[Length(max=500)])
    version = wtforms.HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calendar.choices = offers(list_calendar_ids())

    def facts(self) -> OfficeFacts:
        return OfficeFacts(name=self.name.data or "", entity_id=self.entity_id.data, zone=self.zone.data or "",
                           calendar=self.calendar.data or "", phone=self.phone.data or "",
                           email=self.email.data or "", address=self.address.data or "")


class ClosureForm(Form):
    id = wtforms.HiddenField()
    closed_on = wtforms.DateField("Day", validators=[DataRequired("Choose a day.")])
    name = wtforms.StringField("Name", validators=[DataRequired("Give it a name."), Length(max=200)])
    office_id = IdSelectField("Where")


class RateForm(Form):
    id = wtforms.HiddenField()
    code = wtforms.StringField("Code", validators=[DataRequired("Give a code."), Length(max=12)])
    name = wtforms.StringField("Name", validators=[DataRequired("Give a name."), Length(max=200)])
    treatment = wtforms.SelectField("Kind")
    percent = PercentField("Per cent", most=99, validators=[Optional()])
    legend = wtforms.StringField("Words on the invoice", validators=[Length(max=300)])
    from_on = wtforms.DateField("From", validators=[Optional()])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.treatment.choices = offers((each.value, said) for each, said in treatments_of(reader_country()).items())

    def facts(self) -> RateFacts:
        return RateFacts(
            code=self.code.data or "", name=self.name.data or "", treatment=TaxTreatment(self.treatment.data),
            percent=self.percent.data or Decimal(0), legend=self.legend.data or "",
            from_on=self.from_on.data or dt.date(2000, 1, 1),
        )


class RateWordsForm(Form):
    name = wtforms.StringField("Name", validators=[DataRequired("Give a name."), Length(max=200)])
    legend = wtforms.StringField("Words on the invoice", validators=[Length(max=300)])
    version = wtforms.HiddenField()


class NewPercentForm(Form):
    percent = PercentField("New per cent", most=99, validators=[InputRequired("Give a percentage.")])
    from_on = wtforms.DateField("From", validators=[DataRequired("Say from which date on.")])
    new_name = wtforms.StringField("New name", validators=[Length(max=200)])


class SeriesForm(Form):
    prefix = wtforms.StringField("Prefix", validators=[Length(max=20)])
    padding = wtforms.IntegerField("Digits", validators=[InputRequired("Give a number."), NumberRange(1, 12)])
    next_value = wtforms.IntegerField(
        "Next number", validators=[InputRequired("Give a number."), NumberRange(1, 10**12)]
    )


class RoundingForm(Form):
    mode = wtforms.RadioField("Round", choices=offers((m.value, words) for m, words in ROUND_WORDS.items()))
    increment = wtforms.SelectField("Steps of", choices=offers((n, f"{n} minutes") for n in INCREMENTS), coerce=int)
    minimum = wtforms.IntegerField(
        "At least so many minutes", validators=[InputRequired("Give minutes."), NumberRange(0, 480)]
    )
    per = wtforms.RadioField("Counted over", choices=offers([
        (RoundPer.ENTRY.value, "Each entry"), (RoundPer.DAY_AND_JOB.value, "A day's entries of one person on one job"),
    ]))

    def rule(self) -> RoundingRule:
        """Raises BadRounding."""
        return RoundingRule(self.increment.data or 1, RoundMode(self.mode.data), self.minimum.data or 0,
                            RoundPer(self.per.data))


class SecurityForm(ConfirmedForm):
    require_totp = wtforms.BooleanField("Everybody needs a second factor")
