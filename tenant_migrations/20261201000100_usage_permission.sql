-- Who may see what the tenant uses. Of the business: *:read gives it.
insert into nexus.permissions (name, description) values
    ('usage:read', 'see what the tenant uses, and what it may use')
on conflict (name) do nothing;
