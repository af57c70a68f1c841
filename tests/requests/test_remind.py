"""Reminders: spaced, in the contact's morning, one mail a day over everything, and none once it is answered."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from app.core.clock import travel_to
from app.core.errors import Refused
from app.requests.background import remind
from app.requests.commands.answering import save_answer, submit_answers
from app.requests.commands.reminding import remind_request, set_reminders
from app.requests.commands.writing import ReminderPolicy
from tests.requests.make_requests import NOTES, TURNOVER, at, fresh, item_of, mails, make_request

START = dt.date(2026, 3, 2)


def reminded_on(days: range, hour: int = 9) -> list[int]:
    """The days after START on which reminders went out."""
    sent = []
    for day in days:
        before = len(mails("requests.reminder"))
        with travel_to(at(START + dt.timedelta(days=day), hour)):
            remind()
            remind()
        if len(mails("requests.reminder")) > before:
            sent.append(day)
    return sent


def test_the_first_comes_after_n_days_then_every_m_at_most_k(cast: Any) -> None:
    with travel_to(at(START)):
        make_request(cast, items=(TURNOVER,), reminders=ReminderPolicy(3, 4, 2))
    assert reminded_on(range(0, 20)) == [3, 7]


def test_several_requests_make_one_mail_a_day(cast: Any) -> None:
    with travel_to(at(START)):
        make_request(cast, items=(TURNOVER,), name="First", reminders=ReminderPolicy(1, 1, 5))
        make_request(cast, items=(TURNOVER,), name="Second", reminders=ReminderPolicy(1, 1, 5))
    assert reminded_on(range(1, 2)) == [1]
    sent = mails("requests.reminder")
    assert len(sent) == 1
    assert "First" in sent[0].text and "Second" in sent[0].text


def test_they_come_in_the_contacts_own_morning(cast: Any) -> None:
    cast.cleo.zone = "America/New_York"
    with travel_to(at(START)):
        make_request(cast, items=(TURNOVER,), reminders=ReminderPolicy(1, 1, 5))
    assert reminded_on(range(1, 2), hour=9) == [], "four in the morning over there"
    assert reminded_on(range(1, 2), hour=14) == [1]


def test_they_stop_when_answered_or_paused(cast: Any) -> None:
    with travel_to(at(START)):
        answered = make_request(cast, items=(TURNOVER, NOTES), reminders=ReminderPolicy(1, 1, 5))
        paused = make_request(cast, items=(TURNOVER,), reminders=ReminderPolicy(1, 1, 5))
        cleo = cast.contact(cast.cleo)
        save_answer(item_of(answered, "turnover"), ["1"], by=cleo)
        submit_answers(fresh(answered), by=cleo)
        set_reminders(fresh(paused), paused=True, by=cast.actor(cast.mel))
    assert reminded_on(range(1, 5)) == []


def test_by_hand_once_a_day(cast: Any) -> None:
    with travel_to(at(START)):
        request = make_request(cast, items=(TURNOVER,))
        assert remind_request(fresh(request), by=cast.actor(cast.mel)) == 1
        with pytest.raises(Refused, match="today already"):
            remind_request(fresh(request), by=cast.actor(cast.mel))
    assert fresh(request).reminders_sent == 1
