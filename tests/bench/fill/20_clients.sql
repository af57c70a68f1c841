-- Clients with their contact, two engagements and two series each.
CREATE UNLOGGED TABLE bench.client AS
SELECT c, c % 12 AS combo, bench.id(10, c) AS id,
    (ARRAY['Ashford','Birch','Cedar','Dalton','Elmwood','Fairway','Glenhaven','Harbour','Ivy','Juniper','Kestrel','Larch',
           'Marlow','Northgate','Oakfield','Pendle','Quarry','Rowan','Sterling','Thornton'])[1 + c % 20] || ' ' ||
    (ARRAY['Bakery','Joinery','Logistics','Dental Care','Farms','Studio','Garage','Foods','Textiles','Books','Optics',
           'Builders','Travel','Nursery','Print','Software','Motors','Coffee','Roofing','Design'])[1 + (c / 20) % 20] || ' ' ||
    (ARRAY['Ltd','LLP','& Sons','Group','Partners'])[1 + (c / 400) % 5] ||
    CASE WHEN c >= 2000 THEN ' ' || (c / 2000 + 1) ELSE '' END AS name,
    bench.id(3, c % 2) AS office_id,
    bench.id(5, c % :partners) AS partner_id,
    bench.id(5, :partners + c % :managers) AS manager_id,
    bench.id(5, :partners + :managers + c % :staff) AS preparer_id
FROM generate_series(0, :clients - 1) c;

INSERT INTO client (id, code, name, sort_key, currency, office_id, partner_id, manager_id, country, email, phone,
                    year_end_month, year_end_day, vat_stagger, tags)
SELECT id, 'C' || bench.digits(c + 1), name, lower(name), 'GBP', office_id, partner_id, manager_id, 'GB',
    'office@client' || c || '.example', '020 7946 ' || lpad((c % 1000)::text, 4, '0'),
    (ARRAY[12, 3, 6, 9])[1 + c % 4], (ARRAY[31, 31, 30, 30])[1 + c % 4], 1 + c % 3,
    CASE WHEN c % 10 = 0 THEN ARRAY['key client'] ELSE '{}' END
FROM bench.client ORDER BY c;

INSERT INTO contact (id, name, sort_key)
SELECT bench.id(11, c), 'Contact ' || c, 'contact ' || c FROM bench.client ORDER BY c;
INSERT INTO contact_address (id, contact_id, kind, value)
SELECT bench.id(12, c), bench.id(11, c), 'email', 'contact' || c || '@client.example' FROM bench.client ORDER BY c;
INSERT INTO client_contact (id, client_id, contact_id, role, portal_access, is_primary)
SELECT bench.id(13, c), id, bench.id(11, c), 'Director', true, true FROM bench.client ORDER BY c;

INSERT INTO engagement (id, client_id, number, name, starts_on, entity_id, partner_id, manager_id, currency, service_id)
SELECT bench.id(14, c * 2 + s), id, 'E-' || bench.digits(c * 2 + s + 1),
    CASE s WHEN 0 THEN 'Annual accounts' ELSE 'VAT return' END, DATE ':today' - 1200, bench.id(2, 1), partner_id,
    manager_id, 'GBP', bench.id(7, s)
FROM bench.client CROSS JOIN generate_series(0, 1) s ORDER BY c, s;

INSERT INTO arrangement (id, engagement_id, currency, kind)
SELECT gen_random_uuid(), bench.id(14, c * 2 + s), 'GBP', 'hourly'
FROM bench.client CROSS JOIN generate_series(0, 1) s ORDER BY c, s;

INSERT INTO series (id, client_id, engagement_id, service_id, template_id, cadence, anchor_on, roles, forecast_until)
SELECT bench.id(15, c * 2 + p.service), client.id, bench.id(14, c * 2 + p.service), bench.id(7, p.service), t.id, p.cadence,
    p.anchor_on, jsonb_build_object('preparer', preparer_id), p.forecast_until
FROM bench.client client JOIN bench.series_plan p USING (combo)
JOIN job_template t ON t.service_id = bench.id(7, p.service) AND t.state = 'published' ORDER BY c, p.service;

INSERT INTO number_series (id, kind, entity_id, prefix, next_value) VALUES
    (gen_random_uuid(), 'client', NULL, 'C', :clients + 1), (gen_random_uuid(), 'engagement', NULL, 'E-', 2 * :clients + 1),
    (gen_random_uuid(), 'job', NULL, 'J-', 10 * :clients + 1),
    (gen_random_uuid(), 'invoice', bench.id(2, 1), 'INV-', 8 * :clients + 1);
