"""The forms of the firm's door, of one's own account and of the people room."""

from __future__ import annotations

import datetime as dt
from typing import Any

import wtforms
from babel import Locale
from wtforms.validators import DataRequired, Length

from app.core.durations import BadDuration, format_duration, parse_duration
from app.core.errors import Refused
from app.core.fields import EnumField, IdSelectField, offers
from app.core.number_format import FORMATS, usual_format
from app.core.permissions import Role
from app.core.web import Form, form_id
from app.people.commands.leave import NewLeave
from app.people.commands.people import PersonDetails
from app.people.models import LeaveKind

LONGEST_PASSWORD = 1024
TOO_LONG = "A password has at most 1,024 characters."
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ROLE_WORDS = {
    Role.PARTNER: ("Partner", "Everything, the figures and the settings included"),
    Role.MANAGER: ("Manager", "Plans work, drafts bills, sees rates and WIP"),
    Role.STAFF: ("Staff", "Does the work and records time"),
    Role.BILLING: ("Billing", "Issues bills and records payments"),
    Role.ADMIN: ("Administrator", "Settings, people and templates; no billing"),
}


def _password(label: str, message: str, **words: Any) -> wtforms.PasswordField:
    return wtforms.PasswordField(
        label, validators=[DataRequired(message), Length(max=LONGEST_PASSWORD, message=TOO_LONG)], **words
    )


class PresentPassword(Form):
    """A form that asks for the present password again when it was last given a while ago."""

    current_password = wtforms.PasswordField(
        "Your present password", validators=[Length(max=LONGEST_PASSWORD, message=TOO_LONG)]
    )


class SignInForm(Form):
    email = wtforms.EmailField("E-mail", validators=[DataRequired("Type your e-mail address."), Length(max=254)])
    password = _password("Password", "Type your password.")
    next = wtforms.HiddenField()


class CodeForm(Form):
    code = wtforms.StringField("Code", validators=[DataRequired("Type the code."), Length(max=60)])
    next = wtforms.HiddenField()


class AskResetForm(Form):
    email = wtforms.EmailField("E-mail", validators=[DataRequired("Type your e-mail address."), Length(max=254)])


class NewPasswordForm(Form):
    password = _password("New password", "Choose a password.")


class JoinForm(Form):
    name = wtforms.StringField("Your name", validators=[DataRequired("Give your name."), Length(max=200)])
    password = _password("Choose a password", "Choose a password.")


class ProfileForm(Form):
    name = wtforms.StringField("Name", validators=[DataRequired("Give a name."), Length(max=200)])
    initials = wtforms.StringField("Initials", validators=[Length(max=4)])
    number_format = wtforms.SelectField(
        "Numbers", coerce=lambda key: key or None, default=None,
        description="How you type amounts, and how you see them. What could be read in two ways is not taken.",
    )
    version = wtforms.HiddenField()

    def offer(self, country: str) -> ProfileForm:
        """The formats to choose from, the one that is usual in a country before them."""
        usual = usual_format(country)
        named = f" in {Locale('en').territories[country]}" if country in Locale("en").territories else ""
        self.number_format.choices = offers([("", f"As is usual{named}: {usual}"), *((key, key) for key in FORMATS)])
        return self


class EmailForm(PresentPassword):
    email = wtforms.EmailField("E-mail", validators=[DataRequired("Type an e-mail address."), Length(max=254)])


class PasswordForm(PresentPassword):
    password = _password("New password", "Choose a password.")
    end_others = wtforms.BooleanField("Sign out everywhere else", default=True)


class EnrolForm(PresentPassword):
    secret = wtforms.HiddenField()
    code = wtforms.StringField(
        "Code from the app", validators=[DataRequired("Type the code of six digits."), Length(max=20)]
    )


class PersonForm(PresentPassword):
    id = wtforms.HiddenField()
    name = wtforms.StringField("Name", validators=[DataRequired("Give a name."), Length(max=200)])
    email = wtforms.EmailField("E-mail", validators=[DataRequired("Give an e-mail address."), Length(max=254)])
    role = wtforms.RadioField("Role", choices=offers((r.value, w[0]) for r, w in ROLE_WORDS.items()),
                              validators=[DataRequired("Choose a role.")], default=Role.STAFF.value)
    grade = wtforms.StringField("Grade", validators=[Length(max=60)], description="Decides the rate, such as “Senior”.")
    office_id = IdSelectField("Office")
    version = wtforms.HiddenField()

    def details(self) -> PersonDetails:
        return PersonDetails(
            name=self.name.data or "", email=self.email.data or "", role=Role(self.role.data),
            office_id=self.office_id.data, grade=self.grade.data or "",
        )


class HoursForm(Form):
    from_on = wtforms.DateField("From", validators=[DataRequired("Say from which date on.")])
    days = wtforms.FieldList(wtforms.StringField(validators=[Length(max=20)]), min_entries=7, max_entries=7)

    def minutes(self) -> list[int]:
        """The seven days in minutes; raises Refused beside `days`."""
        found: list[int] = []
        for day, field in zip(DAYS, self.days, strict=True):
            try:
                found.append(int(parse_duration(field.data or "0").total_seconds()) // 60)
            except BadDuration as error:
                field.errors = [*field.errors, str(error)]
                raise Refused(f"{day}: {error}", field="days") from error
        return found


def hours_as_typed(minutes: list[int]) -> list[str]:
    return [format_duration(dt.timedelta(minutes=m)) for m in minutes]


class LeavingForm(PresentPassword):
    to = IdSelectField("Hand open work over to")


class LeaveForm(Form):
    """Days away, first and last included."""

    id = wtforms.HiddenField()
    kind = EnumField("Kind", LeaveKind, {kind: kind.value.capitalize() for kind in LeaveKind},
                     default=LeaveKind.HOLIDAY)
    from_on = wtforms.DateField("First day away", validators=[DataRequired("Say on which day it begins.")])
    to_on = wtforms.DateField("Last day away", validators=[DataRequired("Say on which day it ends.")])
    from_midday = wtforms.BooleanField("Begins at midday")
    until_midday = wtforms.BooleanField("Ends at midday")

    def values(self) -> NewLeave:
        assert self.from_on.data is not None and self.to_on.data is not None
        return NewLeave(
            id=form_id(self), kind=self.kind.data, from_on=self.from_on.data, to_on=self.to_on.data,
            from_midday=bool(self.from_midday.data), until_midday=bool(self.until_midday.data),
        )
