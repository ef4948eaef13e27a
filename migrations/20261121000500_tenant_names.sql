-- Names of tenants: what they were called before, and lists that stay quick at 100,000 rows.

-- The slugs that tenants gave up by being renamed. Whoever takes one again takes its row away.
create table control.retired_slugs (
    slug text collate "C" primary key,
    tenant_id uuid not null references control.tenants (id),
    retired_at timestamptz not null default now()
);
create index retired_slugs_tenant on control.retired_slugs (tenant_id, retired_at);
create index retired_slugs_retired on control.retired_slugs (retired_at);

-- A slug holds a-z, 0-9 and hyphens: compared byte by byte, one index serves equality, prefix and
-- order, and the order is the same on every server.
drop index control.tenants_slug_prefix;
drop index control.tenants_slug;
drop index control.tenants_created;
alter table control.tenants alter column slug type text collate "C";

-- One index for each order that a list can have. What is included is what lists are commonly
-- narrowed by: they skip to a page far down without a look at the rows before it.
create unique index tenants_slug on control.tenants (slug) include (id, state, cluster, store)
    where state <> 'deleted';
create index tenants_name on control.tenants (name, id) include (state, cluster, store)
    where state <> 'deleted';
create index tenants_state on control.tenants (state, id) include (cluster, store)
    where state <> 'deleted';
create index tenants_created on control.tenants (created_at, id) include (state, cluster, store)
    where state <> 'deleted';

-- What a search looks through. A line break is part of neither.
alter table control.tenants add column search_text text collate "C"
    generated always as (slug || E'\n' || lower(name)) stored;
