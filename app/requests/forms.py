"""The form of a request: what is asked, by when, who is reminded how often."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import wtforms
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from app.catalogue.forms.steps import ItemsField
from app.catalogue.models import ASKING_TIME
from app.core.fields import IdSelectField, PickField, VersionField
from app.core.web import Form, form_id
from app.requests.commands.writing import NewRequest, ReminderPolicy, specs_of
from app.requests.models import ClientRequest


class RequestForm(Form):
    """Ad hoc, for a client or for a job of theirs."""

    id = wtforms.HiddenField()
    version = VersionField()
    client = PickField("Client", find=lambda text: None, required="Whom do we ask?")
    job = wtforms.HiddenField()
    name = wtforms.StringField("What is it about", validators=[
        InputRequired("Give it a name that the client will understand."), Length(max=200),
    ])
    message = wtforms.TextAreaField("A word to the client")
    due_on = wtforms.DateField("Wanted by", validators=[Optional()])
    send_on = wtforms.DateField("Send later, on", validators=[Optional()])
    send_time = wtforms.TimeField("at, in the office’s time", default=ASKING_TIME)
    send_when_open = wtforms.BooleanField("Send when the step that waits for it opens")
    task_id = IdSelectField("The step that waits for it")
    items = ItemsField()
    remind_after = wtforms.IntegerField("First reminder after days", default=3, validators=[NumberRange(1, 365)])
    remind_every = wtforms.IntegerField("then every days", default=4, validators=[NumberRange(1, 365)])
    remind_most = wtforms.IntegerField("at most", default=5, validators=[NumberRange(0, 50)])

    def values(self, *, engagement_id: UUID | None, job_id: UUID | None) -> NewRequest:
        days = (self.remind_after, self.remind_every, self.remind_most)
        return NewRequest(
            id=form_id(self), client_id=self.client.data, name=self.name.data or "",
            items=specs_of(self.items.data or ()),
            message=self.message.data or "", due_on=self.due_on.data, send_on=self.send_on.data,
            send_time=self.send_time.data or ASKING_TIME, send_when_open=bool(self.send_when_open.data),
            engagement_id=engagement_id, job_id=job_id, task_id=self.task_id.data,
            reminders=ReminderPolicy(*(int(field.data or 0) for field in days)),
        )

    def show(self, request: ClientRequest) -> None:
        self.id.data, self.version.data = str(request.id), str(request.version)
        self.job.data = str(request.job_id or "")
        self.client.data, self.client.text = request.client_id, request.client.name
        self.name.data, self.message.data = request.name, request.message
        self.due_on.data, self.send_on.data, self.task_id.data = request.due_on, request.send_on, request.task_id
        self.send_time.data, self.send_when_open.data = request.send_time, request.send_when_open
        self.remind_after.data, self.remind_every.data = request.remind_after_days, request.remind_every_days
        self.remind_most.data = request.remind_at_most
        self.items.show([_row(item) for item in request.items])


def _row(item: Any) -> dict[str, Any]:
    return {"code": item.code, "kind": item.kind.value, "label": item.label, "help": item.help,
            "required": item.required, "options": item.options}


class AskingForm(Form):
    """On which day and at what time a request is asked."""

    version = VersionField()
    send_on = wtforms.DateField("Ask on", validators=[InputRequired("Choose a day.")])
    send_time = wtforms.TimeField("at", validators=[InputRequired("Choose a time.")])
