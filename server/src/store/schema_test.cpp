// Upgrades of a database with rows that an older server left, on a real SQLite file and a real PostgreSQL, and the
// attempt of an older server to use an upgraded one.
#include "schema.hpp"

#include <Poco/Exception.h>

#include <algorithm>
#include <filesystem>

#include "store_fixture.hpp"

namespace qarax::server {
namespace {

// Migrations use no compiled statements.
class NoStatements final : public Statements {
 public:
  std::size_t run(const std::string& sql, const std::vector<SqlValue>&, std::vector<std::int64_t>*) override {
    throw Poco::LogicException("not for migrations: " + sql);
  }
  void forget() override {}
};

constexpr const char* kShut = "11111111-1111-4111-8111-111111111111";
constexpr const char* kRuns = "22222222-2222-4222-8222-222222222222";
constexpr const char* kHost = "33333333-3333-4333-8333-333333333333";

// Rows as a server of schema 1 left them.
constexpr const char* kFirstRows[] = {
    "INSERT INTO cluster (one, cluster_id, term) VALUES (1, 'cluster-1', 3)",
    "INSERT INTO activations (term, id, at) VALUES (3, 'activation-3', '2026-01-01T00:00:00.000Z')",
    "INSERT INTO hosts (id, name, address, port, node_id, created_at) VALUES "
    "('33333333-3333-4333-8333-333333333333', 'h1', '127.0.0.1', 50051, 'node-1', '2026-01-01T00:00:00.000Z')",
    R"(INSERT INTO vms (id, ordinal, project_id, name, description, spec, resolved, host_id, incarnation, revision,
      desired, observed, created_at, updated_at) VALUES ('11111111-1111-4111-8111-111111111111', 1, 'default', 'shut',
      'an old one', '{"boot_vcpus":2,"max_vcpus":4}', '{"boot_vcpus":2,"config":{"machine":"old-1"}}',
      '33333333-3333-4333-8333-333333333333', 2, 5, '{"state":"shutdown"}', '{"status":{"state":"shutdown"}}',
      '2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'))",
    R"(INSERT INTO jobs (id, vm_id, revision, action, state, incarnation, before, owner, term, created_at, finished_at)
      VALUES ('job-1', '11111111-1111-4111-8111-111111111111', 5, 'stop', 'completed', 2, '{"state":"running"}',
      'activation-3', 3, '2026-01-02T00:00:00.000Z', '2026-01-02T00:00:01.000Z'))",
};

// Further rows, of schema 11.
constexpr const char* kLaterRows[] = {
    R"(INSERT INTO vms (id, ordinal, project_id, name, spec, host_id, incarnation, revision, desired, observed,
      created_at, updated_at, restart, tags, edition) VALUES ('22222222-2222-4222-8222-222222222222', 2, 'default',
      'runs', '{}', '33333333-3333-4333-8333-333333333333', 1, 3, '{"state":"running","revision":2}',
      '{"status":{"state":"running"},"source":"node","session":"s1","seq":7}', '2026-02-01T00:00:00.000Z',
      '2026-02-01T00:00:00.000Z', '{"policy":"always","limit":3}', '["web","eu"]', 4))",
    R"(INSERT INTO jobs (id, vm_id, revision, action, state, incarnation, before, owner, term, created_at, vm_name,
      host_id) VALUES ('job-2', '22222222-2222-4222-8222-222222222222', 3, 'stop', 'running', 1,
      '{"state":"running"}', 'activation-3', 3, '2026-02-02T00:00:00.000Z', 'runs',
      '33333333-3333-4333-8333-333333333333'))",
    "UPDATE jobs SET finished_s = 1767312001 WHERE id = 'job-1'",
    "INSERT INTO reservations (vm_id, host_id, incarnation, class, amount) VALUES "
    "('22222222-2222-4222-8222-222222222222', '33333333-3333-4333-8333-333333333333', 1, 'memory', 1000)",
    "INSERT INTO tombstones (vm_id, host_id, revision, at) VALUES ('44444444-4444-4444-8444-444444444444', "
    "'33333333-3333-4333-8333-333333333333', 6, '2026-02-03T00:00:00.000Z')",
    "UPDATE event_counter SET seq = 2",
    R"(INSERT INTO events (seq, epoch, document, at) VALUES
      (1, 1, '{"type":"vm.created","timestamp":"2026-01-01T00:00:00.000Z","vm_name":"shut"}', 1767225600),
      (2, 1, '{"type":"vm.created","timestamp":"2026-02-01T00:00:00.000Z","vm_name":"runs"}', 1769904000))",
    "INSERT INTO idempotency_keys (key, fingerprint, job_id, answer, at) VALUES ('k1', 'print', 'job-1', "
    "'{\"status\":201,\"content_type\":\"text/plain\",\"headers\":[],\"body\":\"x\"}', 1767225600)",
    R"(INSERT INTO snapshots (id, vm_id, name, status, hypervisor, spec, resolved, size, created_at) VALUES ('snap-1',
      '11111111-1111-4111-8111-111111111111', 'before', 'ready', 'qemu', '{}', '{}', 4096,
      '2026-01-03T00:00:00.000Z'))",
};

class SchemaTest : public StoreTest {
 protected:
  void SetUp() override {
    if (!TestDatabase::there(GetParam())) GTEST_SKIP() << "QARAX_TEST_POSTGRES names no server";
    database_.emplace(GetParam());
  }
  // Migrates as a server does that knows only these migrations.
  Status migrate(std::span<const Migration> known) { return migrate(database_->connection(), known); }
  Status migrate(Poco::Data::Session connection, std::span<const Migration> known) {
    Session session(std::move(connection), std::make_unique<NoStatements>());
    const bool file = GetParam() == Backend::sqlite;
    const schema::Dialect dialect{"the test's", file ? "BEGIN IMMEDIATE" : "BEGIN", file ? "INTEGER" : "BIGINT",
                                  [this](std::int64_t before) -> Status {
                                    secured_.push_back(before);
                                    return Ok{};
                                  }};
    return schema::migrate(session, dialect, known);
  }
  static std::span<const Migration> up_to(std::size_t number) { return migrations().first(number); }
  template <std::size_t N>
  void insert(const char* const (&rows)[N]) {
    for (const char* row : rows) database_->execute(row);
  }
  void leave_schema_11() {
    ASSERT_TRUE(migrate(up_to(1)));
    insert(kFirstRows);
    const Status later = migrate(up_to(11));
    ASSERT_TRUE(later) << later.error().message;
    insert(kLaterRows);
  }
  std::string number() const { return database_->ask("SELECT CAST(MAX(number) AS TEXT) FROM schema_version"); }
  bool has_table(const std::string& name) const {
    try {
      database_->execute("SELECT * FROM " + name);
      return true;
    } catch (const Poco::Exception&) {
      return false;
    }
  }
  std::vector<std::int64_t> secured_;  // numbers of the migrations before which `secure` was called
};

TEST_P(SchemaTest, AnOlderServersDatabaseIsTakenOverWithAllThatItHolds) {
  leave_schema_11();
  // An older server counted ordinals by themselves, also for creates that were refused.
  database_->execute("UPDATE vms SET ordinal = 40 WHERE ordinal = 2");
  open();
  ASSERT_TRUE(store_);
  EXPECT_EQ(store_->activation().cluster_id, "cluster-1");
  EXPECT_EQ(store_->activation().term, 4);

  const VmPtr shut = store_->vm(kShut);
  ASSERT_TRUE(shut);
  EXPECT_EQ(shut->name, "shut");
  EXPECT_EQ(shut->description, "an old one");
  EXPECT_EQ(shut->spec.boot_vcpus, 2);
  ASSERT_TRUE(shut->resolved);
  EXPECT_EQ(shut->resolved->config.text, R"({"machine":"old-1"})");
  EXPECT_EQ(shut->observed.status.state, VmState::shutdown);
  EXPECT_EQ(shut->revision, 5);
  EXPECT_EQ(shut->edition, 0) << "which the older server didn't count";
  EXPECT_EQ(shut->restart.policy, RestartPolicy::never);

  const VmPtr runs = store_->vm(kRuns);
  ASSERT_TRUE(runs);
  EXPECT_EQ(runs->observed.status.state, VmState::unknown) << "until its node says so again";
  EXPECT_EQ(runs->desired.state, VmState::running);
  EXPECT_EQ(runs->restart.policy, RestartPolicy::always);
  EXPECT_EQ(runs->tags, (std::vector<std::string>{"web", "eu"}));
  EXPECT_EQ(runs->edition, 4);
  EXPECT_EQ(runs->job_id, "job-2");

  EXPECT_EQ(runs->order, 40);
  const VmPtr next = vm("next");
  EXPECT_GT(next->order, 40);
  ASSERT_EQ(store_->hosts().size(), 1u);
  EXPECT_EQ(store_->host(kHost)->node_id, "node-1");
  ASSERT_EQ(store_->reservations().size(), 1u);
  EXPECT_EQ(store_->reservations().front().memory, 1000);
  ASSERT_EQ(store_->tombstones(kHost).size(), 1u);
  EXPECT_EQ(store_->tombstones(kHost).front().revision, 6);
  ASSERT_EQ(store_->snapshots(kShut).size(), 1u);
  EXPECT_EQ(store_->snapshots(kShut).front()->size, 4096);

  ASSERT_TRUE(store_->remove_vm(kRuns, Removal::with_tombstone));
  ASSERT_TRUE(store_->remove_vm(next->id, Removal::never_placed));
  open();
  EXPECT_GT(vm("newest")->order, next->order) << "though those that were ahead are gone";
}

TEST_P(SchemaTest, JobsKeysAndEventsOfAnOlderServerGoOn) {
  leave_schema_11();
  open();
  ASSERT_TRUE(store_);
  const auto ended = store_->job("job-1");
  ASSERT_TRUE(ended && *ended);
  EXPECT_EQ((*ended)->state, JobState::completed);
  EXPECT_EQ((*ended)->finished_at, "2026-01-02T00:00:01.000Z");
  ASSERT_EQ(store_->unfinished_jobs().size(), 1u);
  EXPECT_EQ(store_->unfinished_jobs().front().action, core::Action::stop);
  EXPECT_EQ(store_->begin_job(job(store_->vm(kRuns), core::Action::pause)).error().reason, "job-in-progress");
  const auto key = store_->kept_key("k1");
  ASSERT_TRUE(key && *key && (*key)->answer);
  EXPECT_EQ((*key)->answer->status, 201);

  vm("new");
  store_->flush();
  const auto page = store_->stored_events(0, 100);
  ASSERT_TRUE(page);
  ASSERT_GE(page->events.size(), 3u);
  EXPECT_EQ(page->events[0]->event.vm_name, "shut");
  EXPECT_EQ(page->events[1]->event.vm_name, "runs");
  EXPECT_EQ(page->events[2]->seq, 3) << "the numbers go on";

  // Rows whose old time column is gone count from the upgrade on.
  ASSERT_TRUE(store_->prune({}));
  EXPECT_TRUE(*store_->job("job-1"));
  EXPECT_TRUE(*store_->kept_key("k1"));
  EXPECT_EQ(store_->stored_events(0, 100)->events.front()->seq, 1);
}

// The index was replaced: still one unfinished job for each VM, but any number of host jobs.
TEST_P(SchemaTest, TheDatabaseItselfRefusesASecondJobOfAVm) {
  leave_schema_11();
  const Status done = migrate(migrations());
  ASSERT_TRUE(done) << done.error().message;
  const auto insert_running = [&](const std::string& id, const std::string& vm) {
    database_->execute(
        "INSERT INTO jobs (id, vm_id, revision, action, state, incarnation, before, owner, term, created_at) VALUES "
        "('" +
        id + "', '" + vm + "', 1, 'init-host', 'running', 0, '{\"state\":\"created\"}', 'o', 1, 'now')");
  };
  EXPECT_THROW(insert_running("job-3", kRuns), Poco::Exception);
  EXPECT_NO_THROW(insert_running("job-4", kShut));
  EXPECT_NO_THROW(insert_running("job-5", ""));
  EXPECT_NO_THROW(insert_running("job-6", ""));
}

TEST_P(SchemaTest, ABrokenMigrationIsUndoneAndNamesItself) {
  leave_schema_11();
  std::vector<Migration> broken(up_to(12).begin(), up_to(12).end());
  broken.push_back({13, 13, "CREATE TABLE half (n INTEGER);\nDELETE FROM jobs;\nINSERT INTO no_such VALUES (1)"});
  const Status refused = migrate(broken);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::internal);
  EXPECT_NE(refused.error().message.find("migration 13 of the database failed and was undone"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(number(), "12") << "what came before it is done";
  EXPECT_FALSE(has_table("half"));
  EXPECT_EQ(database_->ask("SELECT CAST(COUNT(*) AS TEXT) FROM jobs"), "2");
  open();
  ASSERT_TRUE(store_) << "the right one goes on from there";
  EXPECT_TRUE(store_->vm(kShut));
  EXPECT_EQ(number(), std::to_string(migrations().back().number));
}

TEST_P(SchemaTest, SecuredIsWhatIsThereBeforeTheFirstOfThem) {
  ASSERT_TRUE(migrate(up_to(11)));
  EXPECT_TRUE(secured_.empty()) << "an empty database has nothing to lose";
  std::vector<Migration> broken(up_to(12).begin(), up_to(12).end());
  broken.push_back({13, 13, "INSERT INTO no_such VALUES (1)"});
  EXPECT_FALSE(migrate(broken));
  ASSERT_TRUE(migrate(migrations()));
  EXPECT_EQ(secured_, (std::vector<std::int64_t>{12, 13})) << "the second doesn't overwrite the first";
  ASSERT_TRUE(migrate(migrations()));
  EXPECT_EQ(secured_.size(), 2u);
}

TEST_P(SchemaTest, TheCopyOfBeforeIsWhatAnOlderServerReads) {
  if (GetParam() != Backend::sqlite) GTEST_SKIP() << "PostgreSQL's copies are its administrator's";
  leave_schema_11();
  open();
  ASSERT_TRUE(store_);
  vm("after");
  const std::string copy = database_->url().path + ".before-12";
  ASSERT_TRUE(std::filesystem::exists(copy));
  Poco::Data::Session old(Poco::Data::SQLite::Connector::KEY, copy);
  const Status opened = migrate(old, up_to(11));
  EXPECT_TRUE(opened) << opened.error().message;
  using namespace Poco::Data::Keywords;
  std::vector<std::string> names;
  std::int64_t finished = 0;
  std::int64_t at = 0;
  old << "SELECT name FROM vms ORDER BY ordinal", into(names), now;
  old << "SELECT finished_s FROM jobs WHERE id = 'job-1'", into(finished), now;
  old << "SELECT at FROM events WHERE seq = 2", into(at), now;
  EXPECT_EQ(names, (std::vector<std::string>{"shut", "runs"}));
  EXPECT_EQ(finished, 1767312001);
  EXPECT_EQ(at, 1769904000);
}

TEST_P(SchemaTest, WithoutTheCopyOfBeforeNothingIsUpgradedAndTheWayOutIsTold) {
  if (GetParam() != Backend::sqlite) GTEST_SKIP() << "PostgreSQL's copies are its administrator's";
  leave_schema_11();
  // A folder of that name can't be replaced by a file.
  std::filesystem::create_directories(database_->url().path + ".before-12/in the way");
  const auto refused = open_another();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("; make room there for a second database"), std::string::npos)
      << refused.error().message;
  EXPECT_FALSE(std::filesystem::exists(database_->url().path + ".before-12.part"));
  EXPECT_EQ(number(), "11");
}

TEST_P(SchemaTest, TheCopyOfBeforeHasWhatOnlyTheLogHas) {
  if (GetParam() != Backend::sqlite) GTEST_SKIP() << "PostgreSQL's copies are its administrator's";
  leave_schema_11();
  using namespace Poco::Data::Keywords;
  Poco::Data::Session killed = database_->connection();
  // As a server leaves it: with a log, and with room in the file, so that the next start needs no checkpoint for that.
  for (const char* sql : {"PRAGMA journal_mode = WAL", "CREATE TABLE room (bytes BLOB)",
                          "INSERT INTO room VALUES (zeroblob(2000000))", "DROP TABLE room"})
    killed << sql, now;
  // Somebody's transaction, which doesn't see the last commit: no checkpoint moves that one into the file.
  Poco::Data::Session reader = database_->connection();
  std::int64_t seen = 0;
  reader << "BEGIN", now;
  reader << "SELECT COUNT(*) FROM vms", into(seen), now;
  killed << "UPDATE vms SET name = 'renamed' WHERE ordinal = 1", now;
  open();
  ASSERT_TRUE(store_);
  const std::string copy = database_->url().path + ".before-12";
  Poco::Data::Session old(Poco::Data::SQLite::Connector::KEY, copy);
  std::vector<std::string> names;
  old << "SELECT name FROM vms ORDER BY ordinal", into(names), now;
  EXPECT_EQ(names, (std::vector<std::string>{"renamed", "runs"}));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(copy).permissions(), perms::owner_read | perms::owner_write);
  EXPECT_FALSE(std::filesystem::exists(copy + ".part"));
  reader << "ROLLBACK", now;
}

TEST_P(SchemaTest, ANewerDatabaseThatThisServerMayUseIsUsed) {
  open();
  ASSERT_TRUE(store_);
  vm("before");
  store_.reset();
  database_->execute("INSERT INTO schema_version (number, min_reader, at) VALUES (99, 1, 'now')");
  open();
  ASSERT_TRUE(store_);
  EXPECT_EQ(store_->vms().size(), 1u);
  vm("after");
  EXPECT_EQ(number(), "99");
}

TEST_P(SchemaTest, ANewerDatabaseThatThisServerMayNotUseIsRefused) {
  open();
  ASSERT_TRUE(store_);
  store_.reset();
  database_->execute("INSERT INTO schema_version (number, min_reader, at) VALUES (99, 99, 'now')");
  auto opened = open_another();
  while (!opened && opened.error().reason == "store-locked") opened = open_another();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::failed_precondition);
  EXPECT_NE(opened.error().message.find("has schema 99, which needs a server that knows schema 99; this one knows " +
                                        std::to_string(migrations().back().number) + ": upgrade it"),
            std::string::npos)
      << opened.error().message;
  // A server of schema 11 refuses the upgraded database too.
  database_->execute("DELETE FROM schema_version WHERE number = 99");
  const Status older = migrate(up_to(11));
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, Code::failed_precondition);
}

INSTANTIATE_TEST_SUITE_P(, SchemaTest, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& param) { return param.param == Backend::sqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace qarax::server
