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

-- The newest version of a set in a tenant, as last seen; of no set that is part of Nexus.
create table control.tenant_versions (
    tenant_id uuid not null references control.tenants on delete cascade,
    set_name text not null references control.migration_sets on delete cascade,
    version bigint not null,
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
    caller text not null,
    -- Sets with the files that may run, waves, limits: what was approved.
    plan jsonb not null,
    -- The wave under way, from 0, and when the next may begin.
    wave integer not null default 0,
    wave_after timestamptz,
    message text,
    created_at timestamptz not null default now(),
    finished_at timestamptz
);
create index runs_newest on control.runs (created_at desc);

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
    -- Who is at work on it, and until when it is theirs without a sign of life.
    runner uuid,
    leased_until timestamptz,
    -- {"SET": VERSION}; null: not looked at.
    before jsonb,
    after jsonb,
    -- [{"set", "version", "milliseconds"}], in the order of their going.
    applied jsonb not null default '[]',
    milliseconds bigint,
    sqlstate text,
    message text,
    hint text,
    started_at timestamptz,
    finished_at timestamptz,
    primary key (run_id, tenant_id)
);
create index run_tenants_next on control.run_tenants (run_id, wave, cluster, position) where state in ('pending', 'running');

-- What a template holds of the operator's sets: {"SET": VERSION}, with keys in order.
alter table control.templates add column sets jsonb not null default '{}';
