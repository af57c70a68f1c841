-- What the timelines show: each client opened, each job made, each bill issued, each payment recorded.
CREATE UNLOGGED TABLE bench.told AS
SELECT nextval('event_id_seq') AS id, f.*, decode(md5('salt' || f.subject_id || f.kind), 'hex') AS salt
FROM (
    SELECT 'clients.client.create' AS kind, 'client' AS subject_kind, id AS subject_id, id AS client_id, NULL::uuid AS engagement_id,
        NULL::uuid AS job_id, 'person' AS actor_kind, partner_id AS actor_id, (DATE ':today' - 1200) + TIME '09:00' AS at,
        format('{"code":"C%s","name":"%s"}', bench.digits(c + 1), name) AS data
    FROM bench.client
    UNION ALL
    SELECT 'jobs.job.created', 'job', id, client_id, engagement_id, id, 'system', NULL, worked_from + TIME '05:00',
        format('{"number":"J-%s","service":"%s","tasks":10,"title":"%s"}', bench.digits(jn + 1),
            CASE service WHEN 0 THEN 'Annual accounts' ELSE 'VAT return' END, title)
    FROM bench.job
    UNION ALL
    SELECT 'billing.invoice.approve', 'invoice', bench.id(23, v.i), b.client_id, NULL, NULL, 'person', b.partner_id,
        v.issued_on + TIME '12:00', format('{"currency":"GBP","gross":"%s","number":"INV-%s"}', v.gross, bench.digits(v.i + 1))
    FROM bench.invoice v JOIN bench.job b USING (jn)
    UNION ALL
    SELECT 'billing.payment.record', 'payment', bench.id(25, p), client_id, NULL, NULL, 'person', manager_id,
        received_on + TIME '09:00', format('{"allocated":"%s","amount":"%s","currency":"GBP"}', amount, amount)
    FROM bench.payment
    ORDER BY at
) f;

INSERT INTO event (id, kind, subject_kind, subject_id, client_id, engagement_id, job_id, actor_kind, actor_id, at, request_id,
                   address, payload_hash)
SELECT id, kind, subject_kind, subject_id, client_id, engagement_id, job_id, actor_kind, actor_id, at, '', '',
    sha256(salt || convert_to(data, 'UTF8')) FROM bench.told ORDER BY id;
INSERT INTO event_payload (event_id, salt, data) SELECT id, salt, data::jsonb FROM bench.told ORDER BY id;
INSERT INTO outbox (event_id) SELECT id FROM bench.told ORDER BY id;
