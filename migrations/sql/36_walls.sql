-- Around whatever has a wall somebody active is left who may take it down and is not kept away by it. The roles are
-- those that may edit walls (a test holds them to the table of permissions).
CREATE OR REPLACE FUNCTION can_lower_walls(person_role text, person_state text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT person_state = 'active' AND person_role IN ('admin', 'partner')
$$;

-- Of the clients and engagements with walls, those whose walls nobody can take down; all of them, or a client's.
CREATE OR REPLACE FUNCTION walls_for_good(of_client uuid DEFAULT NULL) RETURNS TABLE (client_id uuid, engagement_id uuid)
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT a.client_id, a.engagement_id FROM (
        SELECT coalesce(w.client_id, e.client_id) AS client_id, w.engagement_id
        FROM wall w LEFT JOIN engagement e ON e.id = w.engagement_id
    ) a
    WHERE (of_client IS NULL OR a.client_id = of_client) AND NOT EXISTS (
        SELECT FROM person p WHERE can_lower_walls(p.role, p.state) AND NOT EXISTS (
            SELECT FROM wall w
            WHERE w.person_id = p.id AND (w.client_id = a.client_id OR w.engagement_id = a.engagement_id)
        )
    )
$$;

-- Two at once, each sure of the other, wait for one another at the end of their transactions.
CREATE OR REPLACE FUNCTION keep_a_way_through_walls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('walls', 0));
    IF TG_TABLE_NAME = 'person' THEN
        IF EXISTS (SELECT FROM walls_for_good() g WHERE NOT EXISTS (
            SELECT FROM wall w WHERE w.person_id = NEW.id AND (w.client_id = g.client_id OR w.engagement_id = g.engagement_id)
        )) THEN
            RAISE EXCEPTION 'nobody would be left who can take down a wall' USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF EXISTS (SELECT FROM person p WHERE p.id = NEW.person_id AND can_lower_walls(p.role, p.state))
        AND EXISTS (SELECT FROM walls_for_good(
            coalesce(NEW.client_id, (SELECT e.client_id FROM engagement e WHERE e.id = NEW.engagement_id))))
    THEN
        RAISE EXCEPTION 'nobody would be left who can take down this wall' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS keep_a_way_through ON wall;
CREATE CONSTRAINT TRIGGER keep_a_way_through AFTER INSERT OR UPDATE ON wall DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION keep_a_way_through_walls();
DROP TRIGGER IF EXISTS keep_a_way_through ON person;
CREATE CONSTRAINT TRIGGER keep_a_way_through AFTER UPDATE OF role, state ON person DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (can_lower_walls(OLD.role, OLD.state) AND NOT can_lower_walls(NEW.role, NEW.state))
    EXECUTE FUNCTION keep_a_way_through_walls();
