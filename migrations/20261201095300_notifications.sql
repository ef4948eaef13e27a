-- A message that somebody cancelled, or that its recipient does not want, is neither sent nor failed.
alter table control.messages drop constraint messages_state_check;
alter table control.messages add constraint messages_state_check
    check (state in ('deferred', 'sending', 'sent', 'unknown', 'failed', 'cancelled')) not valid;

-- Who may see which messages failed, of whichever tenant. control.seed_platform_realm() puts it into the platform's
-- realm.
insert into control.platform_permissions (name, description, roles) values
    ('notification:read', 'see which messages failed or may not have arrived', '{Support,Auditor}');
