-- What each job is about, and how far it has come: the latest of each service is open, the others are done.
CREATE UNLOGGED TABLE bench.job AS
SELECT r.*, r.age = 1 AS is_open,
    CASE WHEN r.age > 1 THEN 10 WHEN r.service = 1 THEN 3 + r.c % 7 WHEN r.c % 4 = 0 THEN 6 + r.c / 4 % 4
         ELSE r.c / 4 * 3 % 7 END AS done,
    (ARRAY['sent', 'viewed', 'in_progress', 'submitted'])[1 + r.c / 12 % 4] AS asked
FROM (SELECT row_number() OVER (PARTITION BY c.c, p.service ORDER BY p.period_start DESC) AS age,
    p.j::bigint * :clients + c.c AS jn, c.c, p.j, p.service, c.combo, bench.id(17, p.j::bigint * :clients + c.c) AS id, c.id AS client_id,
    bench.id(14, c.c * 2 + p.service) AS engagement_id, replace(p.title, '@@', c.name) AS title, p.period_start,
    p.period_end, p.period_name, p.starts_on, p.due_on, p.asked_on, c.partner_id, c.manager_id, c.preparer_id,
    least(p.starts_on, DATE ':today' - 6) AS worked_from,
    least(80, DATE ':today' - least(p.starts_on, DATE ':today' - 6)) AS span
    FROM bench.client c JOIN bench.job_plan p USING (combo)) r;
ALTER TABLE bench.job ADD PRIMARY KEY (jn);
ANALYZE bench.job;

INSERT INTO job (id, number, origin, client_id, engagement_id, service_id, template_id, stage_id, title, status,
                 period_start, period_end, period_name, starts_on, due_on, owner_id, budget, tasks_total, tasks_done,
                 plan_stale, planned_at, waiting_items, waiting_total, completed_at, created_at, updated_at)
SELECT b.id, 'J-' || bench.digits(b.jn + 1), 'series:' || bench.id(15, b.c * 2 + b.service) || ':' || b.period_start,
    b.client_id, b.engagement_id, bench.id(7, b.service), t.id,
    (SELECT stage_id FROM bench.step s WHERE s.service = b.service AND s.position = least(b.done, 9)), b.title,
    CASE b.done WHEN 10 THEN 'completed' ELSE 'active' END, b.period_start, b.period_end, b.period_name, b.starts_on,
    b.due_on, b.manager_id, (SELECT sum(estimate) FROM bench.step s WHERE s.service = b.service), 10, b.done,
    b.done < 10, NULL,
    CASE WHEN b.service = 0 AND b.done <= 2 AND b.asked <> 'submitted' THEN 4 ELSE 0 END,
    CASE WHEN b.service = 0 AND b.done <= 2 THEN 4 ELSE 0 END,
    CASE WHEN b.done = 10 THEN b.worked_from + b.span + TIME '16:00' END,
    b.worked_from + TIME '05:00', b.worked_from + TIME '05:00'
FROM bench.job b JOIN job_template t ON t.service_id = bench.id(7, b.service) AND t.state = 'published' ORDER BY b.jn;

INSERT INTO job_role (job_id, work_role, person_id)
SELECT id, 'preparer', preparer_id FROM bench.job ORDER BY jn;

INSERT INTO occurrence (id, series_id, client_id, period_start, period_end, create_on, starts_on, due_on, title, state, job_id)
SELECT bench.id(16, c.c * 40 + p.service * 20 + p.n), bench.id(15, c.c * 2 + p.service), c.id, p.period_start, p.period_end,
    p.create_on, p.starts_on, p.due_on, replace(p.title, '@@', c.name), CASE WHEN p.made THEN 'created' ELSE 'forecast' END,
    CASE WHEN p.made THEN j.id END
FROM bench.client c JOIN bench.occurrence_plan p USING (combo)
LEFT JOIN bench.job j ON j.c = c.c AND j.service = p.service AND j.period_start = p.period_start
ORDER BY c.c, p.service, p.n;
