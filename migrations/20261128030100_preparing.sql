-- A server that is written down and not prepared yet. What was checked in between counts as little as
-- one that was not: the same registration again finishes it.
alter table control.clusters add column preparing boolean not null default false;
update control.clusters set preparing = true
where host is not null and state = 'draining'
  and (checked_at is null
       or not exists (select from control.templates where cluster = clusters.name and state = 'ready'));
