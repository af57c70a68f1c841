"""The form of a limit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import wtforms
from wtforms.validators import DataRequired

from app.approvals.models import ApprovalKind
from app.core.fields import AmountField, EnumField, IdSelectField
from app.core.ids import parse_id
from app.core.permissions import Role
from app.people.forms import PresentPassword

KIND_WORDS = {ApprovalKind.BILL: "Bills, by their total", ApprovalKind.WRITE_OFF: "Write-offs"}


class LimitForm(PresentPassword):
    """For whom, of what, up to how much, from when. `who` is a role's value or a person's id."""

    id = wtforms.HiddenField()
    who = wtforms.SelectField("For", choices=[])
    kind = EnumField("What they decide", ApprovalKind, KIND_WORDS, default=ApprovalKind.BILL)
    entity_id = IdSelectField("In the books of")
    unlimited = wtforms.BooleanField("No limit")
    amount = AmountField("Up to and including", currency=lambda form: form.currency)
    from_on = wtforms.DateField("From", validators=[DataRequired("From which day on?")])
    currencies: dict[UUID, str]

    @property
    def currency(self) -> str | None:
        return self.currencies.get(self.entity_id.data) if self.entity_id.data else None

    def validate(self, extra_validators: Any = None) -> bool:
        valid = bool(super().validate(extra_validators))
        if valid and not self.unlimited.data and self.amount.data is None:
            self.amount.errors = ["Say up to how much, or that there is no limit."]
            return False
        return valid

    @property
    def said(self) -> Decimal | None:
        return None if self.unlimited.data else self.amount.data

    @property
    def role(self) -> Role | None:
        return Role(self.who.data) if self.who.data in set(Role) else None

    @property
    def person_id(self) -> UUID | None:
        return None if self.role else parse_id(str(self.who.data or ""))
