-- Files of the business: each is an object in the tenant's bucket, and a row here, which may be attached to a row of
-- an app. What is in the bucket without a row belongs to the apps. An app keeps a file's id; its own login has no
-- right on this table.
create table nexus.files (
    -- Version 7: they are in the order in which they were asked for.
    id uuid primary key,
    -- Made by Nexus, never of a name that somebody gave.
    object_key text not null check (length(object_key) between 1 and 200),
    name text not null check (length(name) between 1 and 255),
    content_type text not null check (length(content_type) between 3 and 255),
    -- What was declared, signed into the upload, and found when it was completed. S3 takes no more in one request.
    size bigint not null check (size between 1 and 5368709120),
    sha256 bytea check (length(sha256) = 32),
    -- What an app has attached it to.
    attached_kind text check (attached_kind ~ '^[a-z][a-z0-9_-]{0,62}$'),
    attached_id text check (length(attached_id) between 1 and 200),
    -- Waits for its upload, is there, or is about to be deleted.
    state text not null check (state in ('pending', 'ready', 'deleting')),
    -- A user of this realm, or an operator; none where it was neither.
    created_by uuid,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- When the URL for the upload ends.
    upload_until timestamptz not null,
    completed_at timestamptz,
    -- When it is to be deleted, or to be looked at again: what waits for an upload that never comes, and what a
    -- process left behind that was killed.
    sweep_at timestamptz,
    check ((attached_kind is null) = (attached_id is null)),
    check ((state = 'ready') = (sweep_at is null)),
    check (state <> 'ready' or completed_at is not null)
);
-- The files that something has, the newest first.
create index files_attached on nexus.files (attached_kind, attached_id, id desc) where attached_kind is not null;
-- Those that are not there yet: few among many.
create index files_pending on nexus.files (id desc) where state = 'pending';
-- Those whose name begins with a text, whatever its case.
create index files_name on nexus.files (lower(name) collate "C", id desc);
-- What is to be deleted: few among many.
create index files_sweep on nexus.files (sweep_at) where sweep_at is not null;

-- How many are there, how many wait for their upload, and their bytes: adding up all rows would take longer the more
-- there are.
create table nexus.file_totals (
    only_one boolean primary key default true check (only_one),
    files bigint not null default 0,
    bytes bigint not null default 0,
    pending_files bigint not null default 0,
    pending_bytes bigint not null default 0
);
insert into nexus.file_totals default values;

-- Of the business: *:read and the like give them.
insert into nexus.permissions (name, description) values
    ('file:read', 'see files and download them'),
    ('file:create', 'upload files'),
    ('file:update', 'rename files, and attach them to something else'),
    ('file:delete', 'delete files')
on conflict (name) do nothing;
