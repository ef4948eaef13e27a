-- Tickets with which a browser, whose streams send no headers, opens one stream: good once, and for half a minute. The
-- claims are those of the access token that asked for it. Only the hash of a ticket is kept.
create table control.event_tickets (
    ticket_hash bytea primary key check (length(ticket_hash) = 32),
    claims jsonb not null check (octet_length(claims::text) <= 65536),
    expires_at timestamptz not null
);
-- Those that nobody used are forgotten, some at a time.
create index event_tickets_expired on control.event_tickets (expires_at);

-- Who may hear of events. control.seed_platform_realm() puts it into the platform's realm.
insert into control.platform_permissions (name, description, roles) values
    ('event:read', 'read events, and follow them', '{Support,Auditor}');
