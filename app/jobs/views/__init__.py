"""The screens of jobs and steps."""

from __future__ import annotations

from app.jobs.views.dates import blueprint as dates
from app.jobs.views.deadlines import blueprint as deadlines
from app.jobs.views.jobs import blueprint as jobs
from app.jobs.views.task_edits import blueprint as task_edits
from app.jobs.views.tasks import blueprint as tasks

blueprints = (jobs, tasks, task_edits, deadlines, dates)
