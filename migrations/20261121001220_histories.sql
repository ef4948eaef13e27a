-- What a tenant's histories held when its schema was read. As long as no row of theirs or of the
-- catalogue was written since, they hold the same.
alter table control.seen_schemas add column histories text not null default '';
