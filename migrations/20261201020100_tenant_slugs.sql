-- The log of the platform is asked for by the slug that a tenant has, or had when it was deleted: the index of slugs
-- leaves out the deleted.
create index tenants_slug_any on control.tenants (slug);
