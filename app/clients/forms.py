"""The forms of clients, contacts, engagements and walls."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import wtforms
from babel import Locale
from wtforms.validators import DataRequired, Length, Optional

from app.clients.commands import ArrangementFacts, ClientFacts, ContactFacts, EngagementFacts, Standing
from app.clients.commands.clients import COUNTRIES
from app.clients.models import (
    AddressKind,
    Arrangement,
    ArrangementKind,
    Client,
    ClientKind,
    ClientStatus,
    Contact,
    Engagement,
    PayrollFrequency,
)
from app.clients.names import LONGEST_NAME
from app.clients.policy import can_see
from app.clients.queries import find_client
from app.core.db import db
from app.core.fields import (
    AmountField,
    CodeField,
    DurationField,
    EnumField,
    IdSelectField,
    NumberField,
    PickField,
    VersionField,
    offers,
)
from app.core.ids import parse_whole
from app.core.rounding import INCREMENTS, RoundingRule, RoundMode, RoundPer
from app.core.web import Form, me
from app.firm.forms import GROUPINGS, zones
from app.firm.models import Grouping
from app.firm.queries import list_entities, list_offices, list_tax_rates
from app.firm.words import reader_country
from app.people.forms import PresentPassword
from app.people.models import Person, PersonState

_territories = Locale("en").territories
COUNTRY_CHOICES = offers(
    [("", "—"), *sorted(((code, str(_territories[code])) for code in COUNTRIES), key=lambda pair: pair[1])]
)
MONTHS = offers([("", "—"), *sorted(Locale("en").months["format"]["wide"].items())])
STAGGERS = offers([("", "—"), (1, "Mar, Jun, Sep, Dec"), (2, "Jan, Apr, Jul, Oct"), (3, "Feb, May, Aug, Nov")])
PAYROLLS = [
    (PayrollFrequency.WEEKLY.value, "Each week"), (PayrollFrequency.FORTNIGHTLY.value, "Every two weeks"),
    (PayrollFrequency.FOUR_WEEKLY.value, "Every four weeks"), (PayrollFrequency.MONTHLY.value, "Each month"),
]
ARRANGEMENTS = {
    ArrangementKind.HOURLY: "By the hour",
    ArrangementKind.FIXED: "Fixed fee",
    ArrangementKind.NON_BILLABLE: "Not billed",
}


def find_person(text: str) -> UUID | None:
    """The one active colleague of exactly this name."""
    ids = db.session.scalars(
        sa.select(Person.id)
        .where(sa.func.lower(Person.name) == text.lower(), Person.state == PersonState.ACTIVE).limit(2)
    ).all()
    return ids[0] if len(ids) == 1 else None


def find_client_id(text: str) -> UUID | None:
    """The one client of exactly this name or code."""
    client = find_client(text, seen_by=me())
    return client.id if client else None


def name_of(person_id: UUID | None) -> str:
    return (db.session.scalar(sa.select(Person.name).where(Person.id == person_id)) or "") if person_id else ""


def _taxes(chosen: Client | Engagement | None) -> list[tuple[str, str]]:
    """What can be chosen today, and what was chosen before even if it cannot."""
    found = {rate.code: rate.name for rate in list_tax_rates()}
    if chosen is not None and chosen.tax_code:
        found.setdefault(chosen.tax_code, f"{chosen.tax_code}, not in use today")
    return list(found.items())


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").replace(",", "\n").replace(";", "\n").splitlines() if line.strip()]


LANGUAGES = ("en", "de", "fr", "nl", "es", "it", "pt", "pl", "da", "sv", "nb", "fi", "cs", "el", "he", "ar", "zh", "ja")


class WhereForm(Form):
    """In which language somebody is written to, and what time it is where they are."""

    language = CodeField("Language", default="en")
    zone = CodeField("Time zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer_where(None)

    def offer_where(self, row: Client | Contact | None) -> None:
        """What can be chosen, with what was chosen before; what a form did not send stays as it was."""
        names, known = Locale("en", "GB").languages, zones()
        languages = [*LANGUAGES, *([row.language] if row and row.language not in LANGUAGES else [])]
        self.language.offer([(code, str(names.get(code, code))) for code in languages])
        self.zone.offer([(zone, zone.replace("_", " ")) for zone in known], empty="As their office")
        if row is not None and row.zone and row.zone not in known:
            self.zone.offer([(zone, zone) for zone in (row.zone, *known)], empty="As their office")
        for field in (self.language, self.zone):
            if row is not None and not field.raw_data:
                field.data = getattr(row, field.name)


class BilledForm(Form):
    """How the time of a client or engagement stands on new bills, and who pays them."""

    line_grouping = EnumField("Time on bills", Grouping, GROUPINGS, empty="As usual")
    payer_id = PickField("Bills go to", find=find_client_id)
    kept_payer: UUID | None = None

    def show_payer(self, row: Client | Engagement | None) -> None:
        """Name who pays; a payer that the person may not see stays, unnamed."""
        if row is None or row.payer_id is None:
            return
        if not can_see(me(), row.payer_id):
            self.kept_payer = row.payer_id
        elif not self.is_submitted():
            self.payer_id.data = row.payer_id
            self.payer_id.text = db.session.scalar(sa.select(Client.name).where(Client.id == row.payer_id)) or ""

    @property
    def payer(self) -> UUID | None:
        return self.kept_payer or self.payer_id.data


class ClientForm(BilledForm, WhereForm):
    id = wtforms.HiddenField()
    version = VersionField()
    name = wtforms.StringField("Name", validators=[DataRequired("Give a name."), Length(max=LONGEST_NAME)])
    code = wtforms.StringField("Code", validators=[Length(max=40)])
    kind = EnumField("Kind", ClientKind, default=ClientKind.ORGANISATION)
    status = EnumField("Status", ClientStatus, default=ClientStatus.ACTIVE)
    legal_name = wtforms.StringField("Legal name", validators=[Length(max=LONGEST_NAME)])
    registration_number = wtforms.StringField("Company number", validators=[Length(max=60)])
    tax_number = wtforms.StringField("Tax number", validators=[Length(max=60)])
    country = wtforms.SelectField("Country", choices=COUNTRY_CHOICES, default="")
    region = wtforms.StringField("State or region", validators=[Length(max=60)])
    email = wtforms.StringField("E-mail", validators=[Length(max=254)])
    phone = wtforms.StringField("Telephone", validators=[Length(max=60)])
    website = wtforms.StringField("Website", validators=[Length(max=300)])
    address = wtforms.TextAreaField("Address", validators=[Length(max=1000)])
    currency = wtforms.StringField("Currency", validators=[Length(max=3)])
    year_end_day = NumberField("Year end, day", least=1, most=31)
    year_end_month = wtforms.SelectField("Month", choices=MONTHS, default="")
    vat_stagger = wtforms.SelectField("VAT quarters end in", choices=STAGGERS, default="")
    payroll_frequency = CodeField("Pays its staff")
    first_pay_day = wtforms.DateField("First pay day", validators=[Optional()])
    office_id = IdSelectField("Office")
    partner_id = PickField("Partner", find=find_person)
    manager_id = PickField("Manager", find=find_person)
    terms_days = NumberField("Payment terms, days", most=365)
    tax_code = CodeField("Tax")
    tags = wtforms.StringField("Tags", description="With commas between them.")
    notes = wtforms.TextAreaField("Notes")
    because = wtforms.StringField("Why a job moves past a deadline", validators=[Length(max=1000)])
    has_vat_quarters = True

    def prepare(self, client: Client | None = None) -> None:
        """Fill the closed lists, and show an existing client unless the form was sent."""
        offices = list_offices()
        self.office_id.offer([(office.id, office.name) for office in offices])
        self.tax_code.offer(_taxes(client), empty="As usual")
        self.payroll_frequency.offer(PAYROLLS, empty="—")
        self.offer_where(client)
        self.show_payer(client)
        self.has_vat_quarters = reader_country() != "US" or bool(client and client.vat_stagger)
        if self.is_submitted():
            return
        if client is None:
            self.office_id.data = self.office_id.data or (offices[0].id if offices else None)
            return
        for name, field in self._fields.items():
            if hasattr(client, name) and name not in ("id", "version", "payer_id"):
                field.data = getattr(client, name)
        self.tags.data = ", ".join(client.tags)
        self.country.data = client.country or ""
        self.year_end_month.data = str(client.year_end_month or "")
        self.vat_stagger.data = str(client.vat_stagger or "")
        self.partner_id.text = client.partner.name if client.partner else ""
        self.manager_id.text = client.manager.name if client.manager else ""
        self.version.data = str(client.version)

    def values(self) -> ClientFacts:
        return ClientFacts(
            name=self.name.data or "", code=self.code.data or "", kind=self.kind.data, status=self.status.data,
            legal_name=self.legal_name.data or "", registration_number=self.registration_number.data or "",
            tax_number=self.tax_number.data or "", country=self.country.data or None, email=self.email.data or "",
            phone=self.phone.data or "", website=self.website.data or "", address=self.address.data or "",
            currency=self.currency.data or "", year_end_day=self.year_end_day.data,
            year_end_month=parse_whole(self.year_end_month.data), vat_stagger=parse_whole(self.vat_stagger.data),
            payroll_frequency=PayrollFrequency(self.payroll_frequency.data) if self.payroll_frequency.data else None,
            first_pay_day=self.first_pay_day.data,
            office_id=self.office_id.data, partner_id=self.partner_id.data, manager_id=self.manager_id.data,
            terms_days=self.terms_days.data, tags=_lines(self.tags.data), notes=self.notes.data or "",
            region=self.region.data or "", tax_code=self.tax_code.data, language=self.language.data or "en",
            zone=self.zone.data, line_grouping=self.line_grouping.data, payer_id=self.payer,
        )


class ContactForm(WhereForm):
    id = wtforms.HiddenField()
    version = VersionField()
    name = wtforms.StringField("Name", validators=[DataRequired("Give a name."), Length(max=LONGEST_NAME)])
    emails = wtforms.TextAreaField("E-mail addresses", description="One a line; mail goes to the first.",
                                   validators=[Length(max=4000)])
    phones = wtforms.TextAreaField("Telephone numbers", description="One a line.", validators=[Length(max=2000)])

    def show_contact(self, contact: Contact) -> None:
        self.offer_where(contact)
        if self.is_submitted():
            return
        of_kind = {kind: [a.value for a in contact.addresses if a.kind is kind] for kind in AddressKind}
        self.name.data, self.version.data = contact.name, str(contact.version)
        self.emails.data = "\n".join(of_kind[AddressKind.EMAIL])
        self.phones.data = "\n".join(of_kind[AddressKind.PHONE])

    def values(self) -> ContactFacts:
        return ContactFacts(
            name=self.name.data or "", emails=_lines(self.emails.data), phones=_lines(self.phones.data),
            language=self.language.data or "en", zone=self.zone.data,
        )


class StandingForm(Form):
    role = wtforms.StringField("Role at this client", validators=[Length(max=100)])
    portal_access = wtforms.BooleanField("Sees this client in the portal")
    is_primary = wtforms.BooleanField("Primary contact")

    def standing(self) -> Standing:
        return Standing(
            role=self.role.data or "", portal_access=self.portal_access.data, is_primary=self.is_primary.data
        )


class NewContactForm(ContactForm, StandingForm):
    """A new contact with what they are to the client that they are added to."""


class ArrangementForm(Form):
    """What is agreed from a day on; what holds from the start has no day."""

    id = wtforms.HiddenField()
    version = VersionField()
    kind = EnumField("Billed", ArrangementKind, ARRANGEMENTS, default=ArrangementKind.HOURLY)
    agreed_amount = AmountField("Fixed fee, net", currency="")
    name = wtforms.StringField("What the bill calls it", validators=[Length(max=300)])
    from_on = wtforms.DateField("For work from", validators=[wtforms.validators.Optional()])
    reason = wtforms.StringField("Why it is less", validators=[Length(max=500)])

    def prepare(self, currency: str, arrangement: Arrangement | None = None, *, beside: bool = False) -> None:
        """Show what there is, unless the form was sent; `beside`: another form of its page was."""
        self.agreed_amount.currency = currency
        if arrangement is None or (self.is_submitted() and not beside):
            return
        for name in ("kind", "agreed_amount", "name", "from_on"):
            self[name].data = getattr(arrangement, name)
        self.version.data = str(arrangement.version)

    def values(self) -> ArrangementFacts:
        return ArrangementFacts(
            kind=self.kind.data, agreed_amount=self.agreed_amount.data, name=self.name.data or "",
            from_on=self.from_on.data,
        )


class EndForm(Form):
    """What ends holds no more; what is left of its fee is given up for a reason."""

    reason = wtforms.StringField("Why it ends", validators=[Length(max=500)])


class EngagementForm(BilledForm):
    id = wtforms.HiddenField()
    version = VersionField()
    name = wtforms.StringField("Name", validators=[DataRequired("Give a name."), Length(max=LONGEST_NAME)])
    practice_area = wtforms.StringField("Practice area", validators=[Length(max=100)])
    scope = wtforms.TextAreaField("What is agreed")
    starts_on = wtforms.DateField("Starts", validators=[wtforms.validators.Optional()])
    ends_on = wtforms.DateField("Ends", validators=[wtforms.validators.Optional()])
    entity_id = IdSelectField("Entity")
    partner_id = PickField("Partner", find=find_person)
    manager_id = PickField("Manager", find=find_person)
    currency = wtforms.StringField("Currency", validators=[Length(max=3)])
    kind = EnumField("Billed", ArrangementKind, ARRANGEMENTS, default=ArrangementKind.HOURLY)
    agreed_amount = AmountField("Fixed fee, net", currency="")
    budget = DurationField("Budget, hours", most=dt.timedelta(hours=100_000))
    tax_code = CodeField("Tax")
    increment = wtforms.SelectField("Time is rounded to", default="")
    round_mode = EnumField("Direction", RoundMode, default=RoundMode.UP)
    minimum = NumberField("At least, minutes", most=480)

    def prepare(self, client: Client, engagement: Engagement | None = None) -> None:
        """Fill the closed lists, and show an existing engagement unless the form was sent."""
        entities = list_entities()
        self.entity_id.offer([(entity.id, entity.name) for entity in entities], empty="As the client's office")
        self.tax_code.offer(_taxes(engagement), empty="As the client")
        self.increment.choices = offers([("", "as the firm"), *((n, f"{n} minutes") for n in INCREMENTS)])
        self.agreed_amount.currency = (self.currency.data or client.currency).upper()
        self.line_grouping.call_empty("As the client")
        self.show_payer(engagement)
        if self.is_submitted():
            return
        self.currency.data = engagement.currency if engagement else client.currency
        if engagement is None:
            return
        for name, field in self._fields.items():
            if hasattr(engagement, name) and name not in ("id", "version", "payer_id"):
                field.data = getattr(engagement, name)
        self.partner_id.text = engagement.partner.name if engagement.partner else ""
        self.manager_id.text = engagement.manager.name if engagement.manager else ""
        self.version.data = str(engagement.version)
        if engagement.rounding:
            rule = RoundingRule.from_json(engagement.rounding)
            self.increment.data, self.round_mode.data, self.minimum.data = str(rule.increment), rule.mode, rule.minimum

    def values(self, service_id: UUID | None = None) -> EngagementFacts:
        rounding = None
        if self.increment.data:
            rounding = RoundingRule(
                int(self.increment.data), self.round_mode.data, self.minimum.data or 0, RoundPer.ENTRY
            ).to_json()
        return EngagementFacts(
            name=self.name.data or "", practice_area=self.practice_area.data or "", scope=self.scope.data or "",
            starts_on=self.starts_on.data, ends_on=self.ends_on.data, entity_id=self.entity_id.data,
            partner_id=self.partner_id.data, manager_id=self.manager_id.data, currency=self.currency.data or "",
            budget=self.budget.data, tax_code=self.tax_code.data, rounding=dict(rounding) if rounding else None,
            service_id=service_id, line_grouping=self.line_grouping.data, payer_id=self.payer,
        )

    def billed(self) -> ArrangementFacts:
        """How a new engagement is billed from its start."""
        return ArrangementFacts(kind=self.kind.data, agreed_amount=self.agreed_amount.data)


class WallForm(PresentPassword):
    id = wtforms.HiddenField()
    person_id = PickField("Who is kept away", find=find_person, required="Name somebody.")
    engagement_id = IdSelectField("From")
    reason = wtforms.TextAreaField(
        "Reason", validators=[DataRequired("Say why, for whoever asks later."), Length(max=1000)]
    )
    to = IdSelectField("Who takes it")


class BulkForm(Form):
    """What is done to the clients that are picked in the list."""

    ids = wtforms.SelectMultipleField(validate_choice=False, coerce=str)
    tag = wtforms.StringField("Tag", validators=[Length(max=40)])
    partner_id = PickField("Partner", find=find_person)
