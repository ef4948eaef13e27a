-- What others are to be told, written in the transaction of the change that it is about: if that is made, so is
-- this, and nothing is sent in a request. Rows name things by their ids. What must be secret, such as the token of
-- an invitation, is made when a message is written, and an address is looked up then.
create table nexus.outbox (
    -- Version 7: they are in the order in which they were written, nearly.
    id uuid primary key,
    -- What it is about. Rows of one key are delivered in their order.
    key text not null check (length(key) between 1 and 200),
    -- Words with dots between them. Those that begin with mail. are messages to people.
    type text not null check (length(type) <= 100 and type ~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$'),
    payload jsonb not null default '{}' check (octet_length(payload::text) <= 65536),
    actor text not null check (length(actor) <= 200),
    at timestamptz not null default now(),
    -- When it was delivered.
    published_at timestamptz
);
-- Whoever delivers asks for the oldest that is not published: few among all that are kept.
create index outbox_unpublished on nexus.outbox (id) where published_at is null;
