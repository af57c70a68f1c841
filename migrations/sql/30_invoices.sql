-- A numbered invoice never changes what it says; only its later life (sent, viewed, void, its PDF) is written on.
CREATE OR REPLACE FUNCTION keep_issued_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- Its later life. Whatever else there is or comes to be of a bill is what it says.
    later constant text[] := ARRAY['state', 'due_on', 'open_amount', 'pdf_key', 'pdf_sha256', 'sent_at', 'send_wanted_by',
                                   'viewed_at', 'paper_failed_at', 'paper_error', 'version', 'updated_at'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.number IS NOT NULL THEN
            RAISE EXCEPTION 'invoice % is issued and stays', OLD.number USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.number IS NOT NULL AND to_jsonb(NEW) - later IS DISTINCT FROM to_jsonb(OLD) - later THEN
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
    WHERE number IS NOT NULL AND id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.invoice_id END,
                                        CASE WHEN TG_OP <> 'DELETE' THEN NEW.invoice_id END) LIMIT 1;
    IF issued IS NOT NULL THEN
        RAISE EXCEPTION 'invoice % is issued and its lines never change', issued USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
DROP TRIGGER IF EXISTS keep_issued ON invoice_line;
CREATE TRIGGER keep_issued BEFORE INSERT OR UPDATE OR DELETE ON invoice_line
    FOR EACH ROW EXECUTE FUNCTION keep_issued_line();

-- What credit notes take back of a line is never more than the line; who comes second waits and counts the first.
CREATE OR REPLACE FUNCTION check_credited_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line invoice_line;
    taken record;
BEGIN
    SELECT * INTO line FROM invoice_line WHERE id = NEW.credited_line_id FOR UPDATE;
    IF line.invoice_id IS DISTINCT FROM (SELECT credits_id FROM invoice WHERE id = NEW.invoice_id) THEN
        RAISE EXCEPTION 'a credit note credits the lines of its own invoice'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credited_line_of_its_invoice';
    END IF;
    SELECT sum(quantity) AS quantity, sum(net) AS net, sum(tax) AS tax INTO taken
    FROM invoice_line WHERE credited_line_id = line.id;
    IF taken.net > line.net OR taken.tax > line.tax OR taken.quantity > line.quantity THEN
        RAISE EXCEPTION 'more is credited than the line charged: % of %', taken.net, line.net
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credited_line_not_exceeded';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS credited ON invoice_line;
CREATE CONSTRAINT TRIGGER credited AFTER INSERT OR UPDATE ON invoice_line DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.credited_line_id IS NOT NULL) EXECUTE FUNCTION check_credited_line();

-- Money goes onto the bills of whoever paid it, in their currency and into the same entity's account, and nowhere else.
CREATE OR REPLACE FUNCTION check_allocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM payment p JOIN invoice i ON (i.payer_id, i.currency, i.entity_id)
                       = (p.client_id, p.currency, p.entity_id)
                   WHERE p.id = NEW.payment_id AND i.id = NEW.invoice_id AND i.number IS NOT NULL) THEN
        RAISE EXCEPTION 'a payment settles bills of its own payer, currency and entity only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_of_the_payer';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS of_the_payer ON allocation;
CREATE TRIGGER of_the_payer BEFORE INSERT OR UPDATE OF payment_id, invoice_id ON allocation
    FOR EACH ROW EXECUTE FUNCTION check_allocation();

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
