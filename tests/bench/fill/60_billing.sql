-- A bill for each finished job, numbered in the order of their dates; most are paid.
CREATE UNLOGGED TABLE bench.invoice AS
SELECT row_number() OVER (ORDER BY f.issued_on, f.jn) - 1 AS i, f.*, f.issued_on + 14 AS due_on,
    round(f.net * 0.2, 2) AS tax, f.net + round(f.net * 0.2, 2) AS gross
FROM (
    SELECT e.jn, min(e.worked_on) AS first_on, max(e.worked_on) AS last_on, sum(e.value) AS net,
        least(max(e.worked_on) + 5, DATE ':today') AS issued_on
    FROM bench.entry e WHERE e.billed GROUP BY e.jn
) f;
ALTER TABLE bench.invoice ADD PRIMARY KEY (jn);
ANALYZE bench.invoice;

INSERT INTO invoice (id, state, number, entity_id, client_id, payer_id, currency, issued_on, due_on, terms_days, net, tax,
                     gross, open_amount, drafted_by, approved_by, approved_at, sent_at, facts, created_at, updated_at)
SELECT bench.id(23, v.i), 'sent', 'INV-' || bench.digits(v.i + 1), bench.id(2, 1), b.client_id, b.client_id, 'GBP',
    v.issued_on, v.due_on, 14, v.net, v.tax, v.gross,
    CASE WHEN b.age > 2 OR b.service = 0 OR b.c % 3 = 2 THEN 0 WHEN b.c % 3 = 1 THEN v.gross - round(v.gross / 2, 2) ELSE v.gross END,
    b.manager_id, b.partner_id, v.issued_on + TIME '12:00', v.issued_on + TIME '12:05',
    jsonb_build_object(
        'kind', 'invoice', 'number', 'INV-' || bench.digits(v.i + 1), 'currency', 'GBP', 'issued_on', v.issued_on,
        'due_on', v.due_on, 'note', '', 'net', v.net::text, 'tax', v.tax::text, 'gross', v.gross::text,
        'seller', (SELECT jsonb_build_object('name', name, 'address', address, 'country', country, 'tax_number', tax_number,
            'registration_number', registration_number, 'bank', jsonb_build_object('name', bank_name, 'iban', iban,
            'bic', bic, 'account_number', account_number, 'sort_code', sort_code)) FROM entity),
        'buyer', jsonb_build_object('name', c.name, 'code', c.code, 'address', c.address, 'country', c.country,
            'tax_number', c.tax_number, 'language', c.language),
        'lines', jsonb_build_array(jsonb_build_object('description', l.words, 'quantity', '1', 'unit_price', v.net::text,
            'net', v.net::text, 'tax_percent', '20', 'tax_treatment', 'standard', 'tax_legend', '', 'tax', v.tax::text)),
        'taxes', jsonb_build_array(jsonb_build_object('treatment', 'standard', 'percent', '20', 'net', v.net::text,
            'tax', v.tax::text)),
        'legends', '[]'::jsonb),
    v.issued_on + TIME '11:00', v.issued_on + TIME '12:05'
FROM bench.invoice v JOIN bench.job b USING (jn) JOIN client c ON c.id = b.client_id
CROSS JOIN LATERAL (SELECT CASE b.service WHEN 0 THEN 'Annual accounts' ELSE 'VAT return' END
    || ': professional services, ' || to_char(v.first_on, 'FMDD FMMonth YYYY') || ' to '
    || to_char(v.last_on, 'FMDD FMMonth YYYY') AS words) l
ORDER BY v.i;

INSERT INTO invoice_line (id, invoice_id, client_id, engagement_id, currency, position, kind, description, unit_price, net, supplied_on,
                          tax_code, tax_treatment, tax_category, tax_percent, tax)
SELECT bench.id(24, v.i), bench.id(23, v.i), b.client_id, b.engagement_id, 'GBP', 0, 'fee',
    n.facts -> 'lines' -> 0 ->> 'description', v.net, v.net, v.last_on, 'S20', 'standard', 'S', 20, v.tax
FROM bench.invoice v JOIN bench.job b USING (jn) JOIN invoice n ON n.id = bench.id(23, v.i) ORDER BY v.i;

INSERT INTO invoice_item (invoice_id, item_id, item_kind, line_id, client_id, engagement_id, currency, value, billed, issued)
SELECT bench.id(23, v.i), bench.id(22, e.n), 'time_entry', bench.id(24, v.i), e.client_id, e.engagement_id, 'GBP', e.value,
    e.value, true
FROM bench.entry e JOIN bench.invoice v USING (jn) WHERE e.billed ORDER BY v.i, e.n;

CREATE UNLOGGED TABLE bench.payment AS
SELECT row_number() OVER (ORDER BY least(v.due_on - 3 + b.c % 20, DATE ':today'), v.i) - 1 AS p, v.i, v.due_on, b.client_id,
    b.engagement_id, b.manager_id, least(v.due_on - 3 + b.c % 20, DATE ':today') AS received_on,
    CASE WHEN b.age = 2 AND b.service = 1 AND b.c % 3 = 1 THEN round(v.gross / 2, 2) ELSE v.gross END AS amount
FROM bench.invoice v JOIN bench.job b USING (jn) WHERE b.age > 2 OR b.service = 0 OR b.c % 3 > 0;

-- Their transactions are numbered as 70_ledger.sql does.
INSERT INTO payment (id, client_id, entity_id, received_on, amount, currency, reference, recorded_by, transaction_id,
                     created_at, updated_at)
SELECT bench.id(25, p), client_id, bench.id(2, 1), received_on, amount, 'GBP', 'INV-' || bench.digits(i + 1),
    manager_id, 516::bigint * :clients + 2 * p + 1, received_on + TIME '09:00', received_on + TIME '09:00'
FROM bench.payment ORDER BY p;
INSERT INTO allocation (id, payment_id, invoice_id, amount, allocated_on, transaction_id)
SELECT bench.id(26, p), bench.id(25, p), bench.id(23, i), amount, received_on, 516::bigint * :clients + 2 * p + 2 FROM bench.payment ORDER BY p;
