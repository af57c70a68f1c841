"""What jobs and steps keep of what can be derived."""

from __future__ import annotations

from app.core.copies import Copy, keeps

READINESS = keeps(Copy(
    "task.state", "an open step that nobody has started is ready, blocked or waits, as its graph says",
    ("a step before it", "an order of steps", "a lag that ends", "a calendar", "what the client owes"),
    "app.jobs.commands.readiness.settle", "jobs.readiness",
))
COUNTS = keeps(Copy(
    "job.tasks_done", "how many steps of a job are done, of how many", ("a step done", "a step opened again",
    "a step added", "a step taken out"), "app.jobs.commands.readiness.settle", "jobs.counts",
))
WAITED_ON = keeps(Copy(
    "task.waited_on_by", "how many open steps wait for this one, in any job", ("an order of steps",
    "an order across jobs taken away", "a step done", "a step taken out"),
    "app.jobs.commands.readiness.settle", "jobs.waited_on",
))
LAGS = keeps(Copy(
    "dependency.opens_on", "the day on which a lag ends, by the calendar of the step that waits",
    ("a step done", "a step opened again", "a calendar"), "app.jobs.commands.lags.recount_lags", "jobs.lags", True,
))
DEADLINES = keeps(Copy(
    "job.deadline_on", "the earliest deadline of a job that is not met",
    ("a deadline added", "a deadline met", "a deadline extended", "a deadline waived", "a deadline opened again"),
    "migrations/sql/32_deadlines.sql", "jobs.deadlines",
))
PLAN = keeps(Copy(
    "job.at_risk_because", "latest starts, the critical path, and why a job is at risk",
    ("a due date", "a deadline extended", "a step done", "an order of steps", "an estimate in another job",
     "what is left in another job", "leave", "hours", "a calendar", "who has a step in another job", "time recorded",
     "an order across jobs taken away", "the estimate of a step that another job waits for",
     "the estimate of a step two jobs ahead", "a step of another job to wait for"),
    "app.jobs.commands.plan.plan", "jobs.plan", True,
))
