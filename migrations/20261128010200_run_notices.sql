-- What PostgreSQL said while a run's files were applied: [{"set", "file", "level", "text"}], the first
-- ones, and how many there were.
alter table control.run_tenants
    add column notices jsonb not null default '[]',
    add column notices_count integer not null default 0;
