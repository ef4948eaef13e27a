-- Who may do what, in full: groups, conditions, second factors, sign-in, sessions, operators'
-- access, and the realm's own audit log.

-- What an address is compared by: lower case and NFC, its domain in Unicode.
alter table nexus.users
    add column email_key text collate "C",
    add column profile jsonb not null default '{}' check (jsonb_typeof(profile) = 'object'),
    add column deleted_at timestamptz,
    add column erased_at timestamptz,
    add column password_changed_at timestamptz,
    add column last_sign_in_at timestamptz,
    -- Guesses since the last success or the last lock; all guesses since the last success.
    add column failed_attempts integer not null default 0,
    add column failed_total integer not null default 0,
    add column locked_until timestamptz,
    -- When the second factor was confirmed; its secret is sealed in the control database.
    add column totp_since timestamptz,
    -- The last time step whose code was used: none is good twice (RFC 6238, section 5.2).
    add column totp_last_step bigint not null default 0;
update nexus.users set email_key = lower(normalize(email, nfc));
alter table nexus.users alter column email_key set not null;
drop index nexus.users_email;
create unique index users_email_key on nexus.users (email_key);
create index users_created on nexus.users (created_at, id);
create index users_due on nexus.users (deleted_at) where deleted_at is not null and erased_at is null;

-- The same kind of token lets in who was invited, and who forgot the password.
alter table nexus.invitations
    add column purpose text not null default 'invite' check (purpose in ('invite', 'reset'));

create table nexus.recovery_codes (
    user_id uuid not null references nexus.users on delete cascade,
    code_hash bytea not null check (length(code_hash) = 32),
    primary key (user_id, code_hash)
);

alter table nexus.permissions add column created_at timestamptz not null default now();
alter table nexus.roles add column updated_at timestamptz not null default now();
-- A condition on the attributes of what is acted on; none: always.
alter table nexus.role_permissions add column condition text check (length(condition) between 1 and 1000);
create index role_permissions_permission on nexus.role_permissions (permission);
create index user_roles_role on nexus.user_roles (role_id);

create table nexus.groups (
    id uuid primary key,
    name text not null unique check (length(name) between 1 and 100),
    description text not null default '',
    parent_id uuid references nexus.groups check (parent_id <> id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index groups_parent on nexus.groups (parent_id);

create table nexus.group_members (
    group_id uuid not null references nexus.groups on delete cascade,
    user_id uuid not null references nexus.users on delete cascade,
    added_at timestamptz not null default now(),
    primary key (group_id, user_id)
);
create index group_members_user on nexus.group_members (user_id);

create table nexus.group_roles (
    group_id uuid not null references nexus.groups on delete cascade,
    role_id uuid not null references nexus.roles on delete cascade,
    granted_at timestamptz not null default now(),
    primary key (group_id, role_id)
);
create index group_roles_role on nexus.group_roles (role_id);

-- One for each sign-in, until it is revoked or ends.
create table nexus.sessions (
    id uuid primary key,
    user_id uuid not null references nexus.users on delete cascade,
    client text not null default '' check (length(client) <= 200),
    second_factor boolean not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index sessions_user on nexus.sessions (user_id, created_at);

-- Access of the platform's operators. In a tenant's realm it is what counts, and role_id is set; in
-- the platform's realm it is a copy to list from.
create table nexus.operator_grants (
    id uuid primary key,
    operator_id uuid not null,
    tenant_id uuid not null,
    role_id uuid references nexus.roles on delete cascade,
    role text not null,
    reason text not null check (length(reason) between 1 and 500),
    granted_by text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index operator_grants_operator on nexus.operator_grants (operator_id, tenant_id);

-- Changes of who may do what come one after the other: each holds this row until it is committed.
-- An advisory lock would not do, because any login of the database can hold one.
create table nexus.identity_lock (only_one boolean primary key default true check (only_one));
insert into nexus.identity_lock default values;

-- One row per change, in the transaction of the change. Users are named by id only, so that an
-- erased one is erased here, too.
create table nexus.audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    caller text not null,
    action text not null,
    user_id uuid,
    detail jsonb not null default '{}'
);
create index audit_log_user on nexus.audit_log (user_id, id);

create function nexus.audit_log_is_append_only() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as
$$ begin raise exception 'the audit log is append-only' using errcode = '42501'; end $$;

create trigger append_only before update or delete or truncate on nexus.audit_log
    for each statement execute function nexus.audit_log_is_append_only();

insert into nexus.permissions (name, description) values
    ('permission:read', 'see which permissions there are'),
    ('permission:create', 'register permissions'),
    ('session:read', 'see sessions'),
    ('session:delete', 'end sessions'),
    ('operator:read', 'see which operators have access'),
    ('operator:grant', 'give operators access, and take it away');
