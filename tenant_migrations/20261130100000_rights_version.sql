-- Grows with each change of who may do what, in the transaction of the change: whoever keeps in memory what a
-- user may do looks here whether it is still so. One row.
create table nexus.rights_version (
    version bigint not null
);
create unique index rights_version_one on nexus.rights_version ((true));
insert into nexus.rights_version (version) values (1);
