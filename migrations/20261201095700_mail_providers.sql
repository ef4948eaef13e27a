-- Mail servers of tenants' own. They are kept here, and not in the tenant's database, whose owner may write there: what
-- is here was checked. Passwords are not here: they are sealed with the tenant's other secrets.
create table control.mail_providers (
    tenant_id uuid primary key,
    host text not null check (length(host) between 1 and 255),
    port integer not null check (port between 1 and 65535),
    tls text not null check (tls in ('implicit', 'starttls', 'none')),
    -- None: without a login.
    user_name text check (length(user_name) between 1 and 320),
    from_address text not null check (length(from_address) <= 1000),
    reply_to text check (length(reply_to) <= 1000),
    -- Another one after each change: processes that keep connections see by it that they are those of a former one.
    version uuid not null,
    updated_by text not null check (length(updated_by) <= 200),
    updated_at timestamptz not null default now()
);
