-- Each entry recorded, each bill billed and issued, each payment paid and allocated; then the kept balances.
INSERT INTO ledger_transaction (id, kind, posted_on, happened_on, source_kind, source_id, by_id, made_at)
OVERRIDING SYSTEM VALUE
SELECT n + 1, 'recorded', worked_on, worked_on, 'time_entry', bench.id(22, n), person_id, worked_on + TIME '17:00'
FROM bench.entry ORDER BY n;

INSERT INTO posting (transaction_id, line, entity_id, account, amount, currency, base_amount, base_rate, client_id,
                     engagement_id, item_id, aged_on)
SELECT n + 1, line, bench.id(2, 1), account, value * sign, 'GBP', value * sign, 1, client_id, engagement_id, bench.id(22, n),
    worked_on
FROM bench.entry CROSS JOIN (VALUES (1, 'wip', 1), (2, 'wip_memo', -1)) leg(line, account, sign) ORDER BY n, line;

INSERT INTO ledger_transaction (id, kind, posted_on, happened_on, source_kind, source_id, by_id, made_at)
OVERRIDING SYSTEM VALUE
SELECT 500::bigint * :clients + 2 * v.i + k.at, k.kind, v.issued_on, v.issued_on, 'invoice', bench.id(23, v.i), b.partner_id,
    v.issued_on + TIME '12:00'
FROM bench.invoice v JOIN bench.job b USING (jn) CROSS JOIN (VALUES (1, 'billed'), (2, 'issued')) k(at, kind) ORDER BY 1;

INSERT INTO posting (transaction_id, line, entity_id, account, amount, currency, base_amount, base_rate, client_id,
                     engagement_id, item_id, aged_on)
SELECT 500::bigint * :clients + 2 * v.i + 1, 2 * e.m + leg.line, bench.id(2, 1), leg.account, -e.value * leg.sign, 'GBP',
    -e.value * leg.sign, 1, e.client_id, e.engagement_id, bench.id(22, e.n), e.worked_on
FROM bench.entry e JOIN bench.invoice v USING (jn)
CROSS JOIN (VALUES (1, 'wip', 1), (2, 'wip_memo', -1)) leg(line, account, sign) WHERE e.billed ORDER BY 1, 2;

INSERT INTO posting (transaction_id, line, entity_id, account, amount, currency, base_amount, base_rate, client_id,
                     engagement_id, invoice_id, aged_on)
SELECT 500::bigint * :clients + 2 * v.i + 2, leg.line, bench.id(2, 1), leg.account, leg.amount, 'GBP', leg.amount, 1, b.client_id,
    b.engagement_id, bench.id(23, v.i), CASE leg.line WHEN 1 THEN v.due_on ELSE v.issued_on END
FROM bench.invoice v JOIN bench.job b USING (jn)
CROSS JOIN LATERAL (VALUES (1, 'receivable', v.gross), (2, 'revenue', -v.net), (3, 'tax', -v.tax)) leg(line, account, amount)
ORDER BY 1, 2;

INSERT INTO ledger_transaction (id, kind, posted_on, happened_on, source_kind, source_id, by_id, made_at)
OVERRIDING SYSTEM VALUE
SELECT 516::bigint * :clients + 2 * p + k.at, k.kind, received_on, received_on, 'payment', bench.id(25, p), manager_id,
    received_on + TIME '09:00'
FROM bench.payment CROSS JOIN (VALUES (1, 'paid'), (2, 'allocated')) k(at, kind) ORDER BY 1;

INSERT INTO posting (transaction_id, line, entity_id, account, amount, currency, base_amount, base_rate, client_id,
                     engagement_id, invoice_id, payment_id, aged_on)
SELECT 516::bigint * :clients + 2 * p + leg.at, leg.line, bench.id(2, 1), leg.account, leg.sign * amount, 'GBP', leg.sign * amount, 1, client_id,
    CASE leg.account WHEN 'receivable' THEN engagement_id END, CASE leg.at WHEN 2 THEN bench.id(23, i) END,
    bench.id(25, p), CASE leg.account WHEN 'receivable' THEN due_on ELSE received_on END
FROM bench.payment CROSS JOIN (VALUES (1, 1, 'bank', 1), (1, 2, 'credit', -1), (2, 1, 'credit', 1), (2, 2, 'receivable', -1))
    leg(at, line, account, sign)
ORDER BY 1, 2;

SELECT setval(pg_get_serial_sequence('ledger_transaction', 'id'), 516::bigint * :clients + 2 * (SELECT count(*) FROM bench.payment) + 1);

INSERT INTO balance (client_id, engagement_id, account, currency, aged_on, amount)
SELECT client_id, coalesce(engagement_id, '00000000-0000-0000-0000-000000000000'), account, currency, aged_on, sum(amount)
FROM posting WHERE account IN ('wip', 'receivable', 'credit') GROUP BY 1, 2, 3, 4, 5
HAVING sum(amount) <> 0 ORDER BY 1, 2, 3, 4, 5;

INSERT INTO client_balance (account, client_id, currency, amount)
SELECT account, client_id, currency, sum(amount) FROM balance GROUP BY 1, 2, 3 ORDER BY 1, 4;

INSERT INTO account_balance (account, currency, aged_on, amount)
SELECT account, currency, CASE WHEN aged_on < DATE ':today' - 150 THEN DATE '0001-01-01' ELSE aged_on END, sum(amount)
FROM balance GROUP BY 1, 2, 3 HAVING sum(amount) <> 0 ORDER BY 1, 2, 3;
