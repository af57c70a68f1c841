"""Which system an export comes from, and what its columns mean. Nothing here reads the database."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.errors import Refused
from app.exchange.cells import plain_head


class Source(enum.StrEnum):
    """Where a file comes from; a client's key is unique within it."""

    XERO = "xero"
    QUICKBOOKS = "quickbooks"
    CLIO = "clio"
    TAXDOME = "taxdome"
    FIRMAMENT = "firmament"
    OTHER = "other"


SOURCE_NAMES = {
    Source.XERO: "Xero", Source.QUICKBOOKS: "QuickBooks Online", Source.CLIO: "Clio", Source.TAXDOME: "TaxDome",
    Source.FIRMAMENT: "this system", Source.OTHER: "another system",
}

# What a column can be. Those with a number in them may stand several times: a second person, a second address line.
TARGETS = {
    "name": "Client’s name", "company": "Company", "code": "Client’s code", "kind": "Person or business",
    "legal_name": "Legal name", "tax_number": "Tax number", "registration_number": "Company number",
    "email": "E-mail", "phone": "Telephone", "mobile": "Mobile", "website": "Website",
    "address1": "Address, line 1", "address2": "Address, line 2", "address3": "Address, line 3",
    "address4": "Address, line 4", "city": "City", "region": "County or state", "postcode": "Postcode",
    "country": "Country", "terms_days": "Payment terms, days", "terms_kind": "Kind of payment terms",
    "title": "Contact’s title", "first_name": "Contact’s first name", "last_name": "Contact’s last name",
    "full_name": "Contact’s name", "role": "Contact’s role", "tags": "Tags", "notes": "Notes",
    "status": "Status", "state": "State or region (of the country)", "currency": "Currency", "year_end": "Year end",
    "vat_stagger": "Tax quarters end in", "payroll_frequency": "Pays its staff", "first_pay_day": "First pay day",
    "partner": "Partner", "manager": "Manager", "office": "Office", "archived": "Archived",
    "balance": "Opening balance (noted, not posted)",
    **{f"person{n}_{part}": f"Person {n}, {words}" for n in range(1, 6)
       for part, words in (("first_name", "first name"), ("last_name", "last name"), ("email", "e-mail"))},
}

_XERO = {
    "*ContactName": "name", "AccountNumber": "code", "EmailAddress": "email", "FirstName": "first_name",
    "LastName": "last_name", "POAddressLine1": "address1", "POAddressLine2": "address2",
    "POAddressLine3": "address3", "POAddressLine4": "address4", "POCity": "city", "PORegion": "region",
    "POPostalCode": "postcode", "POCountry": "country", "PhoneNumber": "phone", "MobileNumber": "mobile",
    "TaxNumber": "tax_number", "Website": "website", "LegalName": "legal_name",
    "CompanyNumber": "registration_number", "DueDateSalesDay": "terms_days", "DueDateSalesTerm": "terms_kind",
    **{f"Person{n}{part}": f"person{n}_{target}" for n in range(1, 6)
       for part, target in (("FirstName", "first_name"), ("LastName", "last_name"), ("Email", "email"))},
}
_QUICKBOOKS = {
    "Full Name": "name", "Company": "company", "Email": "email", "Phone": "phone", "Mobile": "mobile",
    "Website": "website", "Street": "address1", "City": "city", "State": "region", "ZIP": "postcode",
    "Country": "country", "Opening Balance": "balance",
}
_CLIO = {
    "title": "title", "job_title": "role", "first_name": "first_name", "last_name": "last_name", "company": "company",
    "business_street": "address1", "business_city": "city", "business_state": "region",
    "business_postal_code": "postcode", "business_country": "country", "email_address": "email",
    "primary_phone": "phone",
}
_TAXDOME = {
    "Account name": "name", "Account type": "kind", "First name": "first_name", "Last name": "last_name",
    "Email": "email", "Phone": "phone", "Company name": "legal_name", "Tags": "tags",
}

# Of our own list (exchange.clients.own writes it), whose clients are found by their code.
_FIRMAMENT = {
    "Code": "code", "Name": "name", "Legal name": "legal_name", "Kind": "kind", "Status": "status", "E-mail": "email",
    "Telephone": "phone", "Website": "website", "Tax number": "tax_number", "Company number": "registration_number",
    "Address": "address1", "Country": "country", "State or region": "state", "Currency": "currency",
    "Year end": "year_end", "Tax quarters end in": "vat_stagger", "Pays its staff": "payroll_frequency",
    "First pay day": "first_pay_day", "Partner": "partner", "Manager": "manager", "Office": "office", "Tags": "tags",
    "Payment terms, days": "terms_days", "Archived": "archived",
}
OWN = frozenset(_FIRMAMENT.values())
OWN_ONLY = frozenset({"archived", "currency"})


@dataclass(frozen=True)
class Format:
    source: Source
    must_have: frozenset[str]
    columns: Mapping[str, str]


FORMATS = (
    Format(Source.XERO, frozenset({"*ContactName", "AccountNumber", "POAddressLine1"}), _XERO),
    Format(Source.QUICKBOOKS, frozenset({"Full Name", "Opening Balance", "ZIP"}), _QUICKBOOKS),
    Format(Source.CLIO, frozenset({"first_name", "last_name", "email_address"}), _CLIO),
    Format(Source.TAXDOME, frozenset({"Account name", "Account type"}), _TAXDOME),
    Format(Source.FIRMAMENT, frozenset({"Code", "Name", "Kind", "Status", "Office"}), _FIRMAMENT),
)

SYNONYMS = {
    "name": ("name", "client", "client name", "customer", "customer name", "account name", "contact name",
             "display name", "full name", "organisation", "organization", "kunde", "nom", "cliente"),
    "company": ("company", "company name", "companyname", "business name", "firma", "entreprise"),
    "code": ("code", "client code", "client id", "client number", "client no", "account number", "account code",
             "customer id", "customer number", "account no", "number", "reference", "ref"),
    "kind": ("type", "kind", "account type", "client type", "entity type"),
    "legal_name": ("legal name", "registered name"),
    "tax_number": ("tax number", "tax id", "vat number", "vat no", "vat", "vat registration number", "ein", "utr",
                   "ust idnr", "siret", "gst number", "abn"),
    "registration_number": ("company number", "registration number", "companies house number", "cro number"),
    "email": ("email", "e mail", "email address", "mail", "primary email"),
    "phone": ("phone", "telephone", "phone number", "phone numbers", "office phone", "phone1", "tel", "primary phone",
              "work phone", "telefon"),
    "mobile": ("mobile", "cell", "mobile number", "mobile phone", "cell phone", "phone2"),
    "website": ("website", "web", "url", "web site"),
    "address1": ("address", "billing address", "baddr1", "street", "address line 1", "address 1", "street address",
                 "billing street"),
    "address2": ("address line 2", "address 2", "baddr2"), "address3": ("address line 3", "address 3", "baddr3"),
    "address4": ("address line 4", "address 4", "baddr4"),
    "city": ("city", "town", "billing city", "ort", "ville"),
    "region": ("state", "county", "region", "province", "billing state"),
    "postcode": ("postcode", "post code", "postal code", "zip", "zip code", "plz"),
    "country": ("country", "billing country", "land", "pays"),
    "terms_days": ("terms", "payment terms", "terms days", "credit days"),
    "first_name": ("first name", "firstname", "given name", "contact first name", "vorname"),
    "last_name": ("last name", "lastname", "surname", "family name", "contact last name", "nachname"),
    "full_name": ("contact", "contact person", "primary contact", "main contact", "cont1"),
    "role": ("role", "job title", "position"), "title": ("title", "salutation"),
    "tags": ("tags", "labels", "groups"), "notes": ("notes", "comments", "remarks", "contactnotes", "notepad"),
    "year_end": ("year end", "accounting year end", "financial year end", "fiscal year end", "accounting period end"),
    "vat_stagger": ("vat quarters", "vat stagger", "stagger", "vat quarter end", "vat quarters end in"),
    "payroll_frequency": ("payroll frequency", "pay frequency", "pays its staff"),
    "first_pay_day": ("first pay day", "first pay date"),
    "balance": ("opening balance", "balance", "amount due", "outstanding"),
}
_BY_WORDS = {words: target for target, spellings in SYNONYMS.items() for words in spellings}

# Lists of something else, by heads that stand in them together and in no list of clients.
OTHER_LISTS = (
    ("time entries", ({"start date", "start time", "duration"}, {"start date", "duration h"}, {"start date", "end date",
     "duration decimal"}, {"date", "hours", "activity"}, {"date", "duration", "project"})),
    ("activities (time and expenses)", ({"matter", "date", "price"}, {"activity description", "quantity"})),
    ("matters", ({"status", "open date", "close date"}, {"matter", "open date"}, {"client reference",
     "custom number"})),
    ("bills", ({"invoice number", "date"}, {"invoice number", "due date"}, {"invoicenumber", "duedate"},
     {"invoice no", "date"}, {"invoice no", "due date"}, {"invoice", "date", "amount"}, {"invoice id", "issue date"},
     {"bill number", "date"}, {"bill number", "due date"}, {"invoice date", "invoice number"})),
    ("payments", ({"payment date", "amount"}, {"payment date", "payment method"}, {"date received", "amount"})),
    ("bank movements", ({"date", "amount", "description"}, {"date", "debit", "credit"},
     {"date", "money in", "money out"}, {"date", "paid in", "paid out"})),
    ("staff", ({"employee id"}, {"employee number"}, {"employee no"}, {"hire date"}, {"hourly rate", "job title"})),
)  # fmt: skip
# Of other systems by their kind: a day and how long, or work and how far it is. A list that says how to reach
# somebody, or by which number they are registered, is of clients, whatever else it says of them.
OF_CLIENTS = frozenset(
    word for target in ("email", "phone", "mobile", "website", "address1", "postcode", "tax_number",
                        "registration_number", "legal_name", "year_end") for word in SYNONYMS[target]
)  # fmt: skip
DAYS = frozenset({"date", "day", "work date", "worked on", "start date", "entry date", "spent date", "started at"})
WORKED = frozenset({"hours", "minutes", "duration", "time", "hours rounded", "time spent", "quantity hours", "hrs",
                    "mins", "units", "billable hours", "duration h", "duration decimal"})  # fmt: skip
WORK = frozenset({"matter", "matter name", "matter number", "case", "case name", "case number", "job", "job name",
                  "job no", "job number", "work", "work title", "work item", "display number", "project",
                  "project name", "engagement", "task"})  # fmt: skip
STAGES = frozenset({"open date", "opened", "date opened", "close date", "closed date", "closed", "due date", "deadline",
                    "start date", "end date", "pending date", "completed date", "status", "work status", "job status"})
HEADS = frozenset(
    {*_BY_WORDS} | {plain_head(column) for each in FORMATS for column in each.columns}
    | {word for _, sets in OTHER_LISTS for words in sets for word in words}
)


def refuse_other_lists(header: Sequence[str]) -> None:
    """Raises Refused for a list of time, matters, bills, staff, …: its rows are no clients, whatever their columns."""
    if called := other_list(header):
        raise Refused(
            f"This is a list of {called}, not of clients, so nothing was read from it. Export the clients or "
            "contacts where it comes from, and import that.", field="file",
        )  # fmt: skip


def other_list(header: Sequence[str]) -> str:
    """What a list is of, if not of clients."""
    heads = {plain_head(column) for column in header}
    known = next((called for called, sets in OTHER_LISTS if any(words <= heads for words in sets)), "")
    if known or heads & OF_CLIENTS:
        return known
    if heads & DAYS and heads & WORKED:
        return "time entries"
    return "matters" if heads & WORK and heads & STAGES else ""


def recognise(header: Sequence[str]) -> Source:
    """The system whose export has this header."""
    columns = set(header)
    return next((f.source for f in FORMATS if f.must_have <= columns), Source.OTHER)


def targets_of(source: Source) -> dict[str, str]:
    """What a column of such a list can be, in words."""
    kept = OWN if source is Source.FIRMAMENT else TARGETS.keys() - OWN_ONLY
    return {target: words for target, words in TARGETS.items() if target in kept}


def guess_mapping(header: Sequence[str], source: Source) -> dict[str, str]:
    """{column: target}: what the known format says, else what the column's name suggests, each target once."""
    known = next((f.columns for f in FORMATS if f.source is source), None)
    if known is not None and source is not Source.FIRMAMENT:
        return {column: known[column] for column in header if column in known}
    suggested = {**_BY_WORDS, **{plain_head(head): target for head, target in (known or {}).items()}}
    possible = targets_of(source)
    found: dict[str, str] = {}
    for column in header:
        target = suggested.get(plain_head(column))
        if target in possible and target not in found.values():
            found[column] = target
    return found


def checked_mapping(header: Sequence[str], wanted: Mapping[str, str], source: Source) -> dict[str, str]:
    """Only known targets, each at most once; the first column wins."""
    possible = targets_of(source)
    found: dict[str, str] = {}
    for column in header:
        target = wanted.get(column, "")
        if target in possible and target not in found.values():
            found[column] = target
    return found
