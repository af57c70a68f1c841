"""The small things, made by the product's own commands: the firm, its people, rates, services, templates."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.blueprints import After, Blueprint
from app.catalogue.commands import (
    RequestValues,
    ServiceValues,
    StepValues,
    add_step,
    create_service,
    edit_template,
    publish_template,
    save_request,
)
from app.catalogue.due_rules import DueRule, days, months
from app.catalogue.models import Cadence, JobTemplate, StepKind, WorkRole
from app.catalogue.queries import get_blueprint, get_service
from app.clients.commands import create_firm_client
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import db, transaction
from app.core.permissions import Role
from app.core.rounding import RoundingRule
from app.firm.models import Entity, Firm, Office, TaxCode, TaxRate, TaxTreatment
from app.people.models import Person, PersonState, WorkingPattern
from app.timekeeping.models import Rate
from tests.bench.fill.ids import Kind, bench_id

STEPS = (
    ("Open the file", "To do", WorkRole.PREPARER, 30),
    ("Collect records", "To do", WorkRole.PREPARER, 60),
    ("Check what came", "To do", WorkRole.PREPARER, 60),
    ("Post transactions", "In progress", WorkRole.PREPARER, 240),
    ("Reconcile bank", "In progress", WorkRole.PREPARER, 120),
    ("Reconcile debtors", "In progress", WorkRole.PREPARER, 120),
    ("Draft figures", "Review", WorkRole.PREPARER, 180),
    ("Review", "Review", WorkRole.REVIEWER, 90),
    ("Partner's approval", "Done", WorkRole.PARTNER, 30),
    ("File and archive", "Done", WorkRole.PREPARER, 30),
)  # fmt: skip
# Positions: each step comes after these.
AFTER = {1: (0,), 2: (1,), 3: (2,), 4: (2,), 5: (3, 4), 6: (5,), 7: (6,), 8: (7,), 9: (8,)}
STAGES = (
    ("To do", "On our list"), ("In progress", "We are working on it"), ("Review", "We are checking it"),
    ("Done", "Done"),
)
ITEMS = (
    {"kind": "upload", "label": "Bank statements"}, {"kind": "yes_no", "label": "Any new loans?"},
    {"kind": "text", "label": "Name of your new bank"}, {"kind": "amount", "label": "Closing stock"},
    {"kind": "choice", "label": "Basis of the accounts", "options": ["cash", "accruals"], "required": False},
)
GRADES = {Role.PARTNER: Decimal(300), Role.MANAGER: Decimal(200), Role.STAFF: Decimal(120)}


@dataclass(frozen=True)
class Base:
    """What the bulk of the rows refers to."""

    today: dt.date
    entity_id: UUID
    offices: tuple[UUID, UUID]
    partners: int
    managers: int
    staff: int
    services: tuple[UUID, UUID]
    blueprints: tuple[Blueprint, Blueprint]

    @property
    def people(self) -> int:
        return self.partners + self.managers + self.staff


def count_people(clients: int) -> tuple[int, int, int]:
    """Partners, managers, staff: one person for ten clients, from ten people to 120."""
    people = min(max(clients // 10, 10), 120)
    partners, managers = max(people // 10, 1), max(people // 5, 2)
    return partners, managers, people - partners - managers


def make_firm(clients: int, today: dt.date) -> Base:
    partners, managers, staff = count_people(clients)
    with transaction() as session:
        session.add(Firm(
            id=bench_id(Kind.FIRM, 1), name="Hartwell & Co", zone="Europe/London", set_up_at=now(),
            rounding=RoundingRule().to_json(),
        ))
        entity = Entity(
            id=bench_id(Kind.ENTITY, 1), name="Hartwell & Co Ltd", country="GB", currency="GBP", terms_days=14,
            iban="GB33BUKB20201555555555", tax_number="GB123456782",
        )
        session.add(entity)
        session.flush()
        offices = tuple(
            Office(id=bench_id(Kind.OFFICE, n), entity_id=entity.id, name=name, zone=zone, calendar=calendar)
            for n, (name, zone, calendar) in enumerate(
                (("London", "Europe/London", "GB-ENG"), ("Edinburgh", "Europe/London", "GB-SCT"))
            )
        )
        session.add_all(offices)
        session.add(TaxCode(code="S20", treatment=TaxTreatment.STANDARD, is_default=True))
        session.flush()
        session.add(TaxRate(
            id=bench_id(Kind.TAX_RATE, 1), code="S20", name="VAT 20%", treatment=TaxTreatment.STANDARD,
            percent=Decimal(20),
        ))
        session.flush()
        _make_people(offices, partners, managers, staff)
        _make_rates()
        create_firm_client(
            office_id=offices[0].id, entity_id=entity.id, name="Hartwell & Co", currency="GBP", by=SYSTEM
        )
    services = tuple(
        _make_service(n, *values) for n, values in enumerate((
            ("Annual accounts", Cadence.YEAR, DueRule("period_end", (months(9),)), True),
            ("VAT return", Cadence.VAT_QUARTER, DueRule("period_end", (months(2), days(7))), False),
        ))
    )
    first, second = (get_blueprint(_published(service)) for service in services)
    return Base(
        today, entity.id, (offices[0].id, offices[1].id), partners, managers, staff, (services[0], services[1]),
        (first, second),
    )


def _make_people(offices: tuple[Office, ...], partners: int, managers: int, staff: int) -> None:
    roles = [Role.PARTNER] * partners + [Role.MANAGER] * managers + [Role.STAFF] * staff
    for n, role in enumerate(roles):
        name = f"{FIRST[n % len(FIRST)]} {LAST[n // len(FIRST) % len(LAST)]}"
        person = Person(
            id=bench_id(Kind.PERSON, n), name=name, sort_key=name.lower(),
            initials="".join(word[0] for word in name.split()), email=f"person{n}@firm.example", role=role,
            grade=role.value, office_id=offices[n % 2].id, state=PersonState.ACTIVE,
        )
        db.session.add(person)
    db.session.flush()
    db.session.add_all(
        WorkingPattern(person_id=bench_id(Kind.PERSON, n), from_on=dt.date(2020, 1, 1), minutes=[450] * 5 + [0, 0])
        for n in range(len(roles))
    )
    db.session.flush()


def _make_rates() -> None:
    for n, (role, amount) in enumerate(GRADES.items()):
        db.session.add(Rate(
            id=bench_id(Kind.RATE, n), from_on=dt.date(2020, 1, 1), amount=amount, currency="GBP", grade=role.value
        ))


def _make_service(number: int, name: str, cadence: Cadence, due: DueRule, asks: bool) -> UUID:
    made = create_service(
        bench_id(Kind.SERVICE, number), ServiceValues(name=name, cadence=cadence), by=SYSTEM, stages=STAGES
    )
    service = get_service(made.id, seen_by=SYSTEM)
    stages = {stage.name: stage.id for stage in service.stages}
    draft = db.session.scalars(sa.select(JobTemplate).where(JobTemplate.service_id == service.id)).one()
    edit_template(
        draft, title_pattern="{client} {service} {period}", due_rule=due, priority=0, fee=None, by=SYSTEM
    )
    for position, (step, stage, role, minutes) in enumerate(STEPS):
        add_step(
            draft, bench_id(Kind.STEP, number * 100 + position),
            StepValues(
                step, stages[stage], StepKind.REVIEW if role is WorkRole.REVIEWER else StepKind.WORK, role,
                estimate=dt.timedelta(minutes=minutes), due_rule=DueRule("job_due", (days(-5 * (9 - position)),)),
                after=tuple(After("", key_of(before)) for before in AFTER.get(position, ())),
            ),
            by=SYSTEM, key=key_of(position),
        )
    if asks:
        save_request(draft, bench_id(Kind.TEMPLATE_REQUEST, number), RequestValues(
            "Your papers for the year", step_key=key_of(2), due_rule=DueRule("job_start", (days(30),)), items=ITEMS,
        ), by=SYSTEM)
    publish_template(draft, by=SYSTEM)
    return service.id


def key_of(position: int) -> str:
    return f"step{position}"


def _published(service_id: UUID) -> UUID:
    return db.session.scalars(
        sa.select(JobTemplate.id).where(JobTemplate.service_id == service_id, JobTemplate.state == "published")
    ).one()


FIRST = ("Amara", "Ben", "Chloe", "Dev", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Keira", "Liam")
LAST = ("Okafor", "Price", "Quinn", "Rossi", "Shah", "Turner", "Ueda", "Vance", "Walsh", "Young")
