-- What happened and what was posted is never changed: not by the app, not by the owner's hand.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['event', 'event_seal', 'ledger_transaction', 'posting', 'closing'] LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS append_only ON %I', name);
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
END $$;

-- A payload may be erased (its data set to null once), nothing else.
CREATE OR REPLACE FUNCTION only_erase_payload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.data IS NOT NULL OR NEW.salt <> OLD.salt OR NEW.event_id <> OLD.event_id THEN
        RAISE EXCEPTION 'an event''s payload can only be erased' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS only_erase ON event_payload;
CREATE TRIGGER only_erase BEFORE UPDATE ON event_payload FOR EACH ROW EXECUTE FUNCTION only_erase_payload();
DROP TRIGGER IF EXISTS no_delete ON event_payload;
CREATE TRIGGER no_delete BEFORE DELETE OR TRUNCATE ON event_payload FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every sequence belongs to a column, so that a restore finds where it stood.
ALTER SEQUENCE event_id_seq OWNED BY event.id;
ALTER TABLE event ALTER COLUMN id SET DEFAULT nextval('event_id_seq');
DROP SEQUENCE IF EXISTS event_id_seq1;
