-- Whose load or hours have changed, whoever changed them and by which statement: their jobs are planned again from this.
-- Rows are only added here and taken by the planner, so that nobody who works waits for somebody else.
-- `since` is the earliest day whose load or hours differ: what must be done before it is not touched. A step that is due
-- on no day is promised to nobody, so that `job_id` alone is planned again; without either all of the person's jobs are.
CREATE OR REPLACE FUNCTION tell_load_of_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO load_change (person_id, job_id, since)
    SELECT assignee_id, job_id, min(due_on) FROM made
    WHERE assignee_id IS NOT NULL AND state NOT IN ('done', 'cancelled') GROUP BY assignee_id, job_id;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tell_load_of_task_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO load_change (person_id, job_id, since)
    SELECT each.person_id, changed.job_id, min(changed.since) FROM (
        SELECT n.assignee_id AS now_id, o.assignee_id AS was_id, n.job_id, least(n.due_on, o.due_on) AS since
        FROM made n JOIN gone o ON o.id = n.id
        WHERE (n.assignee_id, n.due_on, n.estimate, n.spent, n.remaining, n.state IN ('done', 'cancelled'))
            IS DISTINCT FROM (o.assignee_id, o.due_on, o.estimate, o.spent, o.remaining, o.state IN ('done', 'cancelled'))
    ) changed CROSS JOIN LATERAL (VALUES (now_id), (was_id)) AS each(person_id)
    WHERE each.person_id IS NOT NULL GROUP BY each.person_id, changed.job_id;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tell_load_of_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO load_change (person_id, job_id, since)
    SELECT assignee_id, NEW.id, min(due_on) FROM task
    WHERE job_id = NEW.id AND assignee_id IS NOT NULL AND state NOT IN ('done', 'cancelled') GROUP BY assignee_id;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tell_load_of_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO load_change (person_id, since)
    VALUES (coalesce(NEW.person_id, OLD.person_id), least(NEW.from_on, OLD.from_on));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tell_load_of_closure() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    its uuid := coalesce(NEW.office_id, OLD.office_id);
BEGIN
    INSERT INTO load_change (person_id, since)
    SELECT id, least(NEW.closed_on, OLD.closed_on) FROM person WHERE its IS NULL OR office_id = its;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION tell_load_of_office() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO load_change (person_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS load_made ON task;
CREATE TRIGGER load_made AFTER INSERT ON task REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION tell_load_of_tasks();
DROP TRIGGER IF EXISTS load_changed ON task;
CREATE TRIGGER load_changed AFTER UPDATE ON task REFERENCING NEW TABLE AS made OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION tell_load_of_task_changes();
DROP TRIGGER IF EXISTS load_changed ON job;
CREATE TRIGGER load_changed AFTER UPDATE OF status ON job
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tell_load_of_jobs();
DROP TRIGGER IF EXISTS load_changed ON leave;
CREATE TRIGGER load_changed AFTER INSERT OR UPDATE OR DELETE ON leave
    FOR EACH ROW EXECUTE FUNCTION tell_load_of_person();
DROP TRIGGER IF EXISTS load_changed ON working_pattern;
CREATE TRIGGER load_changed AFTER INSERT OR UPDATE OR DELETE ON working_pattern
    FOR EACH ROW EXECUTE FUNCTION tell_load_of_person();
DROP TRIGGER IF EXISTS load_changed ON closure;
CREATE TRIGGER load_changed AFTER INSERT OR UPDATE OR DELETE ON closure
    FOR EACH ROW EXECUTE FUNCTION tell_load_of_closure();
DROP TRIGGER IF EXISTS load_changed ON person;
CREATE TRIGGER load_changed AFTER UPDATE OF office_id ON person
    FOR EACH ROW WHEN (OLD.office_id IS DISTINCT FROM NEW.office_id) EXECUTE FUNCTION tell_load_of_office();
