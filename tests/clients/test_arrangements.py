"""What is agreed about billing an engagement: several over time, each fee with what is taken of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.activity.sentences import told
from app.clients.commands import (
    ArrangementFacts,
    EngagementFacts,
    add_arrangement,
    archive_arrangement,
    change_arrangement,
    create_engagement,
    restore_arrangement,
)
from app.clients.models import Arrangement, ArrangementKind, in_force
from app.clients.queries import arrangements_of
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import Conflict, NotAllowed, Refused, Stale
from app.core.ids import new_id
from tests.billing.make_billing import make_draft
from tests.make import Cast, make_engagement, sign_in

FIXED = ArrangementKind.FIXED


def fee(amount: str, **values: object) -> ArrangementFacts:
    return ArrangementFacts(kind=FIXED, agreed_amount=Decimal(amount), **values)  # type: ignore[arg-type]


def test_an_engagement_opens_with_how_it_is_billed(cast: Cast) -> None:
    by = cast.actor(cast.mel)
    hourly = create_engagement(new_id(), cast.acme, EngagementFacts(name="Advice"), by=by)
    fixed = create_engagement(new_id(), cast.acme, EngagementFacts(name="Accounts"), by=by, billed=fee("1200"))
    assert [each.kind for each in arrangements_of(hourly, seen_by=by)] == ["hourly"]
    assert [(each.kind, each.agreed_amount, each.left) for each in arrangements_of(fixed, seen_by=by)] == [
        ("fixed", 1200, 1200)
    ]
    with pytest.raises(Refused, match="needs its fee") as refusal:
        create_engagement(
            new_id(), cast.acme, EngagementFacts(name="Tax"), by=by, billed=ArrangementFacts(kind=FIXED)
        )
    assert refusal.value.field == "agreed_amount"


def test_the_arrangement_in_force_is_that_of_the_day_of_work(cast: Cast) -> None:
    by, spring, autumn = cast.actor(cast.mel), dt.date(2026, 3, 1), dt.date(2026, 9, 1)
    add_arrangement(new_id(), cast.acme_work, fee("900", from_on=autumn), by=by)
    free = ArrangementFacts(kind=ArrangementKind.NON_BILLABLE, from_on=spring)
    add_arrangement(new_id(), cast.acme_work, free, by=by)
    standing = arrangements_of(cast.acme_work, seen_by=by)
    days = (dt.date(2020, 1, 1), dt.date(2026, 2, 28), spring, dt.date(2026, 8, 31), autumn, dt.date(2030, 1, 1))
    assert [in_force(standing, day).kind for day in days] == [
        "hourly", "hourly", "non_billable", "non_billable", "fixed", "fixed",
    ]  # fmt: skip


def test_a_change_is_told_with_both_fees(cast: Cast, session: Session) -> None:
    by = cast.actor(cast.mel)
    arrangement = add_arrangement(new_id(), cast.acme_work, fee("900", from_on=dt.date(2026, 9, 1)), by=by)
    change_arrangement(arrangement, fee("950.50", from_on=dt.date(2026, 9, 1), name="Year end"), by=by)
    session.flush()
    kinds = session.scalars(sa.select(Event.kind).where(Event.kind.like("clients.arrangement.%"))).all()
    assert sorted(kinds) == ["clients.arrangement.add", "clients.arrangement.change"]
    before = {"billed": "fixed", "agreed_amount": "900.00", "currency": "GBP", "from_on": "2026-09-01"}
    words, _, _ = told(
        "clients.arrangement.change",
        {"name": "Advice", "before": before, **before, "agreed_amount": "950.50"},
    )
    assert "900.00 GBP" in words and "950.50 GBP" in words


def test_saving_what_is_there_already_is_no_change(cast: Cast, session: Session) -> None:
    by = cast.actor(cast.mel)
    arrangement = add_arrangement(new_id(), cast.acme_work, fee("900", from_on=dt.date(2026, 9, 1)), by=by)
    change_arrangement(arrangement, fee("900", from_on=dt.date(2026, 9, 1)), by=by)
    session.flush()
    kinds = session.scalars(sa.select(Event.kind).where(Event.kind.like("clients.arrangement.%"))).all()
    assert kinds == ["clients.arrangement.add"]


def test_a_fee_is_not_lowered_below_what_is_taken_of_it(cast: Cast) -> None:
    engagement = make_engagement(cast.acme, cast.entity, "Accounts", kind=FIXED, fee=Decimal(1000))
    draft = make_draft(cast, engagement)
    assert draft.net == 1000
    arrangement = db.session.scalars(sa.select(Arrangement).where(Arrangement.engagement_id == engagement.id)).one()
    assert arrangement.drawn == 1000
    by = cast.actor(cast.mel)
    with pytest.raises(Refused, match="1,000.00 GBP of this fee is billed or on a draft already") as refusal:
        change_arrangement(arrangement, fee("999.99"), by=by)
    assert refusal.value.field == "agreed_amount"
    with pytest.raises(Refused, match="agree something else from a day on"):
        change_arrangement(arrangement, ArrangementFacts(), by=by)
    change_arrangement(arrangement, fee("1500"), by=by)
    assert arrangement.left == 500


def test_the_database_draws_no_more_than_was_agreed(cast: Cast, session: Session) -> None:
    engagement = make_engagement(cast.acme, cast.entity, "Accounts", kind=FIXED, fee=Decimal(1000))
    with pytest.raises(IntegrityError, match="ck_arrangement_drawn"), session.begin_nested():
        session.execute(
            sa.text("UPDATE arrangement SET drawn = 1000.01 WHERE engagement_id = :id"), {"id": engagement.id}
        )


def test_the_database_keeps_what_is_drawn_equal_to_what_bills_take(cast: Cast, session: Session) -> None:
    engagement = make_engagement(cast.acme, cast.entity, "Accounts", kind=FIXED, fee=Decimal(1000))
    make_draft(cast, engagement)
    for change in ("UPDATE arrangement SET drawn = 400", "UPDATE invoice_line SET drawn = 400"):
        with pytest.raises(IntegrityError, match="says that"), session.begin_nested():
            session.execute(sa.text(f"{change} WHERE engagement_id = :id"), {"id": engagement.id})
            session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


def test_an_engagement_without_an_arrangement_from_its_start_is_refused(cast: Cast, session: Session) -> None:
    with pytest.raises(IntegrityError, match="does not say how it is billed"), session.begin_nested():
        session.execute(sa.text("DELETE FROM arrangement WHERE engagement_id = :id"), {"id": cast.acme_work.id})
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


def test_what_holds_from_the_start_is_changed_and_never_taken_away(cast: Cast) -> None:
    by = cast.actor(cast.mel)
    first = db.session.scalars(sa.select(Arrangement).where(Arrangement.engagement_id == cast.acme_work.id)).one()
    db.session.commit()
    with pytest.raises(Refused, match="changed, not taken away"):
        archive_arrangement(first, by=by)
    with pytest.raises(Refused, match="has no day"):
        change_arrangement(first, ArrangementFacts(from_on=dt.date(2026, 1, 1)), by=by)
    change_arrangement(first, fee("100"), by=by)
    assert first.kind is FIXED


def test_one_day_has_one_arrangement_and_the_end_of_one_can_be_undone(cast: Cast) -> None:
    by, day = cast.actor(cast.mel), dt.date(2026, 9, 1)
    one = add_arrangement(new_id(), cast.acme_work, fee("900", from_on=day), by=by)
    db.session.commit()
    assert add_arrangement(one.id, cast.acme_work, fee("900", from_on=day), by=by) is one
    with pytest.raises(Conflict):
        add_arrangement(one.id, cast.acme_work, fee("1", from_on=day), by=by)
    with pytest.raises(Refused, match="begins on that day"):
        add_arrangement(new_id(), cast.acme_work, fee("900", from_on=day), by=by)
    archive_arrangement(one, by=by, reason="Agreed anew")
    archive_arrangement(one, by=by)
    two = add_arrangement(new_id(), cast.acme_work, fee("800", from_on=day), by=by)
    with pytest.raises(Refused, match="begins on that day"):
        restore_arrangement(one, by=by)
    db.session.refresh(one)
    archive_arrangement(two, by=by, reason="Agreed anew")
    restore_arrangement(one, by=by)
    assert one.archived_at is None


def test_who_may_not_and_who_is_late(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        add_arrangement(new_id(), cast.rival_work, fee("1", from_on=dt.date(2026, 1, 1)), by=cast.actor(cast.sam))
    with pytest.raises(NotAllowed):
        add_arrangement(new_id(), cast.rival_work, fee("1", from_on=dt.date(2026, 1, 1)), by=cast.actor(cast.wes))
    one = add_arrangement(new_id(), cast.acme_work, fee("1", from_on=dt.date(2026, 1, 1)), by=SYSTEM)
    with pytest.raises(Stale):
        change_arrangement(one, fee("2", from_on=dt.date(2026, 1, 1)), by=SYSTEM, version=7)


def test_the_screens_show_and_change_it(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    work = f"/engagements/{cast.acme_work.id}"
    assert "From the start" in (page := client.get(work).text) or "from the start" in page
    one = str(new_id())
    answer = client.post(f"{work}/arrangements", data={"id": one, "kind": "fixed", "agreed_amount": ""})
    assert answer.status_code == 422 and "From which day on" in answer.text
    form = {"id": one, "kind": "fixed", "agreed_amount": "1,250.00", "from_on": "2026-09-01", "name": "Year end"}
    assert client.post(f"{work}/arrangements", data=form).status_code == 303
    page = client.get(work).text
    assert "Year end" in page and "1,250.00" in page and "nothing billed yet" in page
    edited = client.get(f"/arrangements/{one}/edit").text
    assert 'value="1,250.00"' in edited and 'value="2026-09-01"' in edited
    wrong = client.post(f"/arrangements/{one}", data=form | {"agreed_amount": "a lot", "version": "1"})
    assert wrong.status_code == 422 and "a lot" in wrong.text
    assert client.post(f"/arrangements/{one}", data=form | {"agreed_amount": "1300", "version": "1"}).status_code == 303
    assert client.post(f"/arrangements/{one}", data=form | {"version": "1"}).status_code == 409
    refused = client.post(f"/arrangements/{one}/archiving")
    assert refused.status_code == 422 and "This gives up 1,300.00 GBP" in refused.text
    assert 'value="1,300.00"' in refused.text
    assert client.post(f"/arrangements/{one}/archiving", data={"end-reason": "Not needed"}).status_code == 303
    assert "holds no more" in client.get(work).text
    assert client.post(f"/arrangements/{one}/restoring").status_code == 303
    sign_in(client, cast.sam)
    page = client.get(work).text
    assert "1,300.00" in page and "nothing billed yet" not in page and "Change" not in page
    assert client.get(f"/arrangements/{one}/edit").status_code == 403
    sign_in(client, cast.wes)
    rival = f"/engagements/{cast.rival_work.id}/arrangements/new"
    assert client.get(rival).status_code == 404


def test_a_fee_is_read_in_the_currency_of_its_engagement(client: FlaskClient, cast: Cast) -> None:
    yen = make_engagement(cast.acme, cast.entity, "Tokyo", currency="JPY")
    sign_in(client, cast.mel)
    form = {"id": str(new_id()), "kind": "fixed", "agreed_amount": "1000.50", "from_on": "2026-09-01"}
    answer = client.post(f"/engagements/{yen.id}/arrangements", data=form)
    assert answer.status_code == 422 and "JPY" in answer.text and 'value="1000.50"' in answer.text
