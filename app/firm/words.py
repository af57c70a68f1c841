"""What a country calls things on bills and around them: one place for the words of an entity or a reader."""

from __future__ import annotations

from dataclasses import dataclass

from babel import Locale
from flask import g

from app.firm.countries import usual
from app.firm.models import TaxTreatment

# Where English is written in a way of its own; everywhere else it is as in Britain.
ENGLISH = ("GB", "IE", "US", "CA", "AU", "NZ", "ZA")


@dataclass(frozen=True)
class Words:
    """`tax` stands within a sentence; `knows_scope` says whether anything can lie outside the scope of that tax."""

    tax: str
    knows_scope: bool
    disbursement: str
    cheque: str
    sort_code: str
    example_rate: str

    @property
    def tax_head(self) -> str:
        """As the head of a column, or the first word of a sentence."""
        return self.tax[:1].upper() + self.tax[1:]

    @property
    def outside(self) -> str:
        return "Outside the scope of the tax" if self.knows_scope else "Not taxed"

    def taxed(self, treatment: TaxTreatment) -> str:
        """How a line is taxed, where that is no percentage."""
        said = {
            TaxTreatment.ZERO: "Zero rate", TaxTreatment.EXEMPT: "Exempt", TaxTreatment.OUTSIDE: self.outside,
            TaxTreatment.REVERSE_CHARGE: "Reverse charge", TaxTreatment.EXPORT: "Export",
            TaxTreatment.INTRA_EU: "Within the EU", TaxTreatment.STANDARD: "Taxed",
        }
        return said[treatment]


def words_of(country: str) -> Words:
    """The words of a country (ISO 3166)."""
    known, american = usual(country), country == "US"
    return Words(
        tax="sales tax" if american else "tax" if known.tax == "Tax" else known.tax,
        knows_scope=known.exempt,
        disbursement="Cost advanced" if american else "Disbursement",
        cheque="Check" if american else "Cheque",
        sort_code="Routing number" if american else "Sort code",
        example_rate="Sales tax 8.875%" if american else f"{known.tax} {known.rates[0] if known.rates else 10}%",
    )


def reader_country() -> str:
    """Where the office of whoever reads is; outside of a request, and where it is not known, as in Britain."""
    return str((g.get("country") if g else "") or "GB")


def english(country: str) -> Locale:
    """English as it is written in a country."""
    return Locale("en", country if country in ENGLISH else "GB")
