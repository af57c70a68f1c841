"""Tells every letter whose it is."""

from __future__ import annotations

from app.core.colour import light_accent
from app.delivery.letterhead import Letterhead, letterhead_from
from app.firm.queries import get_firm_facts


@letterhead_from
def firm_letterhead() -> Letterhead:
    facts = get_firm_facts()
    return Letterhead(facts.name, light_accent(facts.accent)) if facts else Letterhead()
