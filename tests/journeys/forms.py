"""Every form that makes something: where it is posted and what with."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.billing.models import Invoice, Payment
from app.catalogue.models import Service, Stage
from app.clients.models import Arrangement, Client, Contact, Engagement, Wall
from app.core import clock
from app.firm.models import Closure, Entity, Office, TaxRate
from app.jobs.models import Job, Task
from app.ledger.models import ExchangeRate
from app.marks.models import Comment
from app.people.models import Person
from app.requests.models import ClientRequest
from app.timekeeping.models import Expense, Rate, TimeEntry, Timer
from tests.make import Cast

Forms = dict[type[Any], tuple[str, dict[str, str]]]


def new_things(cast: Cast, service_id: UUID, job_id: UUID, password: str) -> Forms:
    """Where a new one of each kind is posted, and what with; `id` comes later."""
    today = clock.today().isoformat()
    office, acme, work = str(cast.office.id), str(cast.acme.id), str(cast.acme_work.id)
    confirmed = {"current_password": password}
    return {
        Person: ("/people/new", {"name": "Nia Obi", "email": "nia@firm.example", "role": "staff",
                                 "office_id": office, **confirmed}),
        Client: ("/clients", {"name": "Once Ltd", "kind": "organisation", "status": "active", "office_id": office,
                              "currency": "GBP"}),
        Contact: (f"/clients/{acme}/contacts", {"name": "Ann Once", "email": "ann@client.example"}),
        Engagement: (f"/clients/{acme}/engagements", {"name": "Books", "kind": "hourly", "round_mode": "up",
                                                      "currency": "GBP", "increment": "6"}),
        Arrangement: (f"/engagements/{work}/arrangements", {"kind": "fixed", "agreed_amount": "900.00",
                                                            "from_on": today}),
        Wall: (f"/clients/{acme}/walls", {"person_id": str(cast.sam.id), "engagement_id": "", "reason": "Family",
                                         **confirmed}),
        Service: ("/services", {"name": "Advice", "cadence": "once"}),
        Stage: (f"/services/{service_id}/stages", {"name": "Once more"}),
        Job: ("/jobs/new", {"client": acme, "engagement": work, "title": "Once"}),
        Task: (f"/jobs/{job_id}/tasks/new", {"name": "Once", "kind": "work"}),
        TimeEntry: ("/time", {"work": f"engagement:{work}", "recorded": "1:00", "worked_on": today}),
        Expense: ("/expenses", {"work": f"engagement:{work}", "spent_on": today, "net": "12.00",
                                "narrative": "Filing fee", "category": "other"}),
        ClientRequest: ("/requests/new", {"client": acme, "name": "Papers", "items-label": "Statements",
                                          "items-kind": "upload", "items-code": "", "items-required": "yes",
                                          "items-help": "", "items-options": "", "remind_after": "3",
                                          "remind_every": "4", "remind_most": "5"}),
        Invoice: (f"/billing/clients/{acme}/draft", {"until": today, "grouping": "engagement",
                                                     "engagement": work}),
        Payment: ("/billing/payments", {"client": acme, "entity_id": str(cast.entity.id), "currency": "GBP",
                                        "amount": "10.00", "received_on": today, "method": "transfer",
                                        "spread": "auto"}),
        Rate: ("/settings/rates", {"from_on": today, "amount": "120", "currency": "GBP", "grade": "Senior"}),
        TaxRate: ("/settings/tax-rates/new", {"code": "R5", "name": "Reduced", "treatment": "standard",
                                              "percent": "5"}),
        ExchangeRate: ("/settings/exchange-rates", {"currency": "EUR", "base": "GBP", "rate": "0.85",
                                                    "from_on": today}),
        Closure: ("/settings/closures", {"closed_on": today, "name": "Painters", "office_id": ""}),
        Office: ("/settings/offices/new", {"name": "Leeds", "entity_id": str(cast.entity.id),
                                           "zone": "Europe/London", "calendar": "GB-ENG"}),
        Entity: ("/settings/entities/new", {"name": "Once Trustees", "country": "GB", "currency": "GBP",
                                            "year_end_month": "12", "year_end_day": "31", "terms_days": "14",
                                            **confirmed}),
        Timer: ("/timers", {"work": f"engagement:{work}"}),
        Comment: (f"/comments/client/{acme}", {"body": "Seen"}),
    }
