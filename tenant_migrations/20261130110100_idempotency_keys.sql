-- Requests that their clients may repeat (header Idempotency-Key), for 24 hours each: what was asked, and what
-- was answered.
create table nexus.idempotency_keys (
    -- The user who sent it, in whichever realm they are at home.
    caller uuid not null,
    -- SHA-256 of the key.
    key_hash bytea not null check (length(key_hash) = 32),
    -- A keyed checksum of method, path, query and body: a body may hold a password.
    fingerprint bytea not null check (length(fingerprint) = 32),
    -- Which of several tries holds the key; whoever lost it changes nothing any more.
    attempt uuid not null,
    lease_until timestamptz not null,
    -- Set in the transaction of the change that was asked for: from here on it is not made again.
    carried_out boolean not null default false,
    status smallint check (status between 200 and 499),
    -- Headers and body of the answer, sealed: it may hold a secret that is shown once.
    answer bytea,
    created_at timestamptz not null default now(),
    primary key (caller, key_hash),
    check ((status is null) = (answer is null))
);
-- Finds those that are over.
create index idempotency_keys_created on nexus.idempotency_keys (created_at);
