"""The screens of setting up: who comes without the link is told where it is, who comes too late sees nothing."""

from __future__ import annotations

from typing import Any

import wtforms
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from app.core.fields import AmountField, offers
from app.core.web import Answer, Form, redirect_to, submit, unprocessable
from app.desk.guard import enter, visitor
from app.desk.setup import Beginning, set_up
from app.firm.countries import KNOWN, country_choices, usual, usual_rates
from app.firm.forms import MONTHS, currencies
from app.firm.queries import get_firm_facts
from app.people.commands.links import find_link
from app.people.models import LinkPurpose

blueprint = Blueprint("setup", __name__, url_prefix="/setup")


class SetupForm(Form):
    firm_name = wtforms.StringField("Name of the firm", validators=[DataRequired("Give a name."), Length(max=200)])
    country = wtforms.SelectField("Country", default="GB")
    currency = wtforms.SelectField("Currency")
    year_end_month = wtforms.SelectField("Year end, month", choices=offers(MONTHS), coerce=int, default=12)
    year_end_day = wtforms.IntegerField(
        "Day", validators=[InputRequired("Give a day."), NumberRange(1, 31, "Between 1 and 31.")], default=31
    )
    hourly_rate = AmountField(
        "Standard rate an hour",
        currency=lambda form: form.currency.data or usual(form.country.data or "").currency,
    )
    tax = wtforms.RadioField("Tax on invoices", default="usual", choices=offers([
        ("usual", "The rates usual in the country"), ("none", "None: the firm charges no tax"),
    ]))
    tax_number = wtforms.StringField("Tax number", validators=[Length(max=40)])
    bank_name = wtforms.StringField("Bank", validators=[Length(max=120)])
    iban = wtforms.StringField("IBAN", validators=[Length(max=60)])
    bic = wtforms.StringField("BIC", validators=[Length(max=20)])
    account_number = wtforms.StringField("Account number", validators=[Length(max=40)])
    sort_code = wtforms.StringField("Sort code or routing number", validators=[Length(max=20)])
    partner_name = wtforms.StringField("Your name", validators=[DataRequired("Give your name."), Length(max=200)])
    email = wtforms.EmailField("Your e-mail", validators=[DataRequired("Give your e-mail address."), Length(max=254)])
    password = wtforms.PasswordField("Choose a password", validators=[
        DataRequired("Choose a password."), Length(max=1024, message="A password has at most 1,024 characters."),
    ])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.country.choices = offers(country_choices())
        self.currency.choices = offers([("", "The country's own"), *currencies()])

    def beginning(self) -> Beginning:
        text = {name: self._fields[name].data or "" for name in (
            "firm_name", "country", "currency", "tax_number", "bank_name", "iban", "bic", "account_number", "sort_code",
            "partner_name", "email", "password",
        )}
        return Beginning(
            **text, year_end_month=self.year_end_month.data or 12, year_end_day=self.year_end_day.data or 31,
            charges_tax=self.tax.data != "none", hourly_rate=self.hourly_rate.data,
        )


@blueprint.before_request
def only_while_empty() -> Response | None:
    """Once there is a firm, everything here leads to the ordinary door."""
    return redirect(url_for("sign_in.show"), 303) if get_firm_facts() is not None else None


@blueprint.get("")
def show() -> Answer:
    return render_template("setup/show.html")


@blueprint.get("/link/<token>")
def new(token: str) -> Answer:
    find_link(LinkPurpose.SETUP, token)
    return render_template("setup/new.html", form=SetupForm(), usual=_usual())


@blueprint.post("/link/<token>")
def create(token: str) -> Answer:
    form, tokens = SetupForm(), []
    find_link(LinkPurpose.SETUP, token)
    if not submit(form, lambda: tokens.append(
        set_up(token, form.beginning(), by=visitor(), agent=request.user_agent.string)
    )):
        return unprocessable("setup/new.html", form=form, usual=_usual())
    enter(tokens[0])
    return redirect_to("/", "The firm is set up. Welcome.")


def _usual() -> list[tuple[str, str]]:
    """The usual rates of every known country, in words."""
    names = dict(country_choices())
    return [(names[code], ", ".join(rate.name for rate in usual_rates(code))) for code in KNOWN]
