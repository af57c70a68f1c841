-- What was said of an exchange rate never changes; it may be withdrawn, once. Postings name the rate they used.
CREATE OR REPLACE FUNCTION only_withdraw_rate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.withdrawn_at IS NOT NULL OR NEW.withdrawn_at IS NULL
       OR to_jsonb(NEW) - 'withdrawn_at' - 'withdrawn_by' <> to_jsonb(OLD) - 'withdrawn_at' - 'withdrawn_by' THEN
        RAISE EXCEPTION 'an exchange rate can only be withdrawn' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS only_withdraw ON exchange_rate;
CREATE TRIGGER only_withdraw BEFORE UPDATE ON exchange_rate FOR EACH ROW EXECUTE FUNCTION only_withdraw_rate();
DROP TRIGGER IF EXISTS no_delete ON exchange_rate;
CREATE TRIGGER no_delete BEFORE DELETE OR TRUNCATE ON exchange_rate
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
