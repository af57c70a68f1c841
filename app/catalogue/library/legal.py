"""Law matters. The job's start is the day that the court or the register counts from; the table cites each rule."""

from __future__ import annotations

from app.catalogue.due_rules import DueRule, days, months
from app.catalogue.library.shape import (
    LibraryDeadline,
    LibraryRequest,
    LibraryService,
    LibraryStep,
    ask,
    before,
    days_from_start,
    from_start,
    review,
    upload,
)
from app.catalogue.models import Cadence, WorkRole

PARTNER, ADMIN = WorkRole.PARTNER, WorkRole.ADMINISTRATOR
START = DueRule("job_start")
INTAKE, DRAFT, CHECK, OUT, CLOSED = "Intake", "Drafting", "Review", "Filing and service", "Closed"
STAGES = (
    (INTAKE, "We are getting started"), (DRAFT, "We are preparing the papers"), (CHECK, "We are checking them"),
    (OUT, "The papers are on their way"), (CLOSED, "Done"),
)

FORMATION = LibraryService(
    code="UK-COMPANY-FORMATION", name="Company formation", area="Corporate", place="United Kingdom",
    own_engagement=True,
    description="A private company limited by shares. First confirmation statement within fourteen days of its first "
                "year (Companies Act 2006 s. 853A); the job starts on the planned day of incorporation.",
    cadence=Cadence.ONCE, title="{client}: {service}", due=days_from_start(28), stages=STAGES,
    deadlines=(LibraryDeadline("UK-CS01", DueRule("job_start", (months(12), days(-1)))),),
    requests=(LibraryRequest(
        "About the company", "Receive the particulars", "To form your company we need the following.",
        (ask("text", "Name of the company, and a second choice"), ask("long_text", "What will it do?"),
         ask("text", "Registered office"), upload("Identity document of each director", "Passport or driving licence"),
         upload("Proof of address of each director", "Not older than three months"),
         ask("long_text", "Shareholders and their shares"),
         ask("choice", "Articles", "Model articles", "Our own", "Please advise")),
        due=from_start(3),
    ),),
    steps=(
        LibraryStep("Receive the particulars", INTAKE, 20, from_start(3)),
        LibraryStep("Identity and conflict checks", INTAKE, 45, from_start(5), ("Receive the particulars",), ADMIN,
                    checks=("Identity verified", "Sanctions list", "Conflicts", "Source of funds")),
        LibraryStep("Draft the articles and forms", DRAFT, 120, from_start(8), ("Identity and conflict checks",),
                    checks=("Articles", "Form IN01", "Persons with significant control", "Statement of capital")),
        review("Review the papers", 45, from_start(10), ("Draft the articles and forms",), role=PARTNER),
        LibraryStep("File at Companies House", OUT, 20, from_start(12), ("Review the papers",)),
        LibraryStep("Statutory books and first minutes", OUT, 60, DueRule("job_due"), ("File at Companies House",),
                    checks=("Registers written up", "Share certificates", "Board minutes", "Tax office told"),
                    lag_days=1),
    ),
)

US_LITIGATION = LibraryService(
    code="US-LITIGATION-DEFENSE", name="Litigation, defense", area="Disputes", place="United States",
    own_engagement=True,
    description="Defending a claim in a federal court; the job starts on the day of service. Answer within 21 days "
                "(FRCP 12(a)(1)(A)(i)), amendment once as of right within 21 days more (FRCP 15).",
    cadence=Cadence.ONCE, title="{client}: {service}", due=before("US-FRCP12-ANSWER", 1), stages=STAGES,
    deadlines=(LibraryDeadline("US-FRCP12-ANSWER", START),
               LibraryDeadline("US-REMOVAL", START, "Consider removal and motions")),
    requests=(LibraryRequest(
        "About the claim", "Open the matter", "Please send us what was served and what you know.",
        (upload("Summons and complaint as served"), ask("date", "Day of service"), ask("text", "How was it served?"),
         ask("long_text", "What happened, in your words"), upload("Contracts and letters", required=False),
         upload("Insurance policies", required=False),
         ask("confirmation", "We will keep every document and message about this")),
        due=from_start(2),
    ),),
    steps=(
        LibraryStep("Open the matter", INTAKE, 45, from_start(2),
                    checks=("Conflicts", "Engagement letter", "Deadlines")),
        LibraryStep("Litigation hold", INTAKE, 30, from_start(3), ("Open the matter",)),
        LibraryStep("Consider removal and motions", DRAFT, 180, from_start(8), ("Open the matter",),
                    checks=("Jurisdiction", "Venue", "Service", "Failure to state a claim")),
        LibraryStep("Draft the answer", DRAFT, 360, before("US-FRCP12-ANSWER", 6), ("Consider removal and motions",),
                    checks=("Each allegation answered", "Affirmative defenses", "Counterclaims", "Jury demand")),
        review("Partner's review", 90, before("US-FRCP12-ANSWER", 4), ("Draft the answer",), role=PARTNER),
        LibraryStep("Client approves", CHECK, 20, before("US-FRCP12-ANSWER", 3), ("Partner's review",)),
        LibraryStep("File and serve the answer", OUT, 45, DueRule("job_due"), ("Client approves",),
                    checks=("Corporate disclosure statement", "Certificate of service", "Receipt saved")),
    ),
)

UK_LITIGATION = LibraryService(
    code="UK-LITIGATION-DEFENCE", name="Civil claim, defence", area="Disputes", place="England and Wales",
    own_engagement=True,
    description="Defending a claim under the Civil Procedure Rules; the job starts on the day the particulars are "
                "served. Acknowledgment within 14 days (CPR 10.3), defence within 28 days (CPR 15.4(1)(b)).",
    cadence=Cadence.ONCE, title="{client}: {service}", due=before("UK-CPR-15.4-28", 1), stages=STAGES,
    deadlines=(LibraryDeadline("UK-CPR-10.3", START, "Acknowledge service"), LibraryDeadline("UK-CPR-15.4-28", START)),
    requests=(LibraryRequest(
        "About the claim", "Open the matter", "Please send us what you received and what you know.",
        (upload("Claim form and particulars"), ask("date", "Day on which they reached you"),
         ask("long_text", "What happened, in your words"), upload("Contracts and letters", required=False),
         ask("yes_no", "Is there insurance that may cover this?")),
        due=from_start(2),
    ),),
    steps=(
        LibraryStep("Open the matter", INTAKE, 45, from_start(2),
                    checks=("Conflicts", "Client care letter", "Deadlines")),
        LibraryStep("Acknowledge service", OUT, 20, before("UK-CPR-10.3", 2), ("Open the matter",)),
        LibraryStep("Gather documents and statements", DRAFT, 240, from_start(10), ("Open the matter",)),
        LibraryStep("Draft the defence", DRAFT, 300, before("UK-CPR-15.4-28", 6),
                    ("Gather documents and statements", "Acknowledge service"),
                    checks=("Each allegation answered", "Limitation", "Counterclaim", "Statement of truth")),
        review("Partner's review", 75, before("UK-CPR-15.4-28", 4), ("Draft the defence",), role=PARTNER),
        LibraryStep("Client signs the statement of truth", CHECK, 20, before("UK-CPR-15.4-28", 2),
                    ("Partner's review",)),
        LibraryStep("File and serve the defence", OUT, 30, DueRule("job_due"),
                    ("Client signs the statement of truth",)),
    ),
)

SERVICES = (FORMATION, US_LITIGATION, UK_LITIGATION)
