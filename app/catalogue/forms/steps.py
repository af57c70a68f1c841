"""Forms of a draft's steps, client requests and deadlines."""

from __future__ import annotations

import datetime as dt
from typing import Any

import wtforms
from wtforms.validators import DataRequired, Length

from app.catalogue.blueprints import PERIOD_END, After, rule_of
from app.catalogue.commands import DeadlineValues, RequestValues, StepValues
from app.catalogue.forms.rules import DueRuleField, own_dates
from app.catalogue.models import (
    ASKING_TIME,
    DependencyKind,
    JobTemplate,
    StepKind,
    TemplateDeadline,
    TemplateRequest,
    TemplateStep,
    WorkRole,
)
from app.catalogue.soundness import ITEM_KINDS
from app.core.fields import DurationField, EnumField, IdSelectField, NumberField, VersionField, offers
from app.core.web import Form

KINDS = {StepKind.WORK: "Work", StepKind.REVIEW: "Review, by somebody else"}
BLANK_ITEMS, MOST_ROWS = 3, 120
LONGEST_CELL = 500
LAST_STEP = "The last required step"


def deadline_anchors(template: JobTemplate) -> list[tuple[str, str]]:
    return [(f"deadline:{d.code}", f"the deadline {d.code}") for d in template.deadlines]


def own_anchors(template: JobTemplate) -> list[tuple[str, str]]:
    """The dates that some rule of the template names already."""
    rules = [template.due_rule, *(each.due_rule for each in template.steps)]
    rules += [rule for each in template.requests for rule in (each.due_rule, each.send_rule)]
    rules += [each.trigger_rule for each in template.deadlines]
    return own_dates(str(rule.get("anchor", "")) for rule in rules if rule)


def step_anchors(template: JobTemplate, *, but: str = "") -> list[tuple[str, str]]:
    return [(f"step:{s.key}", f"the end of “{s.name}”") for s in template.steps if s.key != but]


class AfterField(wtforms.Field):
    """The steps that this one comes after: three parallel columns, so that it works without script."""

    def __init__(self, label: str = "Comes after", **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.steps: list[tuple[str, str]] = []
        self.rows: list[tuple[str, str, str]] = []

    @property
    def shown_rows(self) -> list[tuple[str, str, str]]:
        return [*self.rows, ("", "hard", "")]

    def process(self, formdata: Any, data: Any = wtforms.utils.unset_value, extra_filters: Any = None) -> None:
        self.process_errors: list[str] = []
        self.data = ()
        if formdata is None or f"{self.name}-on" not in formdata:
            return
        columns = [formdata.getlist(f"{self.name}-{part}")[:MOST_ROWS] for part in ("on", "kind", "lag")]
        longest = max(map(len, columns))
        padded = [[*column, *[""] * (longest - len(column))] for column in columns]
        self.rows = [(on[:60], kind[:10], lag.strip()[:6]) for on, kind, lag in zip(*padded, strict=True) if on]
        try:
            self.data = tuple(self._read(*row) for row in self.rows)
        except ValueError as error:
            self.process_errors.append(str(error))

    def show(self, after: list[After]) -> None:
        self.rows = [(a.on_key, a.kind.value, str(a.lag_days) if a.lag_days else "") for a in after]

    @staticmethod
    def _read(on: str, kind: str, lag: str) -> After:
        if lag and not (lag.isascii() and lag.isdigit()):
            raise ValueError(f"“{lag}” is not a number of working days.")
        hard = DependencyKind.SOFT if kind == "soft" else DependencyKind.HARD
        return After("", on, hard, int(lag or 0))


class StepForm(Form):
    id = wtforms.HiddenField()
    version = VersionField()
    name = wtforms.StringField("Step", validators=[DataRequired("Give the step a name."), Length(max=120)])
    stage_id = IdSelectField("Stage")
    kind = EnumField("Kind", StepKind, KINDS, default=StepKind.WORK)
    work_role = EnumField("Who", WorkRole, default=WorkRole.PREPARER)
    estimate = DurationField("Estimate", most=dt.timedelta(hours=1000))
    due_rule = DueRuleField("Due")
    after = AfterField()
    checklist = wtforms.TextAreaField("Checklist, one line each")
    instructions = wtforms.TextAreaField("How to do it")
    required = wtforms.BooleanField("The job is not finished without it", default=True)

    def prepare(self, template: JobTemplate, key: str = "") -> None:
        self.stage_id.offer((stage.id, stage.name) for stage in template.service.stages)
        others = [(step.key, step.name) for step in template.steps if step.key != key]
        self.after.steps = others
        self.due_rule.offer([
            *own_anchors(template), *deadline_anchors(template), *step_anchors(template, but=key),
        ])

    def show(self, template: JobTemplate, step: TemplateStep) -> None:
        for name in ("name", "stage_id", "kind", "work_role", "estimate", "instructions", "required"):
            self[name].data = getattr(step, name)
        self.checklist.data = "\n".join(line["text"] for line in step.checklist)
        self.due_rule.show(rule_of(step.due_rule))
        self.after.show([
            After(d.step_key, d.on_key, d.kind, d.lag_days) for d in template.dependencies if d.step_key == step.key
        ])
        self.version.data = str(template.version)

    def values(self) -> StepValues:
        lines = [line.strip()[:LONGEST_CELL] for line in (self.checklist.data or "").splitlines()]
        return StepValues(
            self.name.data or "", self.stage_id.data, self.kind.data, self.work_role.data, self.estimate.data,
            self.instructions.data or "", tuple(line for line in lines if line), bool(self.required.data),
            self.due_rule.data, self.after.data,
        )


class ItemsField(wtforms.Field):
    """What is asked for, a row each; a row without words is left out."""

    columns = ("code", "kind", "label", "help", "required", "options")
    kinds = tuple(ITEM_KINDS.items())

    def __init__(self, label: str = "What we ask for", **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.rows: list[dict[str, Any]] = []

    @property
    def shown_rows(self) -> list[dict[str, Any]]:
        blank = {"code": "", "kind": "upload", "label": "", "help": "", "required": True, "options": []}
        return [*self.rows, *[blank] * BLANK_ITEMS]

    def process(self, formdata: Any, data: Any = wtforms.utils.unset_value, extra_filters: Any = None) -> None:
        self.process_errors: list[str] = []
        self.data: tuple[dict[str, Any], ...] = ()
        if formdata is None or f"{self.name}-label" not in formdata:
            return
        columns = {part: formdata.getlist(f"{self.name}-{part}")[:MOST_ROWS] for part in self.columns}
        longest = max(map(len, columns.values()))
        cells = {part: [*column, *[""] * (longest - len(column))] for part, column in columns.items()}
        rows = [{part: cells[part][n].strip()[:LONGEST_CELL] for part in self.columns} for n in range(longest)]
        self.rows = [
            {**row, "required": row["required"] != "no", "options": _options(row["options"])}
            for row in rows if row["label"]
        ]
        self.data = tuple(self.rows)

    def show(self, items: list[dict[str, Any]]) -> None:
        self.rows = [dict(item) for item in items]


def _options(text: str) -> list[str]:
    return [option.strip() for option in text.split(",") if option.strip()]


class RequestForm(Form):
    id = wtforms.HiddenField()
    version = VersionField()
    name = wtforms.StringField("Request", validators=[DataRequired("Give the request a name."), Length(max=120)])
    message = wtforms.TextAreaField("Message to the client")
    step_key = wtforms.SelectField("Step that waits for it")
    send_rule = DueRuleField("Asked on")
    send_time = wtforms.TimeField("At, in the office’s time", default=ASKING_TIME)
    due_rule = DueRuleField("Wanted by")
    remind_after_days = NumberField("First reminder after, days", most=365, default=3)
    remind_every_days = NumberField("Then every, days", least=1, most=365, default=4)
    remind_at_most = NumberField("At most, times", most=50, default=5)
    items = ItemsField()

    def prepare(self, template: JobTemplate) -> None:
        steps = [(step.key, step.name) for step in template.steps]
        self.step_key.choices = offers([("", "No step waits"), *steps])
        for rule in (self.due_rule, self.send_rule):
            rule.offer([*own_anchors(template), *deadline_anchors(template), *step_anchors(template)])

    def show(self, template: JobTemplate, request: TemplateRequest) -> None:
        for name in ("name", "message", "send_time", "remind_after_days", "remind_every_days", "remind_at_most"):
            self[name].data = getattr(request, name)
        self.id.data, self.step_key.data = str(request.id), request.step_key or ""
        self.due_rule.show(rule_of(request.due_rule))
        self.send_rule.show(rule_of(request.send_rule))
        self.items.show(request.items)
        self.version.data = str(template.version)

    def values(self) -> RequestValues:
        days = {
            name: getattr(self, name).data if getattr(self, name).data is not None else default
            for name, default in (("remind_after_days", 3), ("remind_every_days", 4), ("remind_at_most", 5))
        }
        return RequestValues(
            self.name.data or "", self.message.data or "", self.step_key.data or None, self.due_rule.data,
            items=self.items.data or (), send_rule=self.send_rule.data, send_time=self.send_time.data or ASKING_TIME,
            **days,
        )


class DeadlineForm(Form):
    version = VersionField()
    rule = wtforms.StringField("Statutory rule", validators=[DataRequired("Choose a rule.")])
    trigger = DueRuleField("Counts from")
    met_by = wtforms.SelectField("Met by the step")

    def prepare(self, template: JobTemplate) -> None:
        self.trigger.offer(own_anchors(template))
        self.met_by.choices = offers([("", LAST_STEP), *((step.key, step.name) for step in template.steps)])

    def show(self, template: JobTemplate, deadline: TemplateDeadline) -> None:
        self.rule.data, self.met_by.data = deadline.rule, deadline.met_by or ""
        self.trigger.show(rule_of(deadline.trigger_rule) or PERIOD_END)
        self.version.data = str(template.version)

    def values(self) -> DeadlineValues:
        rule = (self.rule.data or "").split(" ")[0]
        return DeadlineValues(rule, trigger=self.trigger.data, met_by=self.met_by.data or None)
