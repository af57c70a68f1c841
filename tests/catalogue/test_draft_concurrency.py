"""Two people at one draft."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from flask import Flask

from app.catalogue.blueprints import After
from app.catalogue.commands import StepValues, edit_step
from app.catalogue.models import TemplateDependency
from app.catalogue.queries import get_template
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.errors import Refused
from tests.make import make_cast
from tests.planning.make_planning import make_service


@pytest.mark.real
def test_two_edits_at_once_cannot_close_a_circle_between_them(real_app: Flask) -> None:
    with real_app.app_context():
        with transaction():
            make_cast()
            _service, template = make_service(publish=False)
            stage = template.steps[0].stage_id
            edit_step(template, "post", StepValues("Post", stage), by=SYSTEM)
        refused: list[str] = []
        meet = threading.Barrier(2)

        def edit(key: str, after: str) -> None:
            with real_app.app_context():
                mine = get_template(template.id, seen_by=SYSTEM)
                meet.wait(20)
                try:
                    edit_step(mine, key, StepValues(key, stage, after=(After("", after),)), by=SYSTEM)
                except Refused as refusal:
                    refused.append(refusal.message)

        threads = [threading.Thread(target=edit, args=pair) for pair in (("collect", "post"), ("post", "collect"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        pairs = set(db.session.execute(sa.select(TemplateDependency.step_key, TemplateDependency.on_key)).all())
        assert len(refused) == 1 and "circle" in refused[0]
        assert len(pairs & {("collect", "post"), ("post", "collect")}) == 1
