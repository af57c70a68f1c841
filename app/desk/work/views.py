"""My work."""

from __future__ import annotations

from itertools import groupby

from flask import Blueprint, render_template

from app.clients.policy import can_import
from app.clients.queries import has_clients
from app.core.web import Answer, arg, is_htmx, me, page_number
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.jobs.policy import can_export
from app.jobs.queries.work import (
    MOST_COUNTED,
    ORDER,
    PRIORITIES,
    Tab,
    count_groups,
    count_work,
    every_task,
    list_finished,
    list_work,
)
from app.timekeeping.policy import can_edit_rates
from app.timekeeping.waiting import count_waiting

blueprint = guard(Blueprint("work", __name__))
GROUPS = {
    "late": ("Late", "late"), "today": ("Today", ""), "next": ("Next", ""),
    "client": ("Waiting for the client", "waiting"),
    "colleagues": ("After a step that is not done", ""), "put_off": ("Put off", ""),
}


@blueprint.get("/work")
def index() -> Answer:
    actor, page = me(), page_number()
    assert actor.person_id is not None
    tab = Tab(arg("tab")) if arg("tab") in set(Tab) else Tab.TODAY
    only = arg("group") if arg("group") in GROUPS else ""
    rows, more = list_work(tab, of=actor.person_id, seen_by=actor, group=only, page=page)
    groups = [(key, list(own)) for key, own in groupby(rows, key=lambda row: row.group)]
    if page == 1 and not more:
        in_group = {key: len(own) for key, own in groups}
    else:
        in_group = {
            key: count for key, count in count_groups(tab, of=actor.person_id, seen_by=actor).items()
            if only in ("", key)
        }
    looks_back = tab is Tab.TODAY and page == 1 and not only
    begins = not rows and can_import(actor) and not has_clients()
    return render_template(
        "desk/work/_list.html" if is_htmx() else "desk/work/index.html", tab=tab, page=page, more=more, order=ORDER,
        most_counted=MOST_COUNTED,
        counts=count_work(of=actor.person_id, seen_by=actor),
        only=only,
        groups=[(key, *GROUPS[key], own, in_group[key]) for key, own in groups], total=sum(in_group.values()),
        finished=list_finished(by=actor.person_id, seen_by=actor) if looks_back else (),
        may_export=can_export(actor), begins=begins,
        needs_rate=begins and can_edit_rates(actor) and not count_waiting(seen_by=actor).any_rate,
    )


@blueprint.get("/work.csv")
def export() -> Answer:
    """Every open step that the reader may see, whoever has it, as a file."""
    actor = me()
    header = ["Step", "State", "Job", "Client", "Who", "Due", "Start by", "Priority", "Estimate, hours", "Spent, hours"]
    return hand_out("steps", "steps.csv", header, lambda: (
        [row.name, row.state.words, row.job_title, row.client_name, row.assignee or "", row.due_on, row.latest_start_on,
         PRIORITIES[min(row.priority, 2)], round(row.estimate.total_seconds() / 3600, 2) if row.estimate else "",
         round(row.spent.total_seconds() / 3600, 2)]
        for row in every_task(seen_by=actor)
    ), by=actor)
