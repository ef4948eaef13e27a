-- How many rows had been written anywhere in a tenant's database when its schema was read: as long as
-- that is so, nothing there has changed, and nothing else needs to be asked.
alter table control.seen_schemas add column written text not null default '';
