-- What is recorded under a job is of the job's engagement. A job that moves takes everything along in one transaction;
-- whoever records something under it at that moment waits, is refused and asked again, and then finds it where it is.
CREATE OR REPLACE FUNCTION is_of_its_jobs_engagement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM job WHERE id = NEW.job_id AND engagement_id = NEW.engagement_id FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% % is of another engagement than its job', TG_TABLE_NAME, NEW.id USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION takes_all_along() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM job j WHERE j.id = NEW.id AND (
            EXISTS (SELECT FROM task x WHERE x.job_id = j.id AND x.engagement_id <> j.engagement_id)
            OR EXISTS (SELECT FROM deadline x WHERE x.job_id = j.id AND x.engagement_id <> j.engagement_id)
            OR EXISTS (SELECT FROM client_request x WHERE x.job_id = j.id AND x.engagement_id <> j.engagement_id)
            OR EXISTS (SELECT FROM timer x WHERE x.job_id = j.id AND x.engagement_id <> j.engagement_id)
            OR EXISTS (SELECT FROM time_entry x WHERE x.job_id = j.id AND x.engagement_id <> j.engagement_id)
            OR EXISTS (SELECT FROM expense x WHERE x.job_id = j.id AND x.engagement_id <> j.engagement_id))
    ) THEN
        RAISE EXCEPTION 'something of job % is left in another engagement', NEW.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['time_entry', 'expense', 'timer'] LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS of_its_jobs_engagement ON %I', name);
        EXECUTE format('CREATE TRIGGER of_its_jobs_engagement AFTER INSERT OR UPDATE OF job_id, engagement_id ON %I '
                       'FOR EACH ROW WHEN (NEW.job_id IS NOT NULL) EXECUTE FUNCTION is_of_its_jobs_engagement()', name);
    END LOOP;
END $$;
DROP TRIGGER IF EXISTS takes_all_along ON job;
CREATE CONSTRAINT TRIGGER takes_all_along AFTER UPDATE OF engagement_id ON job DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.engagement_id <> NEW.engagement_id) EXECUTE FUNCTION takes_all_along();
