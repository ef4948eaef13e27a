-- Jobs that are due again and again. What is due when stands in the code; a row remembers how far it came.
create table control.job_schedules (
    -- A constant name of the code. Its row is locked by whoever writes the job of a moment that is due.
    name text primary key check (length(name) <= 100 and name ~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$'),
    kind text not null check (length(kind) <= 100),
    -- Five fields, or every and a time; and the time zone that the fields are read in.
    expression text not null check (length(expression) <= 200),
    time_zone text not null check (length(time_zone) <= 100),
    -- What becomes of moments at which no process ran: none is made up for, or one.
    missed_runs text not null check (missed_runs in ('skip', 'once')),
    -- The next moment at which it is due, and the last one for which a job was written.
    next_at timestamptz not null,
    last_at timestamptz
) with (fillfactor = 50);
