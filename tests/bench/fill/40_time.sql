-- Fifty entries a job, on the steps that are done or under way, in the order in which they were worked.
CREATE UNLOGGED TABLE bench.entry AS
SELECT n, b.jn, b.c, (n / :clients) % 50 AS m, b.client_id, b.engagement_id, b.id AS job_id,
    bench.id(18, b.jn * 10 + s.position) AS task_id, s.work_role, NOT b.is_open AS billed,
    CASE s.work_role WHEN 'reviewer' THEN b.manager_id WHEN 'partner' THEN b.partner_id ELSE b.preparer_id END AS person_id,
    w.day - CASE extract(isodow FROM w.day) WHEN 6 THEN 1 WHEN 7 THEN 2 ELSE 0 END::int AS worked_on,
    r.recorded, (r.recorded + 359) / 360 * 360 AS charged, rate.amount AS rate, rate.id AS rate_id, s.name AS narrative,
    round((r.recorded + 359) / 360 * 360 / 3600.0 * rate.amount, 2) AS value
FROM generate_series(0, 500::bigint * :clients - 1) n
JOIN bench.job b ON b.jn = n / (50 * :clients) * :clients + n % :clients
JOIN bench.step s ON s.service = b.service AND s.position = (n / :clients) % 50 * least(greatest(b.done, 1), 10) / 50
CROSS JOIN LATERAL (SELECT b.worked_from + ((n / :clients) % 50 * b.span / 50)::int AS day) w
CROSS JOIN LATERAL (SELECT (60 * (6 + n * 7919 % 85) + n % 60)::int AS recorded) r
JOIN rate ON rate.id = bench.id(6, CASE s.work_role WHEN 'partner' THEN 0 WHEN 'reviewer' THEN 1 ELSE 2 END);

INSERT INTO time_entry (id, client_id, engagement_id, job_id, task_id, person_id, worked_on, narrative, currency, value,
                        billed, open_value, state, recorded, charged, rounding, rate, rate_source, rate_id, work_role, version,
                        created_at, updated_at)
SELECT bench.id(22, n), client_id, engagement_id, job_id, task_id, person_id, worked_on, narrative, 'GBP', value,
    CASE WHEN billed THEN value ELSE 0 END, CASE WHEN billed THEN 0 ELSE value END, CASE WHEN billed THEN 'billed' ELSE 'open' END, recorded, charged,
    '{"per": "entry", "mode": "up", "minimum": 0, "increment": 6}', rate, 'the grade, from 1 January 2020', rate_id,
    work_role, CASE WHEN billed THEN 2 ELSE 1 END, worked_on + TIME '17:00', worked_on + TIME '17:00'
FROM bench.entry ORDER BY n;
