"""No job with open required steps stands in the last stage of its service, whatever changes which stage that is."""

from __future__ import annotations

from typing import Any

import pytest

from app.catalogue.commands import (
    StageValues,
    StepValues,
    add_stage,
    draft_next_version,
    edit_stage,
    edit_step,
    move_stage,
    publish_template,
    remove_stage,
)
from app.catalogue.queries import get_blueprint, get_service
from app.core.actors import SYSTEM
from app.core.clock import today
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.jobs.commands.jobs import cancel_job, resume_job
from app.jobs.models import Job
from app.jobs.proofs import prove_stages
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.plans import Wish, plan_job
from tests.jobs.make_jobs import make_chain, make_job, make_service
from tests.planning.make_planning import make_service as make_template


@pytest.fixture
def board(cast: Any) -> Any:
    """Prepare, Review, File; a job with an open step stands in Review."""
    service = make_service()
    db.session.refresh(service, ["stages"])
    ids = [stage.id for stage in service.stages]
    job = make_job(cast.acme_work, service_id=service.id, stage_id=ids[1])
    make_chain(job, "Look it through")
    return get_service(service.id, seen_by=SYSTEM), job, ids


def test_a_stage_in_which_open_work_stands_does_not_become_the_last(board: Any) -> None:
    service, _job, (prepare, review, file) = board
    said = "“Review” would be the last stage, for jobs that are through, and 1 job with open steps stands in it"
    for change in (lambda: move_stage(service, review, 1, by=SYSTEM), lambda: remove_stage(service, file, by=SYSTEM),
                   lambda: move_stage(service, file, -2, by=SYSTEM)):
        with pytest.raises(Refused, match=said):
            change()
        db.session.expire_all()
        assert [stage.id for stage in get_service(service.id, seen_by=SYSTEM).stages] == [prepare, review, file]
    move_stage(service, prepare, 1, by=SYSTEM)
    edit_stage(service, file, StageValues("Filed"), by=SYSTEM)
    added = add_stage(service, new_id(), StageValues("Archive"), by=SYSTEM)
    move_stage(service, added.id, -1, by=SYSTEM)
    assert list(prove_stages()) == []


def test_one_that_nobody_has_work_in_does(board: Any, cast: Any) -> None:
    service, job, (_prepare, review, file) = board
    cancel_job(job, because="Gone", by=cast.actor(cast.mel))
    move_stage(service, review, 1, by=SYSTEM)
    resume_job(job, by=cast.actor(cast.mel))
    db.session.expire_all()
    assert job.stage_id == file, "taken up again, it leaves what is the last stage by now"
    assert list(prove_stages()) == []


def test_a_job_whose_first_step_lies_in_the_last_stage_begins_before_it(cast: Any) -> None:
    service, _template = make_template(request=False)
    draft = draft_next_version(service, by=SYSTEM)
    for name in ("Collect", "Post", "Review"):
        edit_step(draft, name.lower(), StepValues(name, service.stages[-1].id), by=SYSTEM)
    publish_template(draft, by=SYSTEM)
    facts = client_facts([cast.acme.id], service.id, seen_by=SYSTEM)[cast.acme.id]
    wish = Wish(None, today())
    planned = plan_job(facts, get_blueprint(draft.id), "Bookkeeping", wish, staffing(), origin="test:last")
    job = db.session.get_one(Job, create_planned_job(planned, by=SYSTEM)[0])
    assert job.stage_id == get_service(service.id, seen_by=SYSTEM).stages[-2].id and list(prove_stages()) == []


def test_verify_names_a_job_that_stands_there_all_the_same(board: Any) -> None:
    _service, job, ids = board
    job.stage_id = ids[2]
    db.session.flush()
    (found,) = prove_stages()
    assert (found.subject, found.message) == (f"job {job.number}", "stands in “File”, the last stage, with 1 open step")
