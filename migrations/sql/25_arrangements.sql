-- Every engagement says from its start how it is billed.
CREATE OR REPLACE FUNCTION refuse_unarranged(its uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM engagement WHERE id = its) AND NOT EXISTS (
        SELECT FROM arrangement WHERE engagement_id = its AND from_on IS NULL AND archived_at IS NULL
    ) THEN
        RAISE EXCEPTION 'engagement % does not say how it is billed from its start', its
            USING ERRCODE = 'check_violation', CONSTRAINT = 'engagement_arranged';
    END IF;
END $$;
CREATE OR REPLACE FUNCTION check_arranged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_unarranged(NEW.id);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION check_still_arranged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_unarranged(OLD.engagement_id);
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS arranged ON engagement;
CREATE CONSTRAINT TRIGGER arranged AFTER INSERT ON engagement DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_arranged();
DROP TRIGGER IF EXISTS arranged ON arrangement;
CREATE CONSTRAINT TRIGGER arranged AFTER UPDATE OF engagement_id, from_on, archived_at OR DELETE ON arrangement
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_still_arranged();

-- What is drawn of a fee is what drafts and standing bills take of it, judged when the transaction commits. Whoever
-- changes either side holds the arrangement's row, so that two at once are never both right by themselves alone.
CREATE OR REPLACE FUNCTION refuse_drawn(its uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept numeric;
    taken numeric;
BEGIN
    SELECT drawn INTO kept FROM arrangement WHERE id = its;
    SELECT coalesce(sum(l.drawn), 0) INTO taken FROM invoice_line l JOIN invoice i ON i.id = l.invoice_id
    WHERE l.arrangement_id = its AND i.state <> 'void';
    IF kept <> taken THEN
        RAISE EXCEPTION 'arrangement % says that % is drawn, its bills take %', its, kept, taken
            USING ERRCODE = 'check_violation', CONSTRAINT = 'arrangement_drawn_is_taken';
    END IF;
END $$;
CREATE OR REPLACE FUNCTION check_drawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_drawn(NEW.id);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION check_drawn_by_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM refuse_drawn(OLD.arrangement_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM refuse_drawn(NEW.arrangement_id);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION check_drawn_by_bill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM refuse_drawn(arrangement_id) FROM invoice_line WHERE invoice_id = NEW.id AND arrangement_id IS NOT NULL;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS drawn ON arrangement;
CREATE CONSTRAINT TRIGGER drawn AFTER INSERT OR UPDATE OF drawn ON arrangement DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_drawn();
DROP TRIGGER IF EXISTS drawn_made ON invoice_line;
CREATE CONSTRAINT TRIGGER drawn_made AFTER INSERT ON invoice_line DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.arrangement_id IS NOT NULL) EXECUTE FUNCTION check_drawn_by_line();
DROP TRIGGER IF EXISTS drawn_changed ON invoice_line;
CREATE CONSTRAINT TRIGGER drawn_changed AFTER UPDATE OF arrangement_id, drawn ON invoice_line
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.arrangement_id, OLD.drawn) IS DISTINCT FROM (NEW.arrangement_id, NEW.drawn))
    EXECUTE FUNCTION check_drawn_by_line();
DROP TRIGGER IF EXISTS drawn_gone ON invoice_line;
CREATE CONSTRAINT TRIGGER drawn_gone AFTER DELETE ON invoice_line DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.arrangement_id IS NOT NULL) EXECUTE FUNCTION check_drawn_by_line();
DROP TRIGGER IF EXISTS drawn ON invoice;
CREATE CONSTRAINT TRIGGER drawn AFTER UPDATE OF state ON invoice DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((OLD.state = 'void') IS DISTINCT FROM (NEW.state = 'void')) EXECUTE FUNCTION check_drawn_by_bill();
