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
    week: tuple[float, ...] = (7.5,) * 5


COLLEAGUES = (
    Colleague("Patricia Hartwell", Role.PARTNER, "Partner", LONDON),
    Colleague("Oisín Brennan", Role.PARTNER, "Partner", DUBLIN, (7.5, 7.5, 7.5, 7.5)),
    Colleague("Melanie Osei", Role.MANAGER, "Manager", LONDON),
    Colleague("Rory Fitzgerald", Role.MANAGER, "Manager", DUBLIN),
    Colleague("Sam Whitfield", Role.STAFF, "Senior", LONDON),
    Colleague("Aisha Rahman", Role.STAFF, "Senior", LONDON),
    Colleague("Tomasz Zieliński", Role.STAFF, "Junior", LONDON),
    Colleague("Grace Adeyemi", Role.STAFF, "Junior", LONDON, (7.5, 7.5, 7.5, 4)),
    Colleague("Niamh Doyle", Role.STAFF, "Senior", DUBLIN, (6, 6, 6, 6, 6)),
    Colleague("Luca Ferrari", Role.STAFF, "Junior", DUBLIN),
    Colleague("Beatrice Lowe", Role.BILLING, "Administrator", LONDON, (7.5, 7.5, 0, 7.5, 4)),
    Colleague("Adam Kearney", Role.ADMIN, "Administrator", DUBLIN, (0, 7.5, 7.5, 4)),
)
RATES = {"Partner": "285", "Manager": "190", "Senior": "135", "Junior": "95", "Administrator": "70"}
EURO_RATES = {"Partner": "310", "Manager": "210", "Senior": "150", "Junior": "105", "Administrator": "80"}
# Days away, counted from the last of the year: (colleague, first day, last day). The first of them go on beyond it.
AWAY: tuple[tuple[str, int, int], ...] = (
    ("Tomasz Zieliński", -2, 4),
    ("Melanie Osei", 12, 21),
    ("Luca Ferrari", 5, 7),
    ("Patricia Hartwell", 24, 38),
    ("Niamh Doyle", 18, 24),
)
WEEKS_AWAY = ((-345, -332), (-236, -230), (-125, -112), (-56, -52))  # each colleague within some days of these

# name, office, services, year-end month. "v" VAT, "a" accounts, "p" payroll, "b" bookkeeping, "m" management accounts,
# "u" audit, "r" a project
COMPANIES: tuple[tuple[str, str, str, int], ...] = (
    ("Alder & Finch Ltd", LONDON, "vabm", 12),
    ("Birchwood Dental LLP", LONDON, "vap", 3),
    ("Cobalt Freight Ltd", LONDON, "vabmu", 6),
    ("Drumlin Farms", DUBLIN, "a", 12),
    ("Eastgate Pharmacy Ltd", LONDON, "vam", 9),
    ("Ferris Joinery", LONDON, "a", 3),
    ("Glasshouse Studio", LONDON, "abr", 12),
    ("Harrow Lane Bakery Ltd", LONDON, "va", 6),
    ("Iveagh Property Trust", DUBLIN, "au", 12),
    ("Juniper Health CIC", LONDON, "au", 3),
    ("Kestrel Aviation Ltd", LONDON, "vapmu", 12),
    ("Lindqvist Imports Ltd", LONDON, "vamr", 9),
    ("Marlowe & Daughters", LONDON, "va", 3),
    ("Northside Physio", DUBLIN, "a", 12),
    ("O'Hara Plumbing Ltd", DUBLIN, "va", 6),
    ("Pémberton Crêpes Ltd", LONDON, "var", 12),
    ("Quayside Hotel Ltd", DUBLIN, "vapm", 12),
    ("Ravenscourt Films", LONDON, "ar", 3),
    ("Saltmarsh Brewing Co", LONDON, "vamr", 9),
    ("Thornbury Veterinary Ltd", LONDON, "vam", 12),
    ("Umber Architects LLP", LONDON, "amr", 3),
    ("Vantage Optics Ltd", LONDON, "vam", 6),
    ("Wexford Seafoods Ltd", DUBLIN, "vapbmu", 12),
    ("Yarrow Textiles Ltd", LONDON, "a", 9),
    ("Zennor Pottery", LONDON, "a", 3),
    ("Ashdown Electrical Ltd", LONDON, "var", 12),
    ("Ballymun Motors Ltd", DUBLIN, "var", 3),
    ("Cardinal Print Works", LONDON, "a", 12),
    ("Dovecote Nurseries", LONDON, "a", 6),
    ("Elmswood Timber Ltd", LONDON, "ar", 9),
    ("Foxglove Florists", LONDON, "a", 3),
    ("Greystones Sailing Club", DUBLIN, "ar", 12),
    ("Hollybank Care Homes Ltd", LONDON, "apu", 3),
    ("Inchicore Cycles Ltd", DUBLIN, "a", 6),
    ("Jasper & Lyle Solicitors", LONDON, "amr", 4),
    ("Kilmainham Coffee Ltd", DUBLIN, "vab", 12),
    ("Larkhill Logistics Ltd", LONDON, "vamu", 9),
    ("Mulberry Montessori", LONDON, "a", 8),
    ("Newmarket Joiners Ltd", LONDON, "a", 12),
    ("Orchard Street Books", LONDON, "a", 3),
    ("Phoenix Gate Security Ltd", DUBLIN, "vam", 12),
    ("Quince & Rye Restaurants Ltd", LONDON, "vabm", 6),
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
# Clients who are not billed for so many days, and some who pay when it suits them.
FEE_NOT_AGREED = {"Elmswood Timber Ltd": 190, "Umber Architects LLP": 140, "Greystones Sailing Club": 105,
                  "Foxglove Florists": 170, "Mulberry Montessori": 80, "Inchicore Cycles Ltd": 130}
PAYS_LATE = {"Quince & Rye Restaurants Ltd": 175, "Ravenscourt Films": 120, "Ballymun Motors Ltd": 95,
             "Harrow Lane Bakery Ltd": 62}
NO_ADDRESS = ("Orchard Street Books", "Zennor Pottery")
NOBODYS = 0.08  # of what recurs nobody is named for; a manager gives it out shortly before it is due
# What clients are asked for between the papers of their periods: a name, and what is to be sent.
BETWEEN: tuple[tuple[str, ...], ...] = (
    ("Proof of identity", "Passport or driving licence, as the one we hold has expired"),
    ("Letter from the tax office", "The letter, all pages"),
    ("Missing receipts", "Receipts for the card payments marked in our e-mail"),
    ("Loan agreement", "The signed agreement", "Repayment schedule"),
    ("New starter", "Signed contract", "Starter form"),
    ("Bank mandate", "Signed mandate"),
)
# Where companies file their returns, what it costs, what is filed.
REGISTRIES = {
    LONDON: ("Companies House", 34, "confirmation statement"),
    DUBLIN: ("Companies Registration Office", 20, "annual return"),
}
INTERNAL = ("Team meeting", "Training: new VAT rules", "Administration", "Reading: Finance Act changes")
