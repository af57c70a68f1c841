"""How long a step usually takes, counted once a day from what was recorded."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.core.clock import now, today
from app.core.db import transaction
from app.core.ids import new_id
from app.core.locking import try_turn
from app.jobs.models import UsualTime

COUNT_TURN = 7_140_007
_FEWEST = 3
_COUNT = sa.text("""
    SELECT j.service_id, t.step_key, percentile_disc(0.5) WITHIN GROUP (ORDER BY t.spent) AS takes, count(*) AS counted
    FROM task t JOIN job j ON j.id = t.job_id
    WHERE t.state = 'done' AND t.spent > 0 AND t.done_at > :since
    GROUP BY GROUPING SETS ((j.service_id, t.step_key), (j.service_id), ())
    HAVING count(*) >= :fewest
        AND NOT (grouping(t.step_key) = 0 AND t.step_key IS NULL)
        AND NOT (grouping(j.service_id) = 0 AND j.service_id IS NULL)
""")
_PLAN_AGAIN = sa.text("""
    UPDATE job j SET plan_stale = true WHERE j.status = 'active' AND NOT j.plan_stale AND EXISTS (
        SELECT FROM task t WHERE t.job_id = j.id AND t.estimate IS NULL AND t.remaining IS NULL
        AND t.state NOT IN ('done', 'cancelled'))
""")


def count_usual_times() -> int:
    """Count the medians of the last year anew, once a day; plans of steps without an estimate go by them. Safe to run
    twice. Returns how many were counted; 0 where today's are there already."""
    with transaction() as session:
        if not try_turn(COUNT_TURN):
            return 0
        counted_on = session.scalar(sa.select(sa.func.max(UsualTime.counted_on)))
        if counted_on is not None and counted_on >= today():
            return 0
        since = now().replace(year=now().year - 1, day=1)
        rows = session.execute(_COUNT, {"since": since, "fewest": _FEWEST}).all()
        session.execute(sa.delete(UsualTime))
        if rows:
            session.execute(sa.insert(UsualTime), [
                {"id": new_id(), "service_id": row.service_id, "step_key": row.step_key, "counted": row.counted,
                 "takes": dt.timedelta(seconds=int(row.takes)), "counted_on": today()}
                for row in rows
            ])
        session.execute(_PLAN_AGAIN)
        return len(rows)
