-- Grows with each change that somebody makes of who may do what, in the transaction of the change: whoever keeps
-- in memory what a user may do looks here whether it is still so. One row. What changes rights besides, such as a
-- migration or too many wrong passwords, does not raise it: nobody keeps what they read for more than two seconds.
create table nexus.rights_version (
    version bigint not null
);
create unique index rights_version_one on nexus.rights_version ((true));
insert into nexus.rights_version (version) values (1);
