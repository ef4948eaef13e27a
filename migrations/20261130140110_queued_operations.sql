-- Who carries an operation out: whoever asked for it, or the workers of the API's servers. Any of them takes
-- it up where no living process is at work on it; what a person has taken up stays with the person.
alter table control.operations
    add column driven_by text not null default 'person' check (driven_by in ('person', 'worker')),
    -- How often a worker took it up, and when one may do so again.
    add column attempts smallint not null default 0 check (attempts >= 0),
    add column retry_at timestamptz;

-- Each worker asks every second for those that it may take up; usually there are none.
create index operations_queued on control.operations (created_at)
    where driven_by = 'worker' and state in ('running', 'stopped', 'rolling_back');
-- The list of all goes from the newest to the oldest.
create index operations_listed on control.operations (created_at, id);
