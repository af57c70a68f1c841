-- Work tables of the filler; gone when it is done.
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;

CREATE FUNCTION bench.id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(int8send(((1700000000000 + n) << 16) | 28672 | kind) || int8send('-9223372036854775808'::bigint + n), 'hex')::uuid
$$;

-- At least five digits, as the product spells numbers.
CREATE FUNCTION bench.digits(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lpad(n::text, greatest(5, length(n::text)), '0')
$$;

CREATE UNLOGGED TABLE bench.job_plan (
    combo int, j int, service int, period_start date, period_end date, period_name text, starts_on date, due_on date,
    title text, asked_on date
);
CREATE UNLOGGED TABLE bench.task_plan (combo int, j int, position int, due_on date);
CREATE UNLOGGED TABLE bench.occurrence_plan (
    combo int, service int, n int, period_start date, period_end date, create_on date, starts_on date, due_on date,
    title text, made boolean
);
CREATE UNLOGGED TABLE bench.series_plan (
    combo int, service int, cadence text, anchor_on date,
    forecast_until date
);
CREATE UNLOGGED TABLE bench.step (
    service int, position int, key text, stage_id uuid, name text, kind text, work_role text, estimate int
);
CREATE UNLOGGED TABLE bench.after (position int, on_position int);
CREATE UNLOGGED TABLE bench.item (position int, code text, kind text, label text, required boolean, options text[]);
