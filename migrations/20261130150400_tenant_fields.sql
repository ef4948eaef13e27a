-- What operators call a tenant, in words of their own, and how much it may use. The words are checked where
-- they come from; a limit that is null is none.
alter table control.tenants
    add column tier text check (length(tier) between 1 and 40),
    add column segment text check (length(segment) between 1 and 40),
    add column business_type text check (length(business_type) between 1 and 40),
    add column modules text[] not null default '{}' check (cardinality(modules) <= 50 and array_position(modules, null) is null),
    add column max_users bigint check (max_users >= 0),
    add column max_storage_bytes bigint check (max_storage_bytes >= 0),
    add column max_requests_a_month bigint check (max_requests_a_month >= 0);

-- Lists and selectors ask for tenants with one of these words, of which a few tenants among many have one.
create index tenants_tier on control.tenants (tier) where tier is not null and state <> 'deleted';
create index tenants_segment on control.tenants (segment) where segment is not null and state <> 'deleted';
create index tenants_business_type on control.tenants (business_type)
    where business_type is not null and state <> 'deleted';
-- The same for those with one of several modules (the operators && and @>).
create index tenants_modules on control.tenants using gin (modules) where state <> 'deleted';

-- Requests to the API by tenant and calendar month (UTC). Each server adds what it has counted every second or
-- two. Not in the tenant's row, since each change of that makes all servers read the tenant again, and no
-- reference to it either: its check would wait for whoever changes the tenant.
create table control.request_counts (
    tenant_id uuid not null,
    month date not null,
    requests bigint not null check (requests >= 0),
    -- The current month of a tenant is read and written by both.
    primary key (tenant_id, month)
) with (fillfactor = 70);
