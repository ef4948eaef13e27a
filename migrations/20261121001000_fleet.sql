-- The fleet's schema: sets of migrations, what of them is where, and the runs that bring it there.

-- A set without a source is part of Nexus. Its version in each tenant is in control.tenants.
create table control.migration_sets (
    name text primary key check (name ~ '^[a-z][a-z0-9_-]{0,39}$'),
    -- The folder of its files.
    source text,
    -- Its history table in each tenant, qualified; of the shape that sqlx gives it.
    history text not null unique,
    -- Sets that come before it.
    depends_on text[] not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
insert into control.migration_sets (name, history) values ('nexus', 'nexus._sqlx_migrations');

-- Files as they were when a run took them: what was approved is what runs.
create table control.migration_files (
    set_name text not null references control.migration_sets on delete cascade,
    version bigint not null check (version > 0),
    -- SHA-384 of the text that goes up, as the history table has it.
    checksum bytea not null check (length(checksum) = 48),
    description text not null,
    up text not null,
    down text,
    -- New tenants are born with it.
    released boolean not null default false,
    primary key (set_name, version, checksum)
);
create unique index migration_files_released on control.migration_files (set_name, version) where released;

-- What new tenants are born with.
create view control.released_versions as
    select set_name, max(version) as version, count(*)::integer as files
    from control.migration_files where released group by set_name;

-- The newest version of a set in a tenant, as last seen; of no set that is part of Nexus.
create table control.tenant_versions (
    tenant_id uuid not null references control.tenants on delete cascade,
    set_name text not null references control.migration_sets on delete cascade,
    version bigint not null,
    -- How many files its history holds: a file may come late, with an older version than the newest.
    files integer not null default 0,
    updated_at timestamptz not null default now(),
    primary key (tenant_id, set_name)
);
create index tenant_versions_of_set on control.tenant_versions (set_name, version);

create table control.runs (
    id uuid primary key,
    kind text not null check (kind in ('forward', 'back')),
    -- Of a rollback: the run that it takes back.
    takes_back uuid references control.runs,
    state text not null check (state in ('running', 'done', 'partial', 'stopped', 'cancelled')),
    -- Why no more tenants are begun.
    stopping text check (stopping in ('failures', 'cancelled', 'interrupted')),
    caller text not null,
    -- Sets with the files that may run, waves, limits: what was approved.
    plan jsonb not null,
    -- The wave under way, from 0, and when it may begin.
    wave integer not null default 0,
    wave_after timestamptz,
    message text,
    created_at timestamptz not null default now(),
    finished_at timestamptz
);
create index runs_newest on control.runs (created_at desc);
-- One run at a time; several processes may share it.
create unique index runs_one_at_a_time on control.runs ((true)) where state = 'running';

-- Processes that share a run. Each holds an advisory lock of its own for as long as it lives.
create table control.runners (
    id uuid primary key,
    run_id uuid not null references control.runs on delete cascade,
    -- Until when its tenants are its own without a sign of life.
    leased_until timestamptz not null,
    created_at timestamptz not null default now()
);
create index runners_of_run on control.runners (run_id);

create table control.run_tenants (
    run_id uuid not null references control.runs on delete cascade,
    tenant_id uuid not null references control.tenants on delete cascade,
    -- As it was called when the run began.
    slug text not null,
    cluster text not null,
    wave integer not null,
    position integer not null,
    state text not null check (state in ('pending', 'running', 'done', 'failed', 'left_out')),
    attempts integer not null default 0,
    -- Who is at work on it.
    runner uuid,
    -- Its database, closed because it is suspended, was opened for the runner.
    opened boolean not null default false,
    -- {"SET": VERSION}; null: not looked at.
    before jsonb,
    after jsonb,
    -- [{"set", "version", "milliseconds"}], in the order of their going.
    applied jsonb not null default '[]',
    milliseconds bigint,
    -- Why it failed, or was left out.
    code text,
    sqlstate text,
    message text,
    hint text,
    started_at timestamptz,
    finished_at timestamptz,
    primary key (run_id, tenant_id)
);
create index run_tenants_next on control.run_tenants (run_id, wave, cluster, position) where state in ('pending', 'running');
create index run_tenants_of_tenant on control.run_tenants (tenant_id);

-- What a template holds of the operator's sets: {"SET": VERSION}.
alter table control.templates
    add column sets jsonb not null default '{}',
    drop constraint templates_pkey,
    add primary key (database_name),
    drop constraint templates_database_name_key;
create unique index templates_of on control.templates (cluster, version, sets);

-- The operator's sets as a template of today has them.
create function control.released_sets() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select coalesce(jsonb_object_agg(set_name, version), '{}')
   from control.released_versions where set_name <> 'nexus' $$;

-- Whether a tenant lacks something that new tenants are born with, the realm's own tables apart.
create function control.lacks_released(tenant uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select exists (select from control.released_versions as released
                  where set_name <> 'nexus' and not exists (
                      select from control.tenant_versions as has
                      where has.tenant_id = tenant and has.set_name = released.set_name
                        and has.version >= released.version and has.files >= released.files)) $$;
