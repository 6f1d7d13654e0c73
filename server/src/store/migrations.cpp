#include "migrations.hpp"

namespace qarax::server {

namespace {

constexpr Migration kMigrations[] = {
    {1, 1, R"sql(
CREATE TABLE cluster (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  cluster_id TEXT NOT NULL,
  term INTEGER NOT NULL
);
CREATE TABLE activations (
  term INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  at TEXT NOT NULL
);
CREATE TABLE projects (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);
INSERT INTO projects (id, name) VALUES ('default', 'default');
CREATE TABLE hosts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL,
  port INTEGER NOT NULL,
  host_user TEXT NOT NULL DEFAULT '',
  node_id TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL
);
CREATE TABLE vms (
  id TEXT PRIMARY KEY,
  ordinal INTEGER NOT NULL UNIQUE,
  project_id TEXT NOT NULL REFERENCES projects (id),
  name TEXT NOT NULL,
  description TEXT,
  hypervisor TEXT NOT NULL DEFAULT '',
  spec TEXT NOT NULL,
  resolved TEXT,
  live TEXT,
  boot_source_id TEXT,
  host_id TEXT REFERENCES hosts (id),
  incarnation INTEGER NOT NULL DEFAULT 0,
  revision INTEGER NOT NULL DEFAULT 0,
  desired TEXT NOT NULL,
  observed TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (project_id, name)
);
CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  vm_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  action TEXT NOT NULL,
  state TEXT NOT NULL,
  incarnation INTEGER NOT NULL,
  timeout_ms INTEGER NOT NULL DEFAULT 0,
  before TEXT NOT NULL,
  owner TEXT NOT NULL,
  term INTEGER NOT NULL,
  request_id TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  finished_at TEXT
);
CREATE UNIQUE INDEX jobs_one_unfinished ON jobs (vm_id) WHERE state = 'running';
CREATE TABLE reservations (
  vm_id TEXT NOT NULL REFERENCES vms (id) ON DELETE CASCADE,
  host_id TEXT NOT NULL REFERENCES hosts (id),
  incarnation INTEGER NOT NULL,
  class TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (vm_id, class)
);
CREATE TABLE tombstones (
  vm_id TEXT PRIMARY KEY,
  host_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  at TEXT NOT NULL
);
CREATE TABLE event_counter (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL
);
INSERT INTO event_counter (one, epoch, seq) VALUES (1, 1, 0)
)sql"},
    // `commits` counts the writer's transactions. On PostgreSQL the server finds out by it whether a commit whose
    // answer was lost took effect.
    {2, 1, R"sql(
ALTER TABLE cluster ADD COLUMN commits INTEGER NOT NULL DEFAULT 0
)sql"},
    // `needs_adopt`: a host's proof that this database was set back. Until the host is adopted the server changes
    // nothing.
    {3, 1, R"sql(
ALTER TABLE hosts ADD COLUMN needs_adopt TEXT NOT NULL DEFAULT ''
)sql"},
    // `at`: seconds by the database's own clock.
    {4, 1, R"sql(
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  document TEXT NOT NULL,
  at INTEGER NOT NULL
)
)sql"},
    // Jobs are kept after their end, also those of deleted VMs. `finished_s`: as events.at.
    {5, 1, R"sql(
ALTER TABLE jobs ADD COLUMN vm_name TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN host_id TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN steps TEXT NOT NULL DEFAULT '{}';
ALTER TABLE jobs ADD COLUMN error TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN finished_s INTEGER;
CREATE INDEX jobs_by_time ON jobs (created_at, id)
)sql"},
    {6, 1, R"sql(
ALTER TABLE jobs ADD COLUMN arguments TEXT NOT NULL DEFAULT '{}';
CREATE TABLE snapshots (
  id TEXT PRIMARY KEY,
  vm_id TEXT NOT NULL REFERENCES vms (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  hypervisor TEXT NOT NULL,
  spec TEXT NOT NULL,
  resolved TEXT NOT NULL,
  size INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  UNIQUE (vm_id, name)
)
)sql"},
    {7, 1, R"sql(
ALTER TABLE vms ADD COLUMN restart TEXT NOT NULL DEFAULT '{}'
)sql"},
    // `at`: as events.at. `answer`: empty until the request has its final answer.
    {8, 1, R"sql(
CREATE TABLE idempotency_keys (
  key TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  job_id TEXT NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (at)
)sql"},
    {9, 1, R"sql(
ALTER TABLE vms ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE vms ADD COLUMN draft_since INTEGER NOT NULL DEFAULT 0
)sql"},
    {10, 1, R"sql(
ALTER TABLE jobs ADD COLUMN cancelling INTEGER NOT NULL DEFAULT 0
)sql"},
    // `began_at`: number of the last event before that activation; NULL: an older server began it. `edition`: see
    // VmRecord.
    {11, 1, R"sql(
ALTER TABLE activations ADD COLUMN began_at INTEGER;
ALTER TABLE vms ADD COLUMN edition INTEGER NOT NULL DEFAULT 0
)sql"},
    // `ran`: seconds that servers of this database had run when the row was written (for a job: when it ended); only
    // servers change it. A host may have several unfinished jobs, which an older server would take for those of a VM.
    {12, 12, R"sql(
ALTER TABLE cluster ADD COLUMN ran INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN ran INTEGER;
ALTER TABLE idempotency_keys ADD COLUMN ran INTEGER;
ALTER TABLE jobs ADD COLUMN ran INTEGER;
ALTER TABLE jobs ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_by_age ON jobs (ran, created_at, id);
DROP INDEX jobs_one_unfinished;
CREATE UNIQUE INDEX jobs_one_unfinished ON jobs (vm_id) WHERE state = 'running' AND vm_id <> ''
)sql"},
    // `ran` replaces these columns. Servers before schema 12, which used them, can't read this database any more.
    {13, 13, R"sql(
DROP INDEX idempotency_keys_by_time;
ALTER TABLE idempotency_keys DROP COLUMN at;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (ran);
ALTER TABLE events DROP COLUMN at;
ALTER TABLE jobs DROP COLUMN finished_s
)sql"},
    // Each activation numbers its events in an epoch of its own. The earlier ones shared the present epoch.
    {14, 13, R"sql(
ALTER TABLE activations ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
UPDATE activations SET epoch = (SELECT epoch FROM event_counter)
)sql"},
    // `order_lead`: by how much ordinals are ahead of the numbers of events. A server's start raises it.
    {15, 13, R"sql(
ALTER TABLE event_counter ADD COLUMN order_lead INTEGER NOT NULL DEFAULT 0
)sql"},
    // `memory`: see Tombstone. An older server writes and counts none.
    {16, 13, R"sql(
ALTER TABLE tombstones ADD COLUMN memory INTEGER NOT NULL DEFAULT 0
)sql"},
};

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

}  // namespace qarax::server
