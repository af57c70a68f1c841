-- The template itself, once published, only retires; what it says stays.
CREATE OR REPLACE FUNCTION keep_published_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'draft' THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'DELETE' OR NEW.state = 'draft' OR (
        NEW.service_id, NEW.number, NEW.title_pattern, NEW.due_rule, NEW.start_rule, NEW.priority, NEW.fee, NEW.published_at, NEW.published_by
    ) IS DISTINCT FROM (
        OLD.service_id, OLD.number, OLD.title_pattern, OLD.due_rule, OLD.start_rule, OLD.priority, OLD.fee, OLD.published_at, OLD.published_by
    ) THEN
        RAISE EXCEPTION 'a published template version never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS keep_published ON job_template;
CREATE TRIGGER keep_published BEFORE UPDATE OR DELETE ON job_template FOR EACH ROW EXECUTE FUNCTION keep_published_version();
