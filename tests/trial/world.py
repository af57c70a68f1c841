"""The firm that random histories begin with: two clients, four engagements each, three currencies, two entities."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from typing import Any

from app.clients.models import ArrangementKind
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.ids import new_id
from app.core.rounding import RoundingRule, RoundMode, RoundPer
from app.firm.models import Entity, TaxPoint, TaxRate, TaxTreatment
from app.ledger import commands as ledger
from app.ledger.commands import close_period
from app.ledger.models import ExchangeRate
from tests.billing.make_billing import make_rate
from tests.jobs.make_jobs import make_job
from tests.make import Cast, keep, make_engagement, make_tax
from tests.trial.book import Bill, Work

# Far from any date that code could have in it; the clock only goes on from here.
START = dt.datetime(2031, 5, 14, 10, tzinfo=dt.UTC)
RATES = {
    "GBP": ((dt.date(2020, 1, 1), "99.99"), (dt.date(2031, 4, 20), "123.45")),
    "JPY": ((dt.date(2020, 1, 1), "15001"), (dt.date(2031, 4, 1), "17777")),
    "KWD": ((dt.date(2020, 1, 1), "37.777"), (dt.date(2031, 4, 1), "41.005")),
}
EXCHANGE = {"JPY": ("0.0052", "0.0049"), "KWD": ("2.5512", "2.6003")}


# What each code charges from a day on. The usual one rises in the middle of what is worked.
TAXES = {
    "S20": ("standard", ((dt.date(2000, 1, 1), "20"), (dt.date(2031, 4, 22), "22.5"))),
    "R5": ("standard", ((dt.date(2000, 1, 1), "5.5"),)),
    "E": ("exempt", ((dt.date(2000, 1, 1), "0"),)),
    "AE": ("reverse_charge", ((dt.date(2000, 1, 1), "0"),)),
}


class World:
    """Made once; each history ends by undoing everything since `begin`."""

    def __init__(self, cast: Cast) -> None:
        with clock.travel_to(START):
            self._make(cast)

    def _make(self, cast: Cast) -> None:
        self.bea, self.pat, self.pat_as_system = cast.actor(cast.bea), cast.actor(cast.pat), SYSTEM
        self.rates: dict[str, list[tuple[dt.date, Fraction]]] = {}
        for currency, cards in RATES.items():
            ends = [card[0] for card in cards[1:]] + [None]
            for (from_on, amount), to_on in zip(cards, ends, strict=True):
                make_rate(amount, currency=currency, from_on=from_on, to_on=to_on)
                self.rates.setdefault(currency, []).append((from_on, Fraction(amount)))
        for currency, rates in EXCHANGE.items():
            for from_on, rate in zip((dt.date(2030, 1, 1), dt.date(2031, 4, 25)), rates, strict=True):
                keep(ExchangeRate(id=new_id(), currency=currency, base="GBP", from_on=from_on, rate=Decimal(rate)))
        branch = keep(Entity(
            name="Hartwell Kuwait", country="KW", currency="KWD", address="1 Bay Street", tax_point=TaxPoint.ISSUE
        ))
        self.entities = (cast.entity.id, branch.id)
        self.clients = (cast.acme.id, cast.rival.id)
        cast.acme.tax_number = "GB123456782"
        self.taxed = {cast.acme.id}
        whole_day = RoundingRule(15, RoundMode.UP, 0, RoundPer.DAY_AND_JOB).to_json()
        self.works: list[Work] = []
        for client, own in ((cast.acme, cast.acme_work), (cast.rival, cast.rival_work)):
            first = client is cast.acme
            self._add(own)
            self._add(
                make_engagement(client, cast.entity, "Fixed", kind=ArrangementKind.FIXED, fee=Decimal(1000)),
                Fraction(1000),
            )
            self._add(
                make_engagement(
                    client,
                    cast.entity,
                    "Yen",
                    currency="JPY",
                    rounding=whole_day if first else None,
                )
            )
            self._add(make_engagement(client, cast.entity if first else branch, "Dinar", currency="KWD"))
        self.taxes = tuple(TAXES)
        first, then = TAXES["S20"][1]
        cast.vat.to_on = then[0]
        db.session.flush()
        keep(
            TaxRate(code="S20", name="VAT", treatment=TaxTreatment.STANDARD, percent=Decimal(then[1]), from_on=then[0])
        )
        for code in self.taxes[1:]:
            make_tax(code, TaxTreatment(TAXES[code][0]), TAXES[code][1][0][1])
        db.session.commit()

    def _add(self, engagement: Any, fee: Fraction | None = None) -> None:
        by_day = bool(engagement.rounding)
        job = make_job(engagement)
        self.works.append(Work(
            engagement.id, f"{engagement.name} {engagement.currency}", engagement.client_id, engagement.entity_id,
            engagement.currency, step=15 if by_day else 6, by_day=by_day,
            fee=fee, job=job.id,
        ))  # fmt: skip

    def rate(self, currency: str, day: dt.date) -> Fraction:
        return [rate for from_on, rate in self.rates[currency] if from_on <= day][-1]

    def tax(self, code: str, day: dt.date) -> tuple[str, Fraction]:
        """How a code treats what is supplied on a day, and what it charges."""
        treatment, rates = TAXES[code]
        return treatment, Fraction([percent for from_on, percent in rates if from_on <= day][-1])

    def decides(self, bill: Bill, supplied_on: dt.date, day: dt.date) -> dt.date:
        """The day that decides: of the supply, or where the entity says so of the bill."""
        return day if bill.entity == self.entities[1] else supplied_on

    def close_month(self, at: dt.date) -> None:
        """Close a month and all before it, for every entity."""
        close_period(at, by=self.pat)

    @contextmanager
    def gathering_from(self, few: int) -> Iterator[None]:
        usual, ledger.GATHER_FROM = ledger.GATHER_FROM, few
        try:
            yield
        finally:
            ledger.GATHER_FROM = usual

    def begin(self) -> Callable[[], None]:
        """A savepoint; what comes back undoes everything since."""
        db.session.commit()
        connection: Any = db.engines[None]
        before = connection.begin_nested()

        def undo() -> None:
            db.session.rollback()
            db.session.expunge_all()
            before.rollback()
            connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")

        return undo
