-- Finds the few who are invited, disabled or locked among many who are active, in the order in which users are
-- listed. Whoever is active and waits for nothing is not in it.
create index users_not_active on nexus.users (state, email_key)
    where state <> 'active' or locked_until is not null;
