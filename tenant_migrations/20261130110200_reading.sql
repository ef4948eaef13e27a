-- Reading what there is much of.

-- Lists of users by name, and by their last sign-in: those who never signed in come first.
create index users_name on nexus.users (name, id);
create index users_last_sign_in on nexus.users (coalesce(last_sign_in_at, '-infinity'::timestamptz), id);

-- The log of a realm. Administrative: no pattern but *:* gives it, a role has to name it.
insert into nexus.permissions (name, description) values
    ('audit:read', 'see and export the audit log')
on conflict (name) do nothing;

-- What somebody did: a caller ends in the user's id, also where somebody else acted in their name.
create index audit_log_by on nexus.audit_log ((right(caller, 36)), id);
-- What was done of one kind.
create index audit_log_action on nexus.audit_log (action, id);
-- What was done to a role or a group, which the detail names.
create index audit_log_detail on nexus.audit_log using gin (detail jsonb_path_ops);
-- What was done in a span of time.
create index audit_log_at on nexus.audit_log (at);
