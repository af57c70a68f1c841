-- A due date is not moved past the job's earliest deadline that is not met without a reason. Asked at the commit, for
-- the deadline may move in the same transaction; what was past it before may stay so.
CREATE OR REPLACE FUNCTION needs_a_reason_past_its_deadline() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM job j WHERE j.id = NEW.id AND j.due_because = '' AND j.due_on > j.deadline_on
               AND (OLD.due_on IS NULL OR j.due_on > OLD.due_on)) THEN
        RAISE EXCEPTION 'job % is moved past a deadline without a reason', NEW.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS needs_a_reason_past_its_deadline ON job;
CREATE CONSTRAINT TRIGGER needs_a_reason_past_its_deadline AFTER UPDATE OF due_on ON job
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.due_on > coalesce(OLD.due_on, '-infinity') AND (OLD.due_on <= OLD.deadline_on) IS NOT false)
    EXECUTE FUNCTION needs_a_reason_past_its_deadline();
