"""Every table, for whoever needs the whole schema: migrations, verify, backup, row security tests."""

import app.activity.models
import app.approvals.covers
import app.approvals.models
import app.billing.covers
import app.billing.models
import app.catalogue.models
import app.clients.models
import app.delivery.models
import app.documents.covers
import app.documents.models
import app.exchange.models
import app.firm.models
import app.jobs.models
import app.ledger.covers
import app.ledger.models
import app.marks.models
import app.notifications.models
import app.people.models
import app.planning.models
import app.requests.models
import app.runs.models
import app.timekeeping.models  # noqa: F401
from app.core.db import Base

metadata = Base.metadata
