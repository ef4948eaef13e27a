-- How far each subscriber of the code has read the log of each realm's events. The row is written by who relays the first
-- event that is the subscriber's, before that event has its position.
create table control.event_subscriptions (
    -- The nil UUID for the platform's own realm.
    tenant_id uuid not null,
    -- A constant name of the code.
    subscriber text not null check (length(subscriber) between 1 and 60),
    -- The first event that it is told of. What was published before it was known is not.
    first_event uuid not null,
    -- The last event that was handled, passed over or parked; none before the position of the first is known.
    position bigint check (position >= 0),
    -- Who hands events to it: one process at a time. Each step checks the fence, and holds it for longer.
    owner uuid,
    lease_until timestamptz not null default '-infinity',
    fence bigint not null default 0,
    primary key (tenant_id, subscriber)
) with (fillfactor = 50);

-- Events that a subscriber failed to handle, and those of the same key behind them, each with a job of its own. They keep
-- no other key waiting. A row goes when its job has ended, or its last attempt has failed.
create table control.parked_events (
    tenant_id uuid not null,
    subscriber text not null check (length(subscriber) between 1 and 60),
    position bigint not null check (position > 0),
    event_id uuid not null,
    key text not null check (length(key) <= 200),
    -- There are at most some hundred of a subscriber in a realm: those of a key are found among them.
    primary key (tenant_id, subscriber, position)
);
