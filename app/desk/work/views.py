"""My work."""

from __future__ import annotations

from itertools import groupby

from flask import Blueprint, render_template

from app.core.web import Answer, arg, is_htmx, me, page_number
from app.desk.guard import guard
from app.jobs.queries.work import ORDER, Tab, count_work, list_work

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
    rows, more = list_work(tab, of=actor.person_id, seen_by=actor, page=page)
    return render_template(
        "desk/work/_list.html" if is_htmx() else "desk/work/index.html", tab=tab, page=page, more=more, order=ORDER,
        counts=count_work(of=actor.person_id, seen_by=actor),
        groups=[(*GROUPS[key], list(own)) for key, own in groupby(rows, key=lambda row: row.group)],
    )
