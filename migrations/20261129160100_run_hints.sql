-- What to do about a failure is kept as words and an action, which each door renders in its own way.
-- What was kept before is words alone.
alter table control.run_tenants
    alter column hint type jsonb using case when hint is not null then jsonb_build_object('text', hint) end;
