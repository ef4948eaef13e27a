-- A template is built as a tenant is migrated, and what apps may do is granted to one role that is the
-- same in every tenant. One that was built before that is built from the start.
alter table control.templates
    -- How it was built; what a program builds otherwise it does not clone.
    add column recipe integer not null default 1,
    -- What CREATE DATABASE leaves out: default privileges, settings of the database.
    add column carried jsonb not null default '{}';
drop index control.templates_of;
create unique index templates_of on control.templates (cluster, version, sets, files, recipe);
