-- Changes of several tenants that one command asked for: exactly these can be rolled back.
create table control.batches (
    id uuid primary key,
    -- What was done to each: suspend, resume, delete, undelete, update, purge.
    verb text not null,
    -- How many tenants were meant.
    tenants integer not null check (tenants >= 0),
    caller text not null,
    -- The batch that this one rolls back.
    reverses uuid references control.batches,
    created_at timestamptz not null default now()
);

alter table control.operations add column batch_id uuid references control.batches;
create index operations_batch on control.operations (batch_id, created_at, id) where batch_id is not null;
-- Lists are newest first, page after page.
create index operations_created on control.operations (created_at, id);
