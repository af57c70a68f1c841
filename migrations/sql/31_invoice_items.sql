-- An entry and the bills that it lies on say the same, judged when the transaction commits:
-- what is billed of it is what standing bills took; it is on a draft when, and only when, it says so; on a draft it is
-- taken at what is open of it; and it is of the client, engagement and currency of every bill that counts it.
-- With the entry's own check (value + written - billed = open >= 0) no more is ever billed and written off than it is worth.
CREATE OR REPLACE FUNCTION refuse_item(its uuid, of text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    e record;
    b record;
    wrong text;
BEGIN
    IF of = 'expense' THEN
        SELECT client_id, engagement_id, currency, state, billed, open_value INTO e FROM expense WHERE id = its;
    ELSE
        SELECT client_id, engagement_id, currency, state, billed, open_value INTO e FROM time_entry WHERE id = its;
    END IF;
    SELECT coalesce(sum(x.billed) FILTER (WHERE x.issued AND x.live), 0) AS billed,
           count(*) FILTER (WHERE x.live AND NOT x.issued AND x.treatment <> 'later') AS drafts,
           coalesce(bool_or(x.live AND NOT x.issued AND x.treatment <> 'later' AND x.value <> e.open_value), false) AS off,
           coalesce(bool_or(x.live AND (x.client_id, x.engagement_id, x.currency, x.item_kind)
                            IS DISTINCT FROM (e.client_id, e.engagement_id, e.currency, of)), false) AS elsewhere,
           coalesce(bool_or(x.issued <> (i.number IS NOT NULL) OR x.live <> (i.state <> 'void')), false) AS misnamed
    INTO b FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id WHERE x.item_id = its;
    wrong := CASE
        WHEN b.elsewhere THEN 'is not of the client, engagement and currency of its bill'
        WHEN b.misnamed THEN 'is on a bill that stands otherwise than the item says'
        WHEN b.billed IS DISTINCT FROM e.billed THEN format('says %s is billed, its bills say %s', e.billed, b.billed)
        WHEN b.drafts <> (e.state = 'drafted')::int THEN format('is %s and on %s drafts', e.state, b.drafts)
        WHEN b.off THEN format('has %s open, which is not what its draft took', e.open_value)
    END;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% % %', of, its, wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_item_as_its_entry';
    END IF;
END $$;
CREATE OR REPLACE FUNCTION check_item_of_bill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_item(NEW.item_id, NEW.item_kind);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION check_item_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_item(OLD.item_id, OLD.item_kind);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION check_billed_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_item(NEW.id, TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION check_items_of_bill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM invoice_item x JOIN invoice i ON i.id = x.invoice_id WHERE i.id = NEW.id
               AND (x.issued <> (i.number IS NOT NULL) OR x.live <> (i.state <> 'void'))) THEN
        RAISE EXCEPTION 'bill % stands otherwise than its items say', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_item_as_its_bill';
    END IF;
    -- What is issued charges what is billed of its entries, line by line; a fee without time stands for itself.
    IF OLD.number IS NULL AND NEW.number IS NOT NULL AND NEW.kind = 'invoice' AND EXISTS (
        SELECT FROM invoice_line l LEFT JOIN invoice_item x ON x.line_id = l.id AND x.treatment = 'bill'
        WHERE l.invoice_id = NEW.id AND l.kind <> 'text' GROUP BY l.id
        HAVING (l.kind <> 'fixed' OR count(x.item_id) > 0) AND l.net <> coalesce(sum(x.billed), 0)
    ) THEN
        RAISE EXCEPTION 'a line of bill % is not what is billed of its entries', NEW.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_line_as_its_items';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS held_to_its_entry ON invoice_item;
CREATE CONSTRAINT TRIGGER held_to_its_entry AFTER INSERT OR UPDATE ON invoice_item DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_item_of_bill();
DROP TRIGGER IF EXISTS gone ON invoice_item;
CREATE CONSTRAINT TRIGGER gone AFTER DELETE ON invoice_item DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.treatment <> 'later') EXECUTE FUNCTION check_item_gone();
DROP TRIGGER IF EXISTS items_say_so ON invoice;
CREATE CONSTRAINT TRIGGER items_say_so AFTER UPDATE OF number, state ON invoice DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.number IS DISTINCT FROM NEW.number OR (OLD.state = 'void') <> (NEW.state = 'void'))
    EXECUTE FUNCTION check_items_of_bill();

-- What a bill has issued of an entry never changes; only that the bill stands no more is written on it.
CREATE OR REPLACE FUNCTION keep_issued_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        OLD.live := NEW.live AND OLD.live;
        IF NEW IS NOT DISTINCT FROM OLD THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'what bill % took of an entry is issued and never changes', OLD.invoice_id
        USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER IF EXISTS kept_item ON invoice_item;
CREATE TRIGGER kept_item BEFORE UPDATE OR DELETE ON invoice_item
    FOR EACH ROW WHEN (OLD.issued) EXECUTE FUNCTION keep_issued_item();

-- An entry that is moved is no longer left for later on a draft of where it was: a draft remembers nothing that does
-- not hold any more.
CREATE OR REPLACE FUNCTION forget_left_for_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM invoice_item WHERE item_id = NEW.id AND treatment = 'later';
    RETURN NULL;
END $$;
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['time_entry', 'expense'] LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS moved ON %I', name);
        EXECUTE format('CREATE TRIGGER moved AFTER UPDATE OF client_id, engagement_id, currency ON %I FOR EACH ROW '
                       'WHEN ((OLD.client_id, OLD.engagement_id, OLD.currency) IS DISTINCT FROM '
                       '(NEW.client_id, NEW.engagement_id, NEW.currency)) EXECUTE FUNCTION forget_left_for_later()', name);
        EXECUTE format('DROP TRIGGER IF EXISTS billed_made ON %I', name);
        EXECUTE format('CREATE CONSTRAINT TRIGGER billed_made AFTER INSERT ON %I DEFERRABLE INITIALLY DEFERRED '
                       'FOR EACH ROW WHEN (NEW.billed <> 0 OR NEW.state = ''drafted'') '
                       'EXECUTE FUNCTION check_billed_item()', name);
        EXECUTE format('DROP TRIGGER IF EXISTS billed_changed ON %I', name);
        EXECUTE format('CREATE CONSTRAINT TRIGGER billed_changed AFTER UPDATE OF client_id, engagement_id, currency, state, '
                       'open_value, billed ON %I DEFERRABLE INITIALLY DEFERRED FOR EACH ROW '
                       'WHEN ((NEW.state = ''drafted'' OR OLD.state = ''drafted'' OR NEW.billed <> 0 OR OLD.billed <> 0) '
                       'AND (OLD.client_id, OLD.engagement_id, OLD.currency, OLD.state = ''drafted'', OLD.open_value, '
                       'OLD.billed) IS DISTINCT FROM (NEW.client_id, NEW.engagement_id, NEW.currency, '
                       'NEW.state = ''drafted'', NEW.open_value, NEW.billed)) EXECUTE FUNCTION check_billed_item()', name);
    END LOOP;
END $$;
