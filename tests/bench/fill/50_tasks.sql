-- Ten steps a job, as far as it has come. A step waits for the client while its request is open.
INSERT INTO task (id, job_id, client_id, engagement_id, stage_id, step_key, position, name, kind, work_role, assignee_id,
                  state, estimate, spent, due_on, waits_for_client, waited_on_by, ready_at, started_at, done_at, done_by,
                  created_at, updated_at)
SELECT bench.id(18, f.jn * 10 + f.position), f.id, f.client_id, f.engagement_id, f.stage_id, f.key, f.position, f.name,
    f.kind, f.work_role, f.holder,
    CASE WHEN f.is_done THEN 'done' WHEN f.is_blocked THEN 'blocked' WHEN f.waits THEN 'waiting'
         WHEN NOT f.is_started THEN 'ready' WHEN f.kind = 'review' THEN 'in_review' ELSE 'in_progress' END,
    f.estimate, coalesce(t.recorded, 0), p.due_on, f.waits,
    (SELECT count(*) FROM bench.after a WHERE a.on_position = f.position AND a.position >= f.done),
    CASE WHEN f.is_done THEN f.finished - INTERVAL '1 day' WHEN NOT f.is_blocked AND NOT f.waits THEN f.worked_from + TIME '09:00' END,
    CASE WHEN f.is_done OR f.is_started THEN f.finished - INTERVAL '6 hours' END,
    CASE WHEN f.is_done THEN f.finished END, CASE WHEN f.is_done THEN f.holder END,
    f.worked_from + TIME '05:00', f.worked_from + TIME '05:00'
FROM (
    SELECT b.*, s.position, s.key, s.stage_id, s.name, s.kind, s.work_role, s.estimate, s.position < b.done AS is_done,
        EXISTS (SELECT FROM bench.after a WHERE a.position = s.position AND a.on_position >= b.done) AS is_blocked,
        s.position = b.done AND b.c % 2 = 0 AND NOT (b.service = 0 AND b.done = 2) AS is_started,
        b.service = 0 AND s.position = 2 AND b.done <= 2 AS waits,
        b.worked_from + (s.position * b.span / 10)::int + TIME '15:00' AS finished,
        CASE s.work_role WHEN 'reviewer' THEN b.manager_id WHEN 'partner' THEN b.partner_id ELSE b.preparer_id END AS holder
    FROM bench.job b JOIN bench.step s USING (service)
) f
JOIN bench.task_plan p USING (combo, j, position)
LEFT JOIN (SELECT task_id, sum(recorded) AS recorded FROM bench.entry GROUP BY 1) t ON t.task_id = bench.id(18, f.jn * 10 + f.position)
ORDER BY f.jn, f.position;

INSERT INTO dependency (id, task_id, on_id, opens_on)
SELECT bench.id(19, b.jn * 10 + row_number() OVER (PARTITION BY b.jn ORDER BY a.position, a.on_position) - 1),
    bench.id(18, b.jn * 10 + a.position), bench.id(18, b.jn * 10 + a.on_position),
    CASE WHEN a.on_position < b.done THEN b.worked_from + (a.on_position * b.span / 10)::int END
FROM bench.job b CROSS JOIN bench.after a ORDER BY 1;

-- Each year's accounts ask for papers: accepted once the step after them is done, else in one of four states.
CREATE UNLOGGED TABLE bench.request AS
SELECT jn, c, bench.id(20, jn) AS id, id AS job_id, client_id, engagement_id, worked_from, asked_on,
    bench.id(18, jn * 10 + 2) AS task_id,
    CASE WHEN done > 2 THEN 'accepted' ELSE asked END AS state
FROM bench.job WHERE service = 0;

INSERT INTO client_request (id, client_id, engagement_id, job_id, task_id, template_request_id, name, state, due_on, sent_at,
                            viewed_at, submitted_at, closed_at, next_reminder_on)
SELECT id, client_id, engagement_id, job_id, task_id, bench.id(9, 0), 'Your papers for the year', state, asked_on,
    worked_from + TIME '05:00', CASE WHEN state <> 'sent' THEN worked_from + TIME '10:00' END,
    CASE WHEN state IN ('submitted', 'accepted') THEN worked_from + TIME '11:00' END,
    CASE WHEN state = 'accepted' THEN worked_from + TIME '14:00' END,
    CASE WHEN state IN ('sent', 'viewed', 'in_progress') THEN DATE ':today' + 2 END
FROM bench.request ORDER BY jn;
INSERT INTO request_recipient (request_id, contact_id) SELECT id, bench.id(11, c) FROM bench.request ORDER BY jn;
INSERT INTO request_item (id, request_id, client_id, code, position, kind, label, required, options, state, answer,
                          not_applicable_because, saved_at, answered_at, answered_kind, answered_by, reviewed_at, reviewed_by)
SELECT bench.id(21, r.jn * 5 + i.position), r.id, r.client_id, i.code, i.position, i.kind, i.label, i.required,
    to_jsonb(i.options),
    CASE WHEN r.state = 'accepted' THEN 'accepted' WHEN r.state <> 'submitted' THEN 'open'
         WHEN i.kind = 'upload' THEN 'not_applicable' ELSE 'answered' END,
    CASE WHEN i.kind <> 'upload' AND r.state IN ('accepted', 'submitted', 'in_progress') THEN jsonb_build_object('value',
        CASE i.kind WHEN 'yes_no' THEN 'false' WHEN 'text' THEN '"Harbour Bank"' WHEN 'amount' THEN '"1250.00"'
                    ELSE '"accruals"' END::jsonb) END,
    CASE WHEN i.kind = 'upload' AND r.state IN ('accepted', 'submitted') THEN 'We have closed the account' ELSE '' END,
    CASE WHEN r.state IN ('accepted', 'submitted', 'in_progress') THEN r.worked_from + TIME '10:30' END,
    CASE WHEN r.state IN ('accepted', 'submitted') THEN r.worked_from + TIME '11:00' END,
    CASE WHEN r.state IN ('accepted', 'submitted') THEN 'contact' END,
    CASE WHEN r.state IN ('accepted', 'submitted') THEN bench.id(11, r.c) END,
    CASE WHEN r.state = 'accepted' THEN r.worked_from + TIME '14:00' END,
    CASE WHEN r.state = 'accepted' THEN bench.id(5, 0) END
FROM bench.request r CROSS JOIN bench.item i ORDER BY 1;
