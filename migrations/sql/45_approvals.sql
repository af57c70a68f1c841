-- What was decided stays: a pending approval is decided once, and nothing else about it ever changes.
CREATE OR REPLACE FUNCTION only_decide_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decided constant text[] := ARRAY['decision', 'decided_by', 'decided_role', 'decided_at', 'decided_on', 'word', 'base_amount',
                                     'limit_amount', 'written_off_base', 'written_off_limit'];
BEGIN
    IF OLD.decision <> 'pending' OR NEW.decision = 'pending'
       OR to_jsonb(NEW) - decided IS DISTINCT FROM to_jsonb(OLD) - decided THEN
        RAISE EXCEPTION 'an approval is decided once and never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS only_decide ON approval;
CREATE TRIGGER only_decide BEFORE UPDATE ON approval FOR EACH ROW EXECUTE FUNCTION only_decide_approval();
DROP TRIGGER IF EXISTS no_delete ON approval;
CREATE TRIGGER no_delete BEFORE DELETE OR TRUNCATE ON approval FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A limit is withdrawn, never changed.
CREATE OR REPLACE FUNCTION only_withdraw_limit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.withdrawn_at IS NOT NULL OR NEW.withdrawn_at IS NULL
       OR to_jsonb(NEW) - 'withdrawn_at' - 'withdrawn_by' <> to_jsonb(OLD) - 'withdrawn_at' - 'withdrawn_by' THEN
        RAISE EXCEPTION 'a limit can only be withdrawn' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS only_withdraw ON approval_limit;
CREATE TRIGGER only_withdraw BEFORE UPDATE ON approval_limit FOR EACH ROW EXECUTE FUNCTION only_withdraw_limit();
DROP TRIGGER IF EXISTS no_delete ON approval_limit;
CREATE TRIGGER no_delete BEFORE DELETE OR TRUNCATE ON approval_limit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The limit that holds for a person of a role on a day, as it was known at a moment; infinite where there is none.
CREATE OR REPLACE FUNCTION approval_limit_of(its_kind text, its_entity uuid, its_person uuid, its_role text, day date,
                                             at timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT coalesce(amount, 'Infinity') FROM approval_limit
        WHERE kind = its_kind AND entity_id = its_entity AND (person_id = its_person OR role = its_role)
          AND from_on <= day AND created_at <= at AND (withdrawn_at IS NULL OR withdrawn_at > at)
        ORDER BY person_id IS NULL, from_on DESC LIMIT 1), 'Infinity') $$;

-- What an entry's write-off was asked for or done with never changes; that it was posted is noted once.
CREATE OR REPLACE FUNCTION only_note_write_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.transaction_id IS NOT NULL OR to_jsonb(NEW) - 'transaction_id' <> to_jsonb(OLD) - 'transaction_id' THEN
        RAISE EXCEPTION 'what was asked to be written off never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS only_note ON write_off_item;
CREATE TRIGGER only_note BEFORE UPDATE ON write_off_item FOR EACH ROW EXECUTE FUNCTION only_note_write_off();
DROP TRIGGER IF EXISTS no_delete ON write_off_item;
CREATE TRIGGER no_delete BEFORE DELETE OR TRUNCATE ON write_off_item
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is approved of a bill: everything that it prints but its number and days, who is billed, who pays, and what
-- becomes of each entry. A draft hands in what it would print.
CREATE OR REPLACE FUNCTION digest_of_bill(its uuid, printed jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        printed - '{number,issued_on,due_on,exchange}'::text[], i.client_id, i.payer_id, i.entity_id, i.currency,
        i.terms_days, (
            SELECT jsonb_agg(jsonb_build_array(x.item_id, x.treatment, x.billed, x.written, x.carried)
                             ORDER BY x.item_id)
            FROM invoice_item x WHERE x.invoice_id = i.id AND (x.billed <> 0 OR x.written <> 0))
    )::text, 'UTF8')) FROM invoice i WHERE i.id = its $$;

-- What is approved of a write-off: each entry with what was open of it and what is written off, and why.
CREATE OR REPLACE FUNCTION digest_of_write_off(its uuid, why text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(jsonb_build_array(why, (
        SELECT jsonb_agg(jsonb_build_array(x.item_id, x.client_id, x.engagement_id, x.open_value, x.amount)
                         ORDER BY x.item_id)
        FROM write_off_item x WHERE x.approval_id = its))::text, 'UTF8')) $$;
