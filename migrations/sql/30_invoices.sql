-- A numbered invoice never changes what it says; only its later life (sent, viewed, void, its PDF) is written on.
CREATE OR REPLACE FUNCTION keep_issued_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.number IS NOT NULL THEN
            RAISE EXCEPTION 'invoice % is issued and stays', OLD.number USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.number IS NOT NULL AND (
        NEW.number, NEW.kind, NEW.entity_id, NEW.client_id, NEW.payer_id, NEW.credits_id, NEW.currency, NEW.tax_mode,
        NEW.issued_on, NEW.due_on, NEW.net, NEW.tax, NEW.gross, NEW.note, NEW.facts
    ) IS DISTINCT FROM (
        OLD.number, OLD.kind, OLD.entity_id, OLD.client_id, OLD.payer_id, OLD.credits_id, OLD.currency, OLD.tax_mode,
        OLD.issued_on, OLD.due_on, OLD.net, OLD.tax, OLD.gross, OLD.note, OLD.facts
    ) THEN
        RAISE EXCEPTION 'invoice % is issued and never changes', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.pdf_sha256 IS NOT NULL AND NEW.pdf_sha256 IS DISTINCT FROM OLD.pdf_sha256 THEN
        RAISE EXCEPTION 'the PDF of invoice % is kept', OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS keep_issued ON invoice;
CREATE TRIGGER keep_issued BEFORE UPDATE OR DELETE ON invoice FOR EACH ROW EXECUTE FUNCTION keep_issued_invoice();

CREATE OR REPLACE FUNCTION keep_issued_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE issued text;
BEGIN
    SELECT number INTO issued FROM invoice
    WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.invoice_id ELSE NEW.invoice_id END;
    IF issued IS NOT NULL THEN
        RAISE EXCEPTION 'invoice % is issued and its lines never change', issued USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
DROP TRIGGER IF EXISTS keep_issued ON invoice_line;
CREATE TRIGGER keep_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_line
    FOR EACH ROW EXECUTE FUNCTION keep_issued_line();

-- A published template version never changes.
CREATE OR REPLACE FUNCTION keep_published_template() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE current_state text;
BEGIN
    SELECT state INTO current_state FROM job_template
    WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.template_id ELSE NEW.template_id END;
    IF current_state IN ('published', 'retired') THEN
        RAISE EXCEPTION 'a published template version never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['template_step', 'template_dependency', 'template_request', 'template_deadline'] LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS keep_published ON %I', name);
        EXECUTE format('CREATE TRIGGER keep_published BEFORE INSERT OR UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION keep_published_template()', name);
    END LOOP;
END $$;
