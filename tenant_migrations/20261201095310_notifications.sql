-- What apps have asked to be sent: one row for each request, and one for each recipient and channel. How sending
-- stands is in the control database, by the id of the recipient's row, which is that of its event in the outbox.
create table nexus.notification_requests (
    -- Version 7: they are in the order in which they were made, nearly.
    id uuid primary key,
    kind text not null check (length(kind) <= 80 and kind ~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$'),
    -- The kind whose template says it; none where subject and text do.
    template text check (length(template) <= 80),
    subject text check (length(subject) <= 1000),
    text text check (octet_length(text) <= 32768),
    -- At most 16 KiB as an app writes it, which can be longer as it is kept.
    data jsonb not null default '{}' check (octet_length(data::text) <= 32768),
    priority text not null check (priority in ('high', 'normal', 'low')),
    -- What is asked for with a key that is there is not asked for again.
    dedup_key text unique check (length(dedup_key) between 1 and 200),
    not_before timestamptz,
    created_by text not null check (length(created_by) <= 200),
    created_at timestamptz not null default now(),
    check ((template is null) = (text is not null)),
    check ((subject is null) = (text is null))
);

create table nexus.notifications (
    -- That of its event in the outbox.
    id uuid primary key,
    request_id uuid not null references nexus.notification_requests on delete cascade,
    kind text not null check (length(kind) <= 80),
    channel text not null check (channel in ('email', 'inbox')),
    -- Who it is for. No reference: who is erased is forgotten here by hand, some at a time.
    user_id uuid,
    -- Where there is no user.
    address text check (length(address) <= 254),
    cancelled_at timestamptz,
    created_at timestamptz not null default now(),
    check ((user_id is null) <> (address is null)),
    check (channel <> 'inbox' or user_id is not null)
);
-- What was asked for together; and those that go with their request.
create index notifications_request on nexus.notifications (request_id);
-- The history of one user; and what is forgotten of who is erased.
create index notifications_user on nexus.notifications (user_id, id) where user_id is not null;
-- The history of one kind.
create index notifications_kind on nexus.notifications (kind, id);

-- Who may send, and see what was sent. Of the business: *:read gives the second.
insert into nexus.permissions (name, description) values
    ('notification:send', 'send notifications, and retry and cancel them'),
    ('notification:read', 'see which notifications were sent, to whom, and what became of them')
on conflict (name) do nothing;
