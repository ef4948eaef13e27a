-- What verifications remember, and databases that are there for a moment.

-- The schema of a template, as text: tenants are compared with it without a look into it.
create table control.fingerprints (
    -- The template's database.
    template text primary key references control.templates (database_name) on delete cascade,
    -- What the text depends on: the versions of its sets, the server's version, the statement that
    -- reads it.
    made_of text not null,
    -- SHA-256 of the lines, in hexadecimal digits.
    digest text not null,
    -- [["what", "how it is"]], in order.
    lines jsonb not null,
    made_at timestamptz not null default now()
);

-- The schema of a tenant when it was last read in full. As long as no row of its catalogue was
-- written since, it is the same.
create table control.seen_schemas (
    tenant_id uuid primary key references control.tenants on delete cascade,
    -- How many rows of the catalogue had been written, as the server counts.
    counters text not null,
    -- Of which rows it consisted.
    catalogue text not null,
    digest text not null,
    -- The server's version, and the statement that read it.
    made_of text not null,
    seen_at timestamptz not null default now()
);

-- Databases that are made to be looked into and dropped. Written before one is made, so that the
-- next who comes drops what a crash left.
create table control.scratch_databases (
    name text primary key,
    cluster text not null,
    purpose text not null check (purpose in ('fingerprint', 'rehearsal')),
    created_at timestamptz not null default now()
);
create index scratch_databases_of_cluster on control.scratch_databases (cluster, purpose);

-- What became of a tenant in the last run that it was part of: ids of runs sort by their time.
create index run_tenants_newest on control.run_tenants (tenant_id, run_id);
