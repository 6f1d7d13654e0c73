-- What the server's store says to PostgreSQL for one create (server/src/store: Begin, insert_vm), by hand: pgbench's script of row 13.
BEGIN;
UPDATE cluster SET commits = commits + 1 RETURNING term, commits;
INSERT INTO vms (id, ordinal, project_id, name, description, hypervisor, spec, boot_source_id, desired, observed, created_at, updated_at)
  VALUES (gen_random_uuid()::text, nextval('bench'), 'default', 'bench-' || currval('bench'), NULL, '', :spec, NULL, :desired, :observed, :at, :at)
  ON CONFLICT (project_id, name) DO NOTHING;
COMMIT;
