"""Who works in the demo firm and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.permissions import Role

LONDON, DUBLIN = "London", "Dublin"


@dataclass(frozen=True)
class Colleague:
    """One of the firm's people."""

    name: str
    role: Role
    grade: str
    office: str
    days: int = 5


COLLEAGUES = (
    Colleague("Patricia Hartwell", Role.PARTNER, "Partner", LONDON),
    Colleague("Oisín Brennan", Role.PARTNER, "Partner", DUBLIN),
    Colleague("Melanie Osei", Role.MANAGER, "Manager", LONDON),
    Colleague("Rory Fitzgerald", Role.MANAGER, "Manager", DUBLIN),
    Colleague("Sam Whitfield", Role.STAFF, "Senior", LONDON),
    Colleague("Aisha Rahman", Role.STAFF, "Senior", LONDON),
    Colleague("Tomasz Zieliński", Role.STAFF, "Junior", LONDON),
    Colleague("Grace Adeyemi", Role.STAFF, "Junior", LONDON, days=4),
    Colleague("Niamh Doyle", Role.STAFF, "Senior", DUBLIN),
    Colleague("Luca Ferrari", Role.STAFF, "Junior", DUBLIN),
    Colleague("Beatrice Lowe", Role.BILLING, "Administrator", LONDON),
    Colleague("Adam Kearney", Role.ADMIN, "Administrator", DUBLIN),
)
RATES = {"Partner": "285", "Manager": "190", "Senior": "135", "Junior": "95", "Administrator": "70"}

# name, office, services ("v" VAT, "a" accounts, "p" payroll, "b" bookkeeping, "s" self assessment), year-end month
COMPANIES: tuple[tuple[str, str, str, int], ...] = (
    ("Alder & Finch Ltd", LONDON, "vab", 12),
    ("Birchwood Dental LLP", LONDON, "vap", 3),
    ("Cobalt Freight Ltd", LONDON, "vab", 6),
    ("Drumlin Farms", DUBLIN, "a", 12),
    ("Eastgate Pharmacy Ltd", LONDON, "va", 9),
    ("Ferris Joinery", LONDON, "a", 3),
    ("Glasshouse Studio", LONDON, "ab", 12),
    ("Harrow Lane Bakery Ltd", LONDON, "va", 6),
    ("Iveagh Property Trust", DUBLIN, "a", 12),
    ("Juniper Health CIC", LONDON, "a", 3),
    ("Kestrel Aviation Ltd", LONDON, "vap", 12),
    ("Lindqvist Imports Ltd", LONDON, "va", 9),
    ("Marlowe & Daughters", LONDON, "va", 3),
    ("Northside Physio", DUBLIN, "a", 12),
    ("O'Hara Plumbing Ltd", DUBLIN, "va", 6),
    ("Pémberton Crêpes Ltd", LONDON, "va", 12),
    ("Quayside Hotel Ltd", DUBLIN, "vap", 12),
    ("Ravenscourt Films", LONDON, "a", 3),
    ("Saltmarsh Brewing Co", LONDON, "va", 9),
    ("Thornbury Veterinary Ltd", LONDON, "va", 12),
    ("Umber Architects LLP", LONDON, "a", 3),
    ("Vantage Optics Ltd", LONDON, "va", 6),
    ("Wexford Seafoods Ltd", DUBLIN, "vapb", 12),
    ("Yarrow Textiles Ltd", LONDON, "a", 9),
    ("Zennor Pottery", LONDON, "a", 3),
    ("Ashdown Electrical Ltd", LONDON, "va", 12),
    ("Ballymun Motors Ltd", DUBLIN, "va", 3),
    ("Cardinal Print Works", LONDON, "a", 12),
    ("Dovecote Nurseries", LONDON, "a", 6),
    ("Elmswood Timber Ltd", LONDON, "a", 9),
    ("Foxglove Florists", LONDON, "a", 3),
    ("Greystones Sailing Club", DUBLIN, "a", 12),
    ("Hollybank Care Homes Ltd", LONDON, "ap", 3),
    ("Inchicore Cycles Ltd", DUBLIN, "a", 6),
    ("Jasper & Lyle Solicitors", LONDON, "a", 4),
    ("Kilmainham Coffee Ltd", DUBLIN, "vab", 12),
    ("Larkhill Logistics Ltd", LONDON, "va", 9),
    ("Mulberry Montessori", LONDON, "a", 8),
    ("Newmarket Joiners Ltd", LONDON, "a", 12),
    ("Orchard Street Books", LONDON, "a", 3),
    ("Phoenix Gate Security Ltd", DUBLIN, "va", 12),
    ("Quince & Rye Restaurants Ltd", LONDON, "va", 6),
)
INDIVIDUALS: tuple[tuple[str, str], ...] = (
    ("Amara Abbott", LONDON),
    ("Ben Hughes", LONDON),
    ("Chloé O'Brien", DUBLIN),
    ("Dmitri Byrne", DUBLIN),
    ("Esra Ito", LONDON),
    ("Fionnuala Patel", DUBLIN),
    ("George Costa", LONDON),
    ("Hana Jansen", LONDON),
    ("Inês Quigley", LONDON),
    ("Jakub D'Souza", LONDON),
    ("Keiko Kowalska", LONDON),
    ("Liam Rossi", DUBLIN),
    ("Mónica Eriksen", LONDON),
    ("Noor Lambert", LONDON),
    ("Ola Smith-Jones", LONDON),
    ("Priya Fuchs", LONDON),
    ("Søren Gallagher", DUBLIN),
    ("يوسف الخطيب", LONDON),
)
FIRST = (
    "Eleanor",
    "Marcus",
    "Ingrid",
    "Desmond",
    "Farah",
    "Callum",
    "Rosa",
    "Theo",
    "Yuki",
    "Bronagh",
    "Kwame",
    "Nadia",
    "Piotr",
    "Siobhán",
    "Viktor",
    "Wanda",
)
LAST = (
    "Mercer",
    "Okafor",
    "Lindholm",
    "Keogh",
    "Siddiqui",
    "Barrow",
    "Delgado",
    "Ashworth",
    "Tanaka",
    "Nolan",
    "Mensah",
    "Petrova",
    "Wójcik",
    "Ryan",
    "Novák",
    "Hale",
)
ADVICE = (
    "Call about the new lease",
    "Reviewed the shareholders' agreement",
    "Cash-flow forecast for the bank",
    "Answered questions on dividends",
    "R&D claim: gathered costs",
    "Options for the new van: buy or lease",
    "Prepared figures for the board",
    "Meeting on succession",
    "Checked the loan covenant",
    "Company car against allowance",
    "Reply to HMRC's letter",
    "Management accounts: explained the margin",
    "Budget for next year",
)
INTERNAL = ("Team meeting", "Training: new VAT rules", "Administration", "Reading: Finance Act changes")
