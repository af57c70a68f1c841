"""The ready services."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy.orm import Session

from app.catalogue.blueprints import dates_of
from app.catalogue.commands.library import install_library_service
from app.catalogue.library import SERVICES
from app.catalogue.models import Service
from app.catalogue.queries import get_blueprint, latest_published
from app.core.errors import NotAllowed
from app.firm.calendars import calendar_for
from tests.make import Cast, count


@pytest.mark.parametrize("code", [service.code for service in SERVICES])
def test_each_ready_service_publishes_and_dates_everything(code: str, cast: Cast) -> None:
    service = install_library_service(code, by=cast.actor(cast.mel))
    blueprint = get_blueprint(latest_published(service.id))  # type: ignore[arg-type]
    anchors = {
        "period_start": dt.date(2026, 1, 1), "period_end": dt.date(2026, 3, 31), "job_start": dt.date(2026, 4, 1)
    }
    dates = dates_of(blueprint, anchors, calendar_for("GB-ENG"))
    assert not dates.missing and len(dates.steps) == len(blueprint.steps) >= 5
    ordered = [dates.steps[step.key] for step in blueprint.steps]
    assert all(day <= max(found.due for _code, found in dates.deadlines) for day in ordered if dates.deadlines)


def test_adding_a_ready_service_twice_adds_it_once(cast: Cast, session: Session) -> None:
    first = install_library_service("UK-VAT-QUARTER", by=cast.actor(cast.mel))
    assert install_library_service("uk-vat-quarter", by=cast.actor(cast.mel)).id == first.id
    assert count(Service) == 1


def test_otto_and_a_preparer_cannot_add_services(cast: Cast) -> None:
    for actor in (cast.contact(cast.otto), cast.actor(cast.sam)):
        with pytest.raises(NotAllowed):
            install_library_service("UK-VAT-QUARTER", by=actor)
