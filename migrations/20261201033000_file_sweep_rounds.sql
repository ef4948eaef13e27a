-- A server of an older version that serves beside newer ones during an upgrade does not write to control.file_sweeps. So
-- once a day the tenants that were used lately get a row there, part by part, whichever server comes to it.
create table control.file_sweep_rounds (
    only_one boolean primary key default true check (only_one),
    -- The last tenant that the round came to, in the order of ids; null between two rounds.
    after uuid,
    -- When the next part is due, or the next round.
    next_at timestamptz not null default now()
);
insert into control.file_sweep_rounds default values;
