"""Template versions: what is refused, what stays, what is copied."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.catalogue.blueprints import After
from app.catalogue.commands import (
    DeadlineValues,
    RequestValues,
    StepValues,
    add_deadline,
    add_step,
    discard_draft,
    draft_next_version,
    duplicate_service,
    edit_step,
    edit_template,
    move_stage,
    publish_template,
    remove_stage,
    remove_step,
    save_request,
)
from app.catalogue.due_rules import DueRule, working_days
from app.catalogue.models import DependencyKind, JobTemplate, Service, TemplateState, TemplateStep
from app.catalogue.queries import get_blueprint, get_service, get_template, list_services
from app.catalogue.soundness import ITEM_KINDS, TITLE_FIELDS
from app.core.actors import SYSTEM
from app.core.db import transaction
from app.core.errors import NotAllowed, NotFound, Refused, Stale
from app.core.ids import new_id
from app.planning.titles import FIELDS
from app.requests.models import ItemKind
from tests.make import Cast, count
from tests.planning.make_planning import make_service


def test_templates_and_jobs_use_the_same_words_for_titles_and_items() -> None:
    assert set(TITLE_FIELDS) == set(FIELDS)
    assert set(ITEM_KINDS) == {kind.value for kind in ItemKind}


@pytest.mark.parametrize("change", [
    "UPDATE job_template SET title_pattern = 'x'", "UPDATE job_template SET state = 'draft'",
    "DELETE FROM template_dependency", "UPDATE template_step SET name = 'x'", "UPDATE template_request SET name = 'x'",
])
def test_the_database_itself_keeps_a_published_version(change: str, cast: Cast, session: Session) -> None:
    make_service()
    with pytest.raises(sa.exc.DBAPIError, match="never changes"), transaction():
        session.execute(sa.text(change))


def test_the_next_version_is_a_copy_and_publishing_it_retires_the_one_before(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    service, first = make_service()
    draft = draft_next_version(service, by=mel)
    assert draft_next_version(service, by=mel).id == draft.id, "there is one draft at a time"
    edit_step(draft, "post", StepValues("Post it all", service.stages[0].id, after=(After("", "collect"),)), by=mel)
    publish_template(draft, by=mel)
    publish_template(draft, by=mel)
    session.expire_all()
    states = dict(session.execute(sa.select(JobTemplate.number, JobTemplate.state)).all())
    assert states == {1: TemplateState.RETIRED, 2: TemplateState.PUBLISHED}
    assert [step.name for step in get_blueprint(first.id).steps] == ["Collect", "Post", "Review"]
    second = get_blueprint(draft.id)
    assert [step.name for step in second.steps] == ["Collect", "Post it all", "Review"]
    assert [step.key for step in second.steps] == ["collect", "post", "review"], "keys stay for carrying over"
    assert len(second.requests) == len(second.deadlines) == 1 and second.dependencies[0].kind is DependencyKind.HARD


def test_a_circle_over_three_steps_is_refused_by_name(cast: Cast) -> None:
    service, template = make_service(publish=False)
    values = StepValues("Collect", service.stages[0].id, after=(After("", "review"),))
    with pytest.raises(Refused, match="Collect → Post → Review → Collect"):
        edit_step(template, "collect", values, by=SYSTEM)


def test_due_dates_that_hang_on_each_other_are_refused_by_name(cast: Cast) -> None:
    service, template = make_service(publish=False)
    rule = DueRule("step:post", (working_days(1),))
    values = StepValues("Collect", service.stages[0].id, due_rule=rule)
    with pytest.raises(Refused, match="Post → Collect → Post|Collect → Post → Collect"):
        edit_step(template, "collect", values, by=SYSTEM)


def test_a_rule_without_a_date_stops_publishing_and_says_which(cast: Cast) -> None:
    _service, template = make_service(publish=False)
    edit_template(template, title_pattern="{client}", due_rule=None, priority=0, fee=None, by=SYSTEM)
    with pytest.raises(Refused, match="no date for “Review”: it counts from the job's due date"):
        publish_template(template, by=SYSTEM)


def test_a_title_with_an_unknown_field_is_refused(cast: Cast) -> None:
    _service, template = make_service(publish=False)
    for pattern in ("{nobody}", "{client", "{client.name}", "{client!r}", ""):
        with pytest.raises(Refused):
            edit_template(template, title_pattern=pattern, due_rule=None, priority=0, fee=None, by=SYSTEM)


def test_a_step_that_others_count_from_stays(cast: Cast) -> None:
    _service, template = make_service(publish=False)
    with pytest.raises(Refused, match="“Collect” is still needed by “Post”, “Your papers”"):
        remove_step(template, "collect", by=SYSTEM)


def test_a_stale_form_is_refused_and_a_double_click_adds_one_step(cast: Cast) -> None:
    service, template = make_service(publish=False)
    values = StepValues("Extra", service.stages[0].id)
    same = new_id()
    assert add_step(template, same, values, by=SYSTEM).id == add_step(template, same, values, by=SYSTEM).id
    with pytest.raises(Stale):
        edit_step(template, "extra", values, by=SYSTEM, version=1)
    assert count(TemplateStep) == 4


def test_a_copy_of_a_service_has_stages_of_its_own(cast: Cast, session: Session) -> None:
    service, template = make_service()
    copy = duplicate_service(service, template, new_id(), by=SYSTEM)
    mine = get_service(copy.id, seen_by=SYSTEM)
    draft = session.scalars(sa.select(JobTemplate.id).where(JobTemplate.service_id == copy.id)).one()
    steps = get_template(draft, seen_by=SYSTEM).steps
    assert {step.stage_id for step in steps} <= {stage.id for stage in mine.stages}
    assert copy.name == "Bookkeeping (copy)" and copy.code != service.code


def test_stages_move_and_only_unused_ones_go(cast: Cast, session: Session) -> None:
    service, _template = make_service()
    first, second, _third, last = (stage.id for stage in service.stages)
    move_stage(service, last, -3, by=SYSTEM)
    assert [stage.id for stage in get_service(service.id, seen_by=SYSTEM).stages][:2] == [last, first]
    remove_stage(service, second, by=SYSTEM)
    with pytest.raises(Refused, match="Steps stand in"):
        remove_stage(service, first, by=SYSTEM)


def test_the_only_version_is_not_discarded_but_the_next_draft_is(cast: Cast) -> None:
    service, template = make_service(publish=False)
    with pytest.raises(Refused):
        discard_draft(template, by=SYSTEM)
    publish_template(template, by=SYSTEM)
    discard_draft(draft_next_version(service, by=SYSTEM), by=SYSTEM)
    assert count(JobTemplate) == 1


def test_otto_sees_no_service_and_a_preparer_changes_none(cast: Cast) -> None:
    service, template = make_service()
    otto = cast.contact(cast.otto)
    assert list_services(seen_by=otto) == [] and count(Service) == 1
    for read in (lambda: get_service(service.id, seen_by=otto), lambda: get_template(template.id, seen_by=otto)):
        with pytest.raises(NotFound):
            read()
    for actor in (otto, cast.actor(cast.sam)):
        with pytest.raises(NotAllowed):
            draft_next_version(service, by=actor)
    assert len(list_services(seen_by=cast.actor(cast.wes))) == 1


def test_the_parts_of_a_version_keep_their_keys_in_the_next(cast: Cast, session: Session) -> None:
    service, first = make_service()
    draft = draft_next_version(service, by=SYSTEM)
    lines = ("Cards, all", "Loans", "Bank", "Bank")
    edit_step(draft, "collect", StepValues("Collect", service.stages[0].id, checklist=lines), by=SYSTEM)
    request = get_template(draft.id, seen_by=SYSTEM).requests[0]
    items = tuple(request.items)
    save_request(draft, request.id, RequestValues("Papers, please", step_key="collect", items=items), by=SYSTEM)
    save_request(draft, new_id(), RequestValues("Your papers", items=items), by=SYSTEM)
    before, after = (get_blueprint(template.id) for template in (first, draft))
    assert [line.key for line in before.steps[0].checklist] == ["bank", "cards"]
    kept = [(line.key, line.text) for line in after.steps[0].checklist]
    assert kept == [("cards", "Cards, all"), ("loans", "Loans"), ("bank", "Bank"), ("bank-2", "Bank")]
    assert [each.row.key for each in before.requests] == ["your-papers"]
    assert [each.row.key for each in after.requests] == ["your-papers", "your-papers-2"], "a name can change"
    assert [each.code for each in before.deadlines] == [each.code for each in after.deadlines]


def test_a_deadline_names_the_step_that_meets_it(cast: Cast, session: Session) -> None:
    service, template = make_service(publish=False)
    with pytest.raises(Refused, match="step that meets this deadline is gone"):
        add_deadline(template, DeadlineValues("UK-VAT", met_by="nowhere"), by=SYSTEM)
    with pytest.raises(NotAllowed):
        add_deadline(template, DeadlineValues("UK-VAT", met_by="post"), by=cast.actor(cast.sam))
    add_deadline(template, DeadlineValues("UK-VAT", met_by="review"), by=SYSTEM, version=template.version)
    with pytest.raises(Stale):
        add_deadline(template, DeadlineValues("UK-VAT"), by=SYSTEM, version=template.version - 1)
    with pytest.raises(Refused, match="“Review” is still needed by the deadline UK-VAT"):
        remove_step(template, "review", by=SYSTEM)
    with pytest.raises(sa.exc.IntegrityError), transaction():
        session.execute(sa.text("UPDATE template_deadline SET met_by = 'nowhere'"))
    publish_template(template, by=SYSTEM)
    draft = draft_next_version(service, by=SYSTEM)
    assert [each.met_by for each in get_blueprint(draft.id).deadlines] == ["review"]
    discard_draft(draft, by=SYSTEM)
    assert [each.met_by for each in get_blueprint(template.id).deadlines] == ["review"]
