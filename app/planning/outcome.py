"""What the run of an application has brought about beside its jobs: who is asked, and who cannot be."""

from __future__ import annotations

import sqlalchemy as sa

from app.core.db import db
from app.core.wording import counted
from app.planning.commands.applications import KIND
from app.planning.commands.applying import ASKED, HELD, UNREACHABLE
from app.runs.models import ItemState, Run, RunItem
from app.runs.queries import tells


@tells(KIND)
def who_is_asked(run: Run) -> str:
    """“23 clients are asked, 2 are not: nobody there has an e-mail address.”"""
    asking = RunItem.result["asking"].astext
    counts: dict[str | None, int] = dict(db.session.execute(
        sa.select(asking, sa.func.count()).where(RunItem.run_id == run.id, RunItem.state == ItemState.DONE)
        .group_by(asking)
    ).all())
    asked, held, not_asked = (counts.get(each, 0) for each in (ASKED, HELD, UNREACHABLE))
    if held:
        return f"The requests to {counted(held, 'client')} are held until somebody lets them go."
    parts = [f"{counted(asked, 'client')} {'is' if asked == 1 else 'are'} asked"] if asked else []
    if not_asked:
        are = "is not" if not_asked == 1 else "are not"
        said = f"{not_asked} {are}" if asked else f"{counted(not_asked, 'client')} {are} asked"
        parts.append(f"{said}: nobody there has an e-mail address")
    return f"{', '.join(parts)}." if parts else ""
