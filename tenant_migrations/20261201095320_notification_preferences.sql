-- What users want to be told, and when.
create table nexus.notification_preferences (
    user_id uuid not null references nexus.users on delete cascade,
    -- A kind, or the beginning of some with .* behind it.
    pattern text not null check (length(pattern) <= 82),
    channel text not null check (channel in ('email', 'inbox')),
    enabled boolean not null,
    updated_at timestamptz not null default now(),
    -- All of one user are read together.
    primary key (user_id, pattern, channel)
);

-- The hours of the day in which a user is not sent mail. Where the end is before the beginning, they go over midnight.
create table nexus.quiet_hours (
    user_id uuid primary key references nexus.users on delete cascade,
    -- A name of the IANA database.
    time_zone text not null check (length(time_zone) between 1 and 64),
    from_time time(0) not null,
    to_time time(0) not null,
    updated_at timestamptz not null default now(),
    check (from_time <> to_time)
);
