-- What people do for themselves before they are signed in: register, confirm an address, ask for a new password,
-- show a second factor.

-- What a realm says of signing in. One row. Apart from nexus.settings, which apps may write.
create table nexus.sign_in_settings (
    only_one boolean primary key default true check (only_one),
    -- Who may register: anybody, who has an invitation, nobody.
    registration text not null default 'closed' check (registration in ('open', 'invited', 'closed'))
);
insert into nexus.sign_in_settings default values;

-- Somebody who registered is invited, and has a token of this purpose: it confirms the address, and makes the
-- password theirs that was given with that registration and no other.
alter table nexus.invitations
    drop constraint invitations_purpose_check,
    add constraint invitations_purpose_check check (purpose in ('invite', 'reset', 'verify')),
    add column registration uuid,
    add column password_hash text;
-- Registrations that nobody confirmed are looked for at each new one.
create index invitations_unconfirmed on nexus.invitations (expires_at) where purpose = 'verify';

-- When messages to an address were last asked for by somebody who had not signed in, also to one that nobody
-- has: the answer does not say which. The address itself is not kept.
create table nexus.message_limits (
    -- SHA-256 of the address as it is compared.
    address_hash bytea primary key check (length(address_hash) = 32),
    -- Those of the last day.
    times timestamptz[] not null,
    last_at timestamptz not null default now()
);
-- What is older than a day is looked for at each request, and forgotten.
create index message_limits_last on nexus.message_limits (last_at);

-- A password was right, and the second factor is asked for. Each is good once, for five minutes.
create table nexus.sign_in_challenges (
    -- SHA-256 of a token of 256 random bits.
    challenge_hash bytea primary key check (length(challenge_hash) = 32),
    user_id uuid not null references nexus.users on delete cascade,
    client text not null check (length(client) <= 200),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
-- A user's go with the user.
create index sign_in_challenges_user on nexus.sign_in_challenges (user_id);
-- What is over is looked for at each new one, and forgotten.
create index sign_in_challenges_expiry on nexus.sign_in_challenges (expires_at);
