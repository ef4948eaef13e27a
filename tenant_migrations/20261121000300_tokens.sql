-- Refresh tokens and API keys of a realm. Only hashes are kept.

-- Why a session was ended where nobody asked for it: reuse, signed_out.
alter table nexus.sessions add column revoked_because text;
create index sessions_expiry on nexus.sessions (expires_at);

-- What keeps a session going without its password. Each is good once.
create table nexus.refresh_tokens (
    -- SHA-256 of the token, which is 256 random bits.
    token_hash bytea primary key check (length(token_hash) = 32),
    session_id uuid not null references nexus.sessions on delete cascade,
    created_at timestamptz not null default now(),
    -- When it was exchanged for its successor.
    used_at timestamptz,
    successor_hash bytea check (length(successor_hash) = 32),
    -- The successor, sealed with a key that only the exchanged token gives, for a client that did
    -- not hear the answer. Taken away when the grace is over.
    successor_sealed bytea,
    check ((used_at is null) = (successor_hash is null))
);
create index refresh_tokens_session on nexus.refresh_tokens (session_id);
-- At most one token of a session can be used.
create unique index refresh_tokens_one_live on nexus.refresh_tokens (session_id) where used_at is null;

-- Keys for machines: they act as a user, within the scopes they were given.
create table nexus.api_keys (
    id uuid primary key,
    user_id uuid not null references nexus.users on delete cascade,
    name text not null check (length(name) between 1 and 100),
    key_hash bytea not null unique check (length(key_hash) = 32),
    -- The end of the key, to recognise it by.
    hint text not null check (length(hint) = 4),
    -- Empty: everything that the user may do.
    scopes text[] not null default '{}',
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    -- Kept to a few minutes.
    last_used_at timestamptz,
    revoked_at timestamptz
);
create unique index api_keys_name on nexus.api_keys (user_id, name) where revoked_at is null;
