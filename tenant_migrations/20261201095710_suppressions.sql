-- Addresses that must not get mail, and why: looked at whenever a message is about to be sent.
create table nexus.suppressions (
    -- Version 7: they are in the order in which they were written, and lists go by it.
    id uuid primary key,
    address text not null check (length(address) <= 254),
    -- What addresses are compared by.
    address_key text not null check (length(address_key) <= 300),
    -- Bulk: notifications of apps. All: messages about accounts, too.
    scope text not null check (scope in ('bulk', 'all')),
    reason text not null check (reason in ('hard_bounce', 'complaint', 'unsubscribe', 'manual')),
    note text check (length(note) <= 500),
    created_by text not null check (length(created_by) <= 200),
    created_at timestamptz not null default now(),
    -- What a message asks for. Whoever unsubscribed and then bounced stays unsubscribed when the bounce is lifted.
    unique (address_key, scope)
);
