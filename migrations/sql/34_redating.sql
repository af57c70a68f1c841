-- A closure or an office's other calendar moves what recurs there: written with the change, followed in pieces.
CREATE OR REPLACE FUNCTION tell_redating_of_closure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO redating (office_id, closed_on) VALUES (OLD.office_id, OLD.closed_on);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO redating (office_id, closed_on) VALUES (NEW.office_id, NEW.closed_on);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tell_redating_of_office() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO redating (office_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS redating_changed ON closure;
CREATE TRIGGER redating_changed AFTER INSERT OR UPDATE OR DELETE ON closure
    FOR EACH ROW EXECUTE FUNCTION tell_redating_of_closure();
DROP TRIGGER IF EXISTS redating_changed ON office;
CREATE TRIGGER redating_changed AFTER UPDATE OF calendar ON office
    FOR EACH ROW WHEN (OLD.calendar IS DISTINCT FROM NEW.calendar) EXECUTE FUNCTION tell_redating_of_office();
