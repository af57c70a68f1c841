-- A file answers an item of a request of its own client, whoever ties the two: what is tied is seen by that client.
CREATE OR REPLACE FUNCTION answers_its_own_client() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM request_item i JOIN client_request r ON r.id = i.request_id JOIN document d ON d.client_id = r.client_id
        WHERE i.id = NEW.item_id AND d.id = NEW.document_id
    ) THEN
        RAISE EXCEPTION 'document % is of another client than item %', NEW.document_id, NEW.item_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION answers_its_own_client() FROM PUBLIC;
DROP TRIGGER IF EXISTS answers_its_own_client ON item_document;
CREATE TRIGGER answers_its_own_client AFTER INSERT OR UPDATE ON item_document
    FOR EACH ROW EXECUTE FUNCTION answers_its_own_client();
