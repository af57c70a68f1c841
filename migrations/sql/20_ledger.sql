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

-- Postings join their transaction while it is being made, never later.
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

CREATE OR REPLACE FUNCTION check_same_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh f JOIN ledger_transaction t ON t.id = f.transaction_id
               WHERE t.xid <> (pg_current_xact_id()::text)::bigint) THEN
        RAISE EXCEPTION 'a posting cannot join a finished transaction'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_same_act';
    END IF;
    IF EXISTS (SELECT FROM fresh WHERE amount <> round(amount, decimals_of(currency)) AND NOT EXISTS (
                   SELECT FROM ledger_transaction t WHERE t.id = transaction_id AND t.reverses_id IS NOT NULL)) THEN
        RAISE EXCEPTION 'an amount is not in whole units of its currency'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_whole_units';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS same_act ON posting;
CREATE TRIGGER same_act AFTER INSERT ON posting REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION check_same_act();

-- A closed period takes no posting. The shared lock makes closing wait for what is being posted.
CREATE OR REPLACE FUNCTION check_period_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', NEW.posted_on)::date;
    closed timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7140, to_char(month, 'YYYYMM')::int);
    SELECT closed_at INTO closed FROM ledger_period WHERE starts_on = month;
    IF closed IS NOT NULL THEN
        RAISE EXCEPTION 'the period of % is closed', NEW.posted_on
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_period_open';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS period_open ON ledger_transaction;
CREATE TRIGGER period_open BEFORE INSERT ON ledger_transaction FOR EACH ROW EXECUTE FUNCTION check_period_open();

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
