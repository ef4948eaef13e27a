-- What a tenant's notifications say, in place of the built-in templates. Each change is a version; the newest counts.
create table nexus.notification_templates (
    kind text not null check (length(kind) <= 80 and kind ~ '^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+$'),
    channel text not null check (channel in ('email', 'inbox')),
    -- As BCP 47 writes it.
    language text not null check (length(language) between 2 and 35),
    version integer not null check (version >= 1),
    -- None: from this version on, the built-in template holds.
    subject text check (length(subject) <= 1000),
    text text check (octet_length(text) <= 32768),
    html text check (octet_length(html) <= 32768),
    -- Values of an app's own, such as its messages have: it was checked against them. What is 16 KiB as an app
    -- writes it can be longer as it is kept.
    sample jsonb not null default '{}' check (octet_length(sample::text) <= 32768),
    created_by text not null check (length(created_by) <= 200),
    created_at timestamptz not null default now(),
    check ((subject is null) = (text is null)),
    -- What a message asks for: the versions of one kind, channel and language.
    primary key (kind, channel, language, version)
);
