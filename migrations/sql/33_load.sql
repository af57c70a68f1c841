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
-- The jobs with a step after one of these, however far, are planned again: what they wait for is other than it was.
CREATE OR REPLACE FUNCTION tell_jobs_that_wait(changed uuid[]) RETURNS void LANGUAGE sql AS $$
    WITH RECURSIVE later(id, job_id) AS (
        SELECT id, job_id FROM task WHERE id = ANY(changed)
        UNION
        SELECT t.id, t.job_id FROM later l JOIN dependency d ON d.on_id = l.id AND d.kind = 'hard'
        JOIN task t ON t.id = d.task_id AND t.state NOT IN ('done', 'cancelled')
    )
    INSERT INTO load_change (job_id)
    SELECT DISTINCT job_id FROM later WHERE job_id NOT IN (SELECT job_id FROM task WHERE id = ANY(changed));
$$;
CREATE OR REPLACE FUNCTION tell_what_waits_for_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed uuid[] := ARRAY(
        SELECT n.id FROM made n JOIN gone o ON o.id = n.id
        WHERE (n.estimate, n.spent, n.remaining, n.open_after, n.state IN ('done', 'cancelled'))
            IS DISTINCT FROM (o.estimate, o.spent, o.remaining, o.open_after, o.state IN ('done', 'cancelled')));
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM tell_jobs_that_wait(changed);
    END IF;
    RETURN NULL;
END $$;
-- An order of steps: the job of the step that waits now, or waited, and those after it. What a template brings is new.
CREATE OR REPLACE FUNCTION tell_what_waits_by_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO load_change (job_id) SELECT job_id FROM task WHERE id = coalesce(NEW.task_id, OLD.task_id);
    PERFORM tell_jobs_that_wait(ARRAY[coalesce(NEW.task_id, OLD.task_id)]);
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
DROP TRIGGER IF EXISTS waits_changed ON task;
CREATE TRIGGER waits_changed AFTER UPDATE ON task REFERENCING NEW TABLE AS made OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION tell_what_waits_for_tasks();
DROP TRIGGER IF EXISTS order_made ON dependency;
CREATE TRIGGER order_made AFTER INSERT ON dependency
    FOR EACH ROW WHEN (NOT NEW.from_template) EXECUTE FUNCTION tell_what_waits_by_order();
DROP TRIGGER IF EXISTS order_changed ON dependency;
CREATE TRIGGER order_changed AFTER UPDATE OF kind, lag_days OR DELETE ON dependency
    FOR EACH ROW EXECUTE FUNCTION tell_what_waits_by_order();
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
