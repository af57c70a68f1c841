-- Every transaction sums to zero per currency and in base, in each entity and book by itself; judged once per
-- transaction when it commits.
CREATE OR REPLACE FUNCTION check_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad record;
BEGIN
    SELECT currency, book, sum(amount) AS off, sum(base_amount) AS base_off INTO bad FROM posting
    WHERE transaction_id = NEW.id GROUP BY currency, entity_id, book
    HAVING sum(amount) <> 0 OR sum(base_amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % is out of balance by % % (% in base) in the book %', NEW.id, bad.off,
            bad.currency, bad.base_off, bad.book
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balanced';
    END IF;
    IF NOT EXISTS (SELECT FROM posting WHERE transaction_id = NEW.id) THEN
        RAISE EXCEPTION 'transaction % has no postings', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_not_empty';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS balanced ON ledger_transaction;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON ledger_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_balanced();

-- Amounts are in whole units of their currency (its decimals by CLDR, as the program rounds; a test compares them). What
-- takes back a posting of old, from before this was held, may have its fraction.
CREATE OR REPLACE FUNCTION decimals_of(currency text) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN currency IN ('ADP', 'AFN', 'ALL', 'BIF', 'BYR', 'CLP', 'DJF', 'ESP', 'GNF', 'IQD', 'IRR', 'ISK', 'ITL', 'JPY',
            'KMF', 'KPW', 'KRW', 'LAK', 'LBP', 'LUF', 'MGA', 'MGF', 'MMK', 'MRO', 'PYG', 'RSD', 'RWF', 'SLL', 'SOS', 'STD',
            'SYP', 'TMM', 'TRL', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF', 'YER', 'ZMK', 'ZWD') THEN 0
        WHEN currency IN ('BHD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
        WHEN currency IN ('CLF', 'UYW') THEN 4
        ELSE 2 END
$$;

-- The one rule of closing: an entity's books are closed through a day. Whoever writes into them holds them open (a
-- lock shared by all who post, which closing takes alone) and then reads that day: each question in here sees what was
-- committed while it waited.
CREATE OR REPLACE FUNCTION hold_open(entity uuid) RETURNS date LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7140, hashtext(entity::text));
    RETURN (SELECT max(closed_through) FROM closing WHERE entity_id = entity);
END $$;

-- Postings join their transaction while it is being made, never later, and no closed day.
CREATE OR REPLACE FUNCTION check_same_act() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad record;
BEGIN
    SELECT t.posted_on, t.xid, f.closed INTO bad
    FROM (SELECT transaction_id, hold_open(entity_id) AS closed
          FROM (SELECT DISTINCT transaction_id, entity_id FROM fresh) AS each) f
    JOIN ledger_transaction t ON t.id = f.transaction_id
    WHERE t.xid <> (pg_current_xact_id()::text)::bigint OR t.posted_on <= f.closed LIMIT 1;
    IF FOUND AND bad.posted_on <= bad.closed THEN
        RAISE EXCEPTION 'the period of % is closed', bad.posted_on
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_period_open';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'a posting cannot join a finished transaction'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_same_act';
    END IF;
    IF EXISTS (SELECT FROM fresh WHERE amount <> round(amount, decimals_of(currency)) AND NOT EXISTS (
                   SELECT FROM ledger_transaction t WHERE t.id = transaction_id AND t.reverses_id IS NOT NULL)) THEN
        RAISE EXCEPTION 'an amount is not in whole units of its currency'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_whole_units';
    END IF;
    -- What takes back a posting of old, from before this was held, may stand where that one stood; and what stands
    -- there of old may be taken out, whole.
    IF EXISTS (SELECT FROM fresh f JOIN engagement e ON e.id = f.engagement_id
               WHERE f.account IN ('wip', 'wip_memo') AND e.entity_id <> f.entity_id AND NOT EXISTS (
                   SELECT FROM ledger_transaction t WHERE t.id = f.transaction_id AND t.reverses_id IS NOT NULL)
                 AND (SELECT sum(p.amount) FROM posting p
                      WHERE (p.item_id, p.engagement_id, p.entity_id, p.account, p.currency)
                          = (f.item_id, f.engagement_id, f.entity_id, f.account, f.currency)) IS DISTINCT FROM 0) THEN
        RAISE EXCEPTION 'WIP is posted in the books of another entity than its engagement''s'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_own_books';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS same_act ON posting;
CREATE TRIGGER same_act AFTER INSERT ON posting REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_same_act();

-- Closing waits for whoever holds the books open, and only goes forward.
CREATE OR REPLACE FUNCTION check_closing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7140, hashtext(NEW.entity_id::text));
    IF EXISTS (SELECT FROM closing WHERE entity_id = NEW.entity_id AND closed_through >= NEW.closed_through) THEN
        RAISE EXCEPTION 'these books are closed through % already', NEW.closed_through
            USING ERRCODE = 'check_violation', CONSTRAINT = 'closing_forward';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS forward ON closing;
CREATE TRIGGER forward BEFORE INSERT ON closing FOR EACH ROW EXECUTE FUNCTION check_closing();

-- No bill is numbered, and no money received, on a closed day, however the row comes there.
CREATE OR REPLACE FUNCTION check_bill_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.issued_on <= hold_open(NEW.entity_id) THEN
        RAISE EXCEPTION 'the period of % is closed', NEW.issued_on
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_period_open';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS period_open ON invoice;
CREATE TRIGGER period_open BEFORE UPDATE OF number, issued_on, entity_id ON invoice FOR EACH ROW
    WHEN (NEW.number IS NOT NULL AND (OLD.number, OLD.issued_on, OLD.entity_id)
                                     IS DISTINCT FROM (NEW.number, NEW.issued_on, NEW.entity_id))
    EXECUTE FUNCTION check_bill_open();
DROP TRIGGER IF EXISTS period_entered ON invoice;
CREATE TRIGGER period_entered BEFORE INSERT ON invoice FOR EACH ROW
    WHEN (NEW.number IS NOT NULL) EXECUTE FUNCTION check_bill_open();

CREATE OR REPLACE FUNCTION check_payment_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.received_on <= hold_open(NEW.entity_id) THEN
        RAISE EXCEPTION 'the period of % is closed', NEW.received_on
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_period_open';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS period_open ON payment;
CREATE TRIGGER period_open BEFORE INSERT ON payment FOR EACH ROW EXECUTE FUNCTION check_payment_open();
DROP TRIGGER IF EXISTS period_moved ON payment;
CREATE TRIGGER period_moved BEFORE UPDATE OF received_on, entity_id ON payment FOR EACH ROW
    WHEN ((OLD.received_on, OLD.entity_id) IS DISTINCT FROM (NEW.received_on, NEW.entity_id))
    EXECUTE FUNCTION check_payment_open();
