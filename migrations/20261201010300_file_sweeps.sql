-- Tenants whose files will have to be looked at: an upload may be given up, a deletion be left half done. A server that
-- looks for what is due opens the realms of these alone. The row is written before the realm's own, so that none is
-- missed: it may lead to a look for nothing. No reference to the tenant: its check would wait for whoever changes it.
create table control.file_sweeps (
    -- One row for a tenant, found by whoever asks for an upload there.
    tenant_id uuid primary key,
    -- When a server looks, unless another has taken it up meanwhile.
    due_at timestamptz not null,
    -- When something to be swept was last expected. Servers remember for an hour that they wrote it.
    expected_at timestamptz not null default now()
);
-- Each server asks every minute for those that are due; usually there are none.
create index file_sweeps_due on control.file_sweeps (due_at);

-- Tenants that were there before are looked at once, not all at the same time.
insert into control.file_sweeps (tenant_id, due_at)
select id, now() + random() * interval '6 hours' from control.tenants where state not in ('pooled', 'deleted');
