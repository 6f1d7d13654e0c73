-- What the server's store says to PostgreSQL for one create, by hand: pgbench's script of row 13. The statements are those of
-- server/src/store (Begin, insert_vm, insert_job, the events), as log_statement = all shows them; their values are a real create's.
BEGIN;
UPDATE cluster SET commits = commits + 1 RETURNING term, commits;
INSERT INTO vms (id, ordinal, project_id, name, description, hypervisor, spec, boot_source_id, desired, observed, created_at, updated_at, restart, tags, edition)
  VALUES (gen_random_uuid()::text, nextval('bench'), 'default', 'bench-' || currval('bench'), NULL, '', :vm_spec, NULL, :vm_desired, :vm_observed, :vm_created_at, :vm_updated_at, :vm_restart, :vm_tags, :vm_edition)
  ON CONFLICT (project_id, name) DO NOTHING;
INSERT INTO jobs (id, vm_id, vm_name, host_id, revision, action, state, incarnation, timeout_ms, before, owner, term, request_id, created_at, finished_at, steps, arguments, outcome, ran)
  VALUES (gen_random_uuid()::text, :job_vm_id, :job_vm_name, '', :job_revision, :job_action, :job_state, :job_incarnation, :job_timeout_ms, :job_before, :job_owner, :job_term, :job_request_id, :job_created_at, :job_finished_at, :job_steps, :job_arguments, '', :job_ran);
UPDATE event_counter SET seq = seq + 1 RETURNING epoch, seq \gset counter_
INSERT INTO events (seq, epoch, document, ran) VALUES (:counter_seq, :counter_epoch, :event_document, :event_ran);
COMMIT;
