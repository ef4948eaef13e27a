-- A file may come late, with an older version than the newest. So what a template holds of a set is told
-- by how many of its files there are, too: {"SET": COUNT}. One whose files nobody counted is built anew.
alter table control.templates add column files jsonb not null default '{}';
drop index control.templates_of;
create unique index templates_of on control.templates (cluster, version, sets, files);

-- The number of files of the operator's sets as a template of today has them.
create function control.released_files() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as
$$ select coalesce(jsonb_object_agg(set_name, files), '{}')
   from control.released_versions where set_name <> 'nexus' $$;
