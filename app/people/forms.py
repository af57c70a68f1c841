"""The forms of the firm's door and of its people."""

from __future__ import annotations

import wtforms
from wtforms.validators import DataRequired, Length

from app.core.web import Form

LONGEST_PASSWORD = 1024
TOO_LONG = "A password has at most 1,024 characters."


class SignInForm(Form):
    email = wtforms.EmailField("E-mail", validators=[DataRequired("Type your e-mail address."), Length(max=254)])
    password = wtforms.PasswordField(
        "Password", validators=[DataRequired("Type your password."), Length(max=LONGEST_PASSWORD, message=TOO_LONG)]
    )
    next = wtforms.HiddenField()
