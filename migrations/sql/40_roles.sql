-- Three roles: the owner migrates; {app} serves the firm; {portal} serves its clients under row-level security.
GRANT USAGE ON SCHEMA public TO {app}, {portal};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app};
REVOKE UPDATE, DELETE, TRUNCATE ON event, event_seal, ledger_transaction, posting, closing FROM {app};
REVOKE DELETE, TRUNCATE ON event_payload FROM {app};
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {portal};
GRANT USAGE ON SEQUENCE event_id_seq TO {portal};

-- The key that seals what a transaction of the portal may reach: in a schema that no login may enter.
CREATE SCHEMA IF NOT EXISTS sealed;
REVOKE ALL ON SCHEMA sealed FROM PUBLIC;
CREATE TABLE IF NOT EXISTS sealed.portal_key (one boolean PRIMARY KEY DEFAULT true CHECK (one), key bytea NOT NULL);
REVOKE ALL ON sealed.portal_key FROM PUBLIC;
INSERT INTO sealed.portal_key (key)
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    ON CONFLICT DO NOTHING;

-- The seal over what is set for this transaction: it holds for this backend and this transaction alone. Whoever could
-- call this could seal anything: it is granted to nobody.
CREATE OR REPLACE FUNCTION portal_seal(contact text, clients text, request text, assurance text) RETURNS text
    LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(k.key || sha256(k.key || convert_to(
        concat_ws('|', contact, clients, request, assurance, pg_backend_pid(), extract(epoch FROM now())), 'UTF8'
    ))), 'hex') FROM sealed.portal_key k $$;
CREATE OR REPLACE FUNCTION portal_is_sealed() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(current_setting('firmament.seal', true) = portal_seal(
        coalesce(current_setting('firmament.contact', true), ''), coalesce(current_setting('firmament.clients', true), ''),
        coalesce(current_setting('firmament.request', true), ''),
        coalesce(current_setting('firmament.assurance', true), '')), false) $$;

-- Who is at the portal's door, and the clients that they may reach: set at the beginning of each transaction by a secret
-- of theirs, and nothing is within reach before. Anybody may set these settings; without the seal they say nothing.
-- Policies ask in a sub-select: once a statement.
CREATE OR REPLACE FUNCTION portal_contact() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
    BEGIN RETURN CASE WHEN public.portal_is_sealed()
        THEN nullif(current_setting('firmament.contact', true), '')::uuid END; END $$;
CREATE OR REPLACE FUNCTION portal_request() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
    BEGIN RETURN CASE WHEN public.portal_is_sealed()
        THEN nullif(current_setting('firmament.request', true), '')::uuid END; END $$;
CREATE OR REPLACE FUNCTION portal_signed_in() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
    BEGIN RETURN public.portal_is_sealed()
        AND coalesce(current_setting('firmament.assurance', true), '') = 'signed_in'; END $$;
CREATE OR REPLACE FUNCTION portal_clients() RETURNS uuid[] LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
    BEGIN RETURN CASE WHEN public.portal_is_sealed()
        THEN nullif(current_setting('firmament.clients', true), '')::uuid[] END; END $$;

-- The clients within reach: those with portal access when signed in, else the one of an open request, for as long as
-- its contact sees that client in the portal.
CREATE OR REPLACE FUNCTION portal_begin(contact uuid, request uuid) RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE reach uuid[]; assurance text;
BEGIN
    IF request IS NULL THEN
        SELECT array_agg(cc.client_id) INTO reach
        FROM client_contact cc JOIN client c ON c.id = cc.client_id
        WHERE cc.contact_id = contact AND cc.portal_access AND c.archived_at IS NULL;
    ELSE
        SELECT array_agg(r.client_id) INTO reach
        FROM client_request r JOIN request_recipient rr ON rr.request_id = r.id
        JOIN client_contact cc ON cc.client_id = r.client_id AND cc.contact_id = rr.contact_id
        JOIN client c ON c.id = r.client_id
        WHERE r.id = request AND rr.contact_id = contact AND r.closed_at IS NULL AND cc.portal_access
          AND c.archived_at IS NULL;
    END IF;
    reach := coalesce(reach, '{{}}');
    assurance := CASE WHEN request IS NULL THEN 'signed_in' ELSE 'request' END;
    PERFORM set_config('firmament.contact', contact::text, true), set_config('firmament.clients', reach::text, true),
        set_config('firmament.request', coalesce(request::text, ''), true),
        set_config('firmament.assurance', assurance, true), set_config('firmament.seal', portal_seal(
            contact::text, reach::text, coalesce(request::text, ''), assurance), true);
    RETURN reach;
END $$;

-- The one way to a reach is a session's own secret. The visit that it stands for, begun: not ended, not run out, not idle too long, its contact there.
DROP FUNCTION IF EXISTS portal_visit(bytea, timestamptz, timestamptz);
CREATE FUNCTION portal_visit(hash bytea, at timestamptz, idle_since timestamptz)
    RETURNS TABLE (session_id uuid, contact_id uuid, contact_name text, language text, request_id uuid,
                   last_seen_at timestamptz, client_ids uuid[], client_names text[], desks jsonb)
    LANGUAGE plpgsql ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SELECT s.id, c.id, c.name, c.language, s.request_id, s.last_seen_at
    INTO session_id, contact_id, contact_name, language, request_id, last_seen_at
    FROM contact_session s JOIN contact c ON c.id = s.contact_id
    WHERE s.token_hash = hash AND s.revoked_at IS NULL AND s.expires_at > at AND s.last_seen_at > idle_since
      AND c.archived_at IS NULL;
    IF FOUND THEN
        client_ids := portal_begin(contact_id, request_id);
        -- For each client who looks after it, and how the office is reached that does.
        SELECT array_agg(cl.id ORDER BY cl.sort_key, cl.id), array_agg(cl.name ORDER BY cl.sort_key, cl.id),
               jsonb_agg(jsonb_build_array(
                   o.name, coalesce(nullif(o.address, ''), e.address), o.phone, o.email, coalesce(p.name, '')
               ) ORDER BY cl.sort_key, cl.id)
        INTO client_ids, client_names, desks
        FROM client cl JOIN office o ON o.id = cl.office_id JOIN entity e ON e.id = o.entity_id
        LEFT JOIN person p ON p.id = coalesce(cl.manager_id, cl.partner_id) AND p.state = 'active'
        WHERE cl.id = ANY (client_ids);
        client_ids := coalesce(client_ids, '{{}}');
        client_names := coalesce(client_names, '{{}}');
        desks := coalesce(desks, '[]');
        RETURN NEXT;
    END IF;
END $$;

-- Whether a document is one that the contact at the door has just begun to send. Asked when it is tied to an item,
-- before the tie makes it visible.
CREATE OR REPLACE FUNCTION portal_gave(document uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM document d WHERE d.id = $1 AND d.added_kind = 'contact' AND d.added_by = portal_contact()
                   AND d.client_id = ANY (portal_clients())) $$;

-- Which period a request is about, for whoever sees the request: by its link alone the job itself is not seen.
CREATE OR REPLACE FUNCTION portal_period(request uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce((SELECT j.period_name FROM client_request r JOIN job j ON j.id = r.job_id
                     WHERE r.id = $1 AND r.client_id = ANY (portal_clients())
                       AND (portal_signed_in() OR r.id = portal_request())), '') $$;

-- How many bytes the contact at the door has said they send and not sent, whatever of it this session sees.
CREATE OR REPLACE FUNCTION portal_reserved() RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(sum(d.size), 0) FROM document d JOIN upload u ON u.document_id = d.id
    WHERE d.state = 'uploading' AND d.added_kind = 'contact' AND d.added_by = portal_contact() $$;

-- How many files they are.
CREATE OR REPLACE FUNCTION portal_begun() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(*) FROM document d JOIN upload u ON u.document_id = d.id
    WHERE d.state = 'uploading' AND d.added_kind = 'contact' AND d.added_by = portal_contact() $$;

-- All that a client learns of a bill that somebody else pays: that it is there, its date, who pays it, and whether they
-- have. Neither what it says nor how much it is; its lines, its PDF and its row stay with the payer.
CREATE OR REPLACE FUNCTION portal_paid_by_others(wanted uuid[])
    RETURNS TABLE (number text, kind text, issued_on date, client_id uuid, payer text, is_paid boolean, is_void boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT i.number, i.kind, i.issued_on, i.client_id, p.name, i.open_amount = 0, i.state = 'void'
    FROM invoice i JOIN client p ON p.id = i.payer_id
    WHERE portal_signed_in() AND i.client_id = ANY (portal_clients()) AND i.client_id = ANY (wanted)
      AND NOT i.payer_id = ANY (portal_clients()) AND i.sent_at IS NOT NULL AND i.state IN ('sent', 'void')
    ORDER BY i.issued_on DESC, i.id DESC LIMIT 100 $$;

-- What runs as the owner is called by the two doors and by nobody else in the cluster.
REVOKE EXECUTE ON FUNCTION portal_seal(text, text, text, text), portal_is_sealed() FROM PUBLIC, {app}, {portal};
REVOKE EXECUTE ON FUNCTION portal_begin(uuid, uuid) FROM {app}, {portal};
REVOKE EXECUTE ON FUNCTION portal_begin(uuid, uuid), portal_visit(bytea, timestamptz, timestamptz), portal_gave(uuid),
    portal_paid_by_others(uuid[]), portal_reserved(), portal_begun(), portal_period(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION portal_is_sealed(), portal_gave(uuid), portal_paid_by_others(uuid[]) TO {portal};
GRANT EXECUTE ON FUNCTION portal_visit(bytea, timestamptz, timestamptz), portal_reserved(), portal_begun(),
    portal_period(uuid) TO {app}, {portal};

DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('DROP POLICY IF EXISTS house ON %I', name);
        EXECUTE format('CREATE POLICY house ON %I TO {app}, {owner} USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOR name IN SELECT DISTINCT tablename FROM pg_policies WHERE policyname LIKE 'portal_%' LOOP
        EXECUTE (SELECT string_agg(format('DROP POLICY %I ON %I', policyname, tablename), '; ')
                 FROM pg_policies WHERE tablename = name AND policyname LIKE 'portal_%');
    END LOOP;
END $$;

-- What anyone at the door may read of the firm: its name, its colours, how to pay it.
GRANT SELECT ON firm, entity, office, stage, service TO {portal};
CREATE POLICY portal_reads ON firm FOR SELECT TO {portal} USING (true);
CREATE POLICY portal_reads ON entity FOR SELECT TO {portal} USING (true);
CREATE POLICY portal_reads ON office FOR SELECT TO {portal} USING (true);
CREATE POLICY portal_reads ON stage FOR SELECT TO {portal} USING ((SELECT portal_signed_in()));
CREATE POLICY portal_reads ON service FOR SELECT TO {portal} USING ((SELECT portal_signed_in()));
GRANT SELECT (id, name) ON person TO {portal};
CREATE POLICY portal_reads ON person FOR SELECT TO {portal} USING ((SELECT portal_contact()) IS NOT NULL);

-- Themselves and their clients.
GRANT SELECT ON contact, client_contact, contact_address, request_recipient TO {portal};
CREATE POLICY portal_reads ON contact FOR SELECT TO {portal} USING (id = (SELECT portal_contact()));
CREATE POLICY portal_reads ON client_contact FOR SELECT TO {portal}
    USING (contact_id = (SELECT portal_contact()) AND portal_access);
CREATE POLICY portal_reads ON contact_address FOR SELECT TO {portal} USING (contact_id = (SELECT portal_contact()));
CREATE POLICY portal_reads ON request_recipient FOR SELECT TO {portal} USING (contact_id = (SELECT portal_contact()));
GRANT SELECT (id, contact_id, request_id, created_at, last_seen_at, expires_at, revoked_at, address, agent)
    ON contact_session TO {portal};
GRANT UPDATE (revoked_at) ON contact_session TO {portal};
CREATE POLICY portal_reads ON contact_session FOR SELECT TO {portal}
    USING ((SELECT portal_signed_in()) AND contact_id = (SELECT portal_contact()));
CREATE POLICY portal_writes ON contact_session FOR UPDATE TO {portal}
    USING ((SELECT portal_signed_in()) AND contact_id = (SELECT portal_contact()))
    WITH CHECK (revoked_at IS NOT NULL);
GRANT SELECT (id, name, sort_key, currency, language, zone, office_id, archived_at) ON client TO {portal};
CREATE POLICY portal_reads ON client FOR SELECT TO {portal} USING (id = ANY ((SELECT portal_clients())::uuid[]));
GRANT SELECT (id, client_id, engagement_id, service_id, stage_id, title, status, period_name, starts_on, due_on,
              tasks_total, tasks_done, completed_at, created_at) ON job TO {portal};
CREATE POLICY portal_reads ON job FOR SELECT TO {portal}
    USING ((SELECT portal_signed_in()) AND client_id = ANY ((SELECT portal_clients())::uuid[]));

-- Requests: the one of the link, or all when signed in; drafts never. Only answering is written.
GRANT SELECT ON client_request, request_item, item_document TO {portal};
GRANT UPDATE (state, viewed_at, submitted_at, next_reminder_on, version, updated_at) ON client_request TO {portal};
GRANT UPDATE (state, answer, not_applicable_because, saved_at, answered_at, answered_kind, answered_by)
    ON request_item TO {portal};
GRANT INSERT, DELETE ON item_document TO {portal};
CREATE POLICY portal_reads ON client_request FOR SELECT TO {portal}
    USING (client_id = ANY ((SELECT portal_clients())::uuid[]) AND state NOT IN ('draft', 'scheduled')
           AND ((SELECT portal_signed_in()) OR id = (SELECT portal_request())));
CREATE POLICY portal_writes ON client_request FOR UPDATE TO {portal}
    USING (client_id = ANY ((SELECT portal_clients())::uuid[]) AND closed_at IS NULL
           AND state IN ('sent', 'viewed', 'in_progress', 'returned', 'submitted')
           AND ((SELECT portal_signed_in()) OR id = (SELECT portal_request())))
    WITH CHECK (state IN ('viewed', 'in_progress', 'submitted', 'returned', 'sent'));
CREATE POLICY portal_reads ON request_item FOR SELECT TO {portal}
    USING (EXISTS (SELECT FROM client_request r WHERE r.id = request_id));
CREATE POLICY portal_writes ON request_item FOR UPDATE TO {portal}
    USING (state <> 'accepted' AND EXISTS (SELECT FROM client_request r WHERE r.id = request_id AND r.closed_at IS NULL))
    WITH CHECK (state IN ('open', 'answered', 'not_applicable', 'returned'));
CREATE POLICY portal_reads ON item_document FOR SELECT TO {portal}
    USING (EXISTS (SELECT FROM request_item i WHERE i.id = item_id));
CREATE POLICY portal_adds ON item_document FOR INSERT TO {portal}
    WITH CHECK (EXISTS (SELECT FROM request_item i WHERE i.id = item_id AND i.state <> 'accepted')
                AND portal_gave(document_id));
CREATE POLICY portal_takes_back ON item_document FOR DELETE TO {portal}
    USING (EXISTS (SELECT FROM request_item i WHERE i.id = item_id AND i.state IN ('open', 'returned', 'answered')));

-- Documents: signed in, what they gave and what the firm shares; by a request's link, that request's files alone.
GRANT SELECT, INSERT ON document, upload TO {portal};
GRANT UPDATE (state, received_at, size) ON document TO {portal};
GRANT UPDATE (finished_at, digests) ON upload TO {portal};
GRANT DELETE ON upload TO {portal};
CREATE POLICY portal_reads ON document FOR SELECT TO {portal}
    USING (client_id = ANY ((SELECT portal_clients())::uuid[]) AND archived_at IS NULL
           AND (((SELECT portal_signed_in())
                 AND (client_sees OR (added_kind = 'contact' AND added_by = (SELECT portal_contact()))))
                OR EXISTS (SELECT FROM item_document x WHERE x.document_id = document.id)));
CREATE POLICY portal_adds ON document FOR INSERT TO {portal}
    WITH CHECK (client_id = ANY ((SELECT portal_clients())::uuid[]) AND added_kind = 'contact'
                AND added_by = (SELECT portal_contact()) AND state = 'uploading' AND archived_at IS NULL
                AND kept_key IS NULL AND preview_key IS NULL AND sha256 IS NULL AND same_as_id IS NULL
                AND thumbnail_key IS NULL AND jpeg_key IS NULL
                AND incoming_key ~ '^incoming/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');
CREATE POLICY portal_writes ON document FOR UPDATE TO {portal}
    USING (added_kind = 'contact' AND added_by = (SELECT portal_contact()) AND state IN ('uploading', 'received'))
    WITH CHECK (state IN ('uploading', 'received'));
CREATE POLICY portal_reads ON upload FOR SELECT TO {portal}
    USING (EXISTS (SELECT FROM document d WHERE d.id = document_id AND d.added_by = (SELECT portal_contact())));
CREATE POLICY portal_adds ON upload FOR INSERT TO {portal}
    WITH CHECK (EXISTS (SELECT FROM document d WHERE d.id = document_id AND d.added_by = (SELECT portal_contact())));
CREATE POLICY portal_writes ON upload FOR UPDATE TO {portal}
    USING (EXISTS (SELECT FROM document d WHERE d.id = document_id AND d.added_by = (SELECT portal_contact())));
CREATE POLICY portal_takes_back ON upload FOR DELETE TO {portal}
    USING (EXISTS (SELECT FROM document d WHERE d.id = document_id AND d.added_by = (SELECT portal_contact())));
GRANT SELECT ON hold TO {portal};
CREATE POLICY portal_reads ON hold FOR SELECT TO {portal}
    USING (EXISTS (SELECT FROM document d WHERE d.id = document_id));

-- Invoices, once issued, and what is still owed on them: for the payer. The client, where that is another, sees no row.
GRANT SELECT (id, kind, state, number, entity_id, client_id, payer_id, credits_id, currency, issued_on, due_on, net,
              tax, gross, open_amount, note, pdf_key, pdf_sha256, sent_at, viewed_at, created_at) ON invoice TO {portal};
GRANT UPDATE (viewed_at, updated_at) ON invoice TO {portal};
GRANT SELECT ON invoice_line, posting TO {portal};
CREATE POLICY portal_reads ON invoice FOR SELECT TO {portal}
    USING ((SELECT portal_signed_in()) AND payer_id = ANY ((SELECT portal_clients())::uuid[])
           AND state IN ('sent', 'void') AND sent_at IS NOT NULL);
CREATE POLICY portal_writes ON invoice FOR UPDATE TO {portal}
    USING ((SELECT portal_signed_in()) AND payer_id = ANY ((SELECT portal_clients())::uuid[]) AND state = 'sent');
CREATE POLICY portal_reads ON invoice_line FOR SELECT TO {portal}
    USING (EXISTS (SELECT FROM invoice i WHERE i.id = invoice_id));
CREATE POLICY portal_reads ON posting FOR SELECT TO {portal}
    USING ((SELECT portal_signed_in()) AND account = 'receivable' AND invoice_id IS NOT NULL
           AND client_id = ANY ((SELECT portal_clients())::uuid[]));

-- What they do is recorded; what is recorded they cannot read.
GRANT INSERT ON event, event_payload, outbox TO {portal};
CREATE POLICY portal_adds ON event FOR INSERT TO {portal}
    WITH CHECK (actor_kind = 'contact' AND actor_id = (SELECT portal_contact()));
CREATE POLICY portal_adds ON event_payload FOR INSERT TO {portal} WITH CHECK ((SELECT portal_contact()) IS NOT NULL);
CREATE POLICY portal_adds ON outbox FOR INSERT TO {portal} WITH CHECK ((SELECT portal_contact()) IS NOT NULL);
