"""What happens to the firm's settings and to its mail, in words."""

from __future__ import annotations

from uuid import UUID

from app.activity.sentences import Data, changed, place, sentence


@place("firm")
def firm_address(firm_id: UUID) -> str:
    return "/settings/firm"


@place("entity")
def entity_address(entity_id: UUID) -> str:
    return f"/settings/entities/{entity_id}"


@place("office")
def office_address(office_id: UUID) -> str:
    return f"/settings/offices/{office_id}"


@place("tax_rate")
def rate_address(rate_id: UUID) -> str:
    return f"/settings/tax-rates/{rate_id}"


@place("number_series")
def series_address(series_id: UUID) -> str:
    return "/settings/numbers"


@place("closure")
def closure_address(closure_id: UUID) -> str:
    return "/settings/closures"


@sentence("firm.firm.set_up", icon="star")
def set_up(data: Data) -> str:
    return f"set up {data['name']}"


@sentence("firm.firm.update", "firm.entity.update", "firm.office.update", "firm.tax_rate.update", icon="settings")
def updated(data: Data) -> str:
    return f"changed {changed(data)} of {data['name']}"


@sentence("firm.entity.create", "firm.office.create", "firm.tax_rate.create", icon="plus")
def added(data: Data) -> str:
    return f"added {data['name']}"


@sentence("firm.office.archive", "firm.tax_rate.archive", icon="archive")
def archived(data: Data) -> str:
    return f"archived {data['name']}"


@sentence("firm.tax_rate.change", icon="tax")
def rate_changed(data: Data) -> str:
    return f"changed the rate to {data['name']} from {data['from_on']} on"


@sentence("firm.tax_rate.withdraw", icon="undo")
def rate_withdrawn(data: Data) -> str:
    return f"took {data['name']} back, which was to hold from {data['from_on']} on"


@sentence("firm.tax_rate.restore", icon="undo")
def rate_restored(data: Data) -> str:
    return f"took {data['name']} back into use"


@sentence("firm.tax_rate.choose", icon="tax")
def rate_chosen(data: Data) -> str:
    return f"made {data['name']} the usual rate"


@sentence("firm.number_series.update", icon="list")
def renumbered(data: Data) -> str:
    return f"changed {changed(data)} of the {data['name']} numbers"


@sentence("firm.rounding.update", icon="time")
def rounded(data: Data) -> str:
    return f"set the rounding: {data['name']}"


@sentence("firm.second_factor.update", icon="shield")
def second_factor(data: Data) -> str:
    everybody = data["changes"]["require_totp"][1]
    return f"asked {'everybody' if everybody else 'nobody any more'} for a second factor"


@sentence("firm.logo.set", icon="image")
def logo_set(data: Data) -> str:
    return "set the logo"


@sentence("firm.logo.remove", icon="image")
def logo_removed(data: Data) -> str:
    return "removed the logo"


@sentence("firm.closure.add", icon="calendar")
def closed(data: Data) -> str:
    return f"closed on {data['on']}: {data['name']}"


@sentence("firm.closure.remove", icon="calendar")
def opened(data: Data) -> str:
    return f"took the closure of {data['on']} off"


@sentence("delivery.mail.send", icon="mail")
def mailed(data: Data) -> str:
    return f"sent the mail {data['title']}"


@sentence("delivery.mail.fail", icon="mail")
def not_mailed(data: Data) -> str:
    to = f" to {data['to']}" if data.get("to") else ""
    return f"could not deliver the mail {data['title']}{to}"


@sentence("delivery.mail.delay", icon="mail")
def not_yet_mailed(data: Data) -> str:
    return f"has not got the mail {data['title']} through yet, and goes on trying"


@sentence("delivery.mail.drop", icon="mail", quote="because")
def not_sent_any_more(data: Data) -> str:
    return f"did not send the mail {data['title']}: it could help no more"


@sentence("delivery.mail.again", icon="mail")
def mailed_again(data: Data) -> str:
    return f"sent the mail {data['title']} again"


@sentence("delivery.mail.let_be", icon="mail")
def left_as_it_is(data: Data) -> str:
    return f"let the mail {data['title']} be"
