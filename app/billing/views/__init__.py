"""The screens of billing."""

from app.billing.views import (
    drafts,
    exchange_rates,
    expense_tax,
    files,
    invoices,
    issuing,
    job_engagement,
    lines,
    payments,
    periods,
    receivables,
    runs,
    wip,
)

blueprints = (
    wip.blueprint,
    drafts.blueprint,
    lines.blueprint,
    invoices.blueprint,
    issuing.blueprint,
    payments.blueprint,
    receivables.blueprint,
    runs.blueprint,
    periods.blueprint,
    exchange_rates.blueprint,
    expense_tax.blueprint,
    job_engagement.blueprint,
    files.blueprint,
)
init_app = wip.init_app
