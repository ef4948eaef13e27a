-- The life of a tenant between its making and its end: suspended, or in the trash until its time
-- is over.

alter table control.tenants
    drop constraint tenants_state_check,
    add constraint tenants_state_check check
        (state in ('provisioning', 'active', 'suspended', 'trashed', 'deleting', 'deleted')),
    -- The last suspension. Kept when it is over, so that a resumption can be taken back.
    add column suspended_at timestamptz,
    add column suspended_by text,
    add column suspension_reason text check (length(suspension_reason) between 1 and 500),
    -- The last deletion, and the state to which an undeletion leads.
    add column trashed_at timestamptz,
    add column trashed_by text,
    add column trashed_from text check (trashed_from in ('active', 'suspended')),
    add column purge_after timestamptz,
    add constraint tenants_suspension check
        (state <> 'suspended'
         or (suspended_at is not null and suspended_by is not null and suspension_reason is not null)),
    add constraint tenants_trash check
        (state <> 'trashed'
         or (trashed_at is not null and trashed_by is not null and trashed_from is not null
             and purge_after is not null));

-- Those whose time is over.
create index tenants_due on control.tenants (purge_after, id) where state = 'trashed';

-- Recorded for another process, which has not taken it up yet.
alter table control.operations add column planned boolean not null default false;
