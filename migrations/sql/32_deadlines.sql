-- A job keeps the date and name of its earliest deadline that is not met. Written here alone, whoever changes a deadline.
-- The job is locked first, so that of two who change two of its deadlines the second sees what the first has done.
CREATE OR REPLACE FUNCTION keep_job_deadline() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    its uuid := coalesce(NEW.job_id, OLD.job_id);
BEGIN
    PERFORM FROM job WHERE id = its FOR NO KEY UPDATE;
    UPDATE job SET deadline_on = f.effective_on, deadline_name = coalesce(f.name, ''), plan_stale = true
    FROM (SELECT) one LEFT JOIN LATERAL (
        SELECT effective_on, name FROM deadline WHERE job_id = its AND state IN ('open', 'extended', 'missed')
        ORDER BY effective_on, code LIMIT 1
    ) f ON true
    WHERE job.id = its AND (job.deadline_on, job.deadline_name) IS DISTINCT FROM (f.effective_on, coalesce(f.name, ''));
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS keeps_job_deadline ON deadline;
CREATE TRIGGER keeps_job_deadline AFTER INSERT OR DELETE OR UPDATE OF effective_on, state, name, job_id ON deadline
    FOR EACH ROW EXECUTE FUNCTION keep_job_deadline();
