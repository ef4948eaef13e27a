-- What users find in their inbox.
create table nexus.inbox (
    -- The notification's.
    id uuid primary key,
    user_id uuid not null references nexus.users on delete cascade,
    -- In the order in which they came.
    position bigint not null generated always as identity,
    kind text not null check (length(kind) <= 80),
    title text not null check (length(title) <= 1000),
    text text not null check (octet_length(text) <= 262144),
    data jsonb not null default '{}' check (octet_length(data::text) <= 32768),
    created_at timestamptz not null default now(),
    read_at timestamptz
);
-- The list of one user, the newest first.
create unique index inbox_user on nexus.inbox (user_id, position);
-- Which of them are marked as read together.
create index inbox_unread on nexus.inbox (user_id, position) where read_at is null;

-- How many of them a user has not read: nobody counts rows for that.
create table nexus.inbox_counters (
    user_id uuid primary key references nexus.users on delete cascade,
    unread integer not null check (unread >= 0)
) with (fillfactor = 50);
