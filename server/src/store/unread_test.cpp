// This server runs between two newer ones: members that the first wrote and this one doesn't know are still there for
// the second.
#include "unread.hpp"

#include "store_fixture.hpp"

namespace qarax::server {
namespace {

std::string unread_of(const std::string& spec) {
  const auto parsed = json::parse(spec);
  EXPECT_TRUE(parsed);
  return unread::of<VmSpec>(*parsed, spec);
}

TEST(Unread, IsNothingOfWhatIsKnown) {
  VmSpec spec;
  spec.cpu_topology = CpuTopology{};
  spec.config.text = R"({"any":{"thing":1}})";
  EXPECT_EQ(unread_of(encode(spec, Defaults::write)), "");
}

TEST(Unread, KeepsTheSpellingAndTheDepth) {
  EXPECT_EQ(unread_of(R"({"tpm": {"size": 1e3}, "boot_vcpus": 2, "cpu_topology": {"packages": 2, "clusters": 3}})"),
            R"({"tpm":{"size":1e3},"cpu_topology":{"clusters":3}})");
}

TEST(Unread, ComesBackBesideWhatIsWritten) {
  const std::string held = R"({"tpm":{"size":1e3},"cpu_topology":{"clusters":3}})";
  EXPECT_EQ(unread::with(R"({"boot_vcpus":4,"cpu_topology":{"packages":1}})", held),
            R"({"boot_vcpus":4,"cpu_topology":{"packages":1,"clusters":3},"tpm":{"size":1e3}})");
  EXPECT_EQ(unread::with(R"({"boot_vcpus":4,"cpu_topology":null})", held),
            R"({"boot_vcpus":4,"cpu_topology":null,"tpm":{"size":1e3}})");
  EXPECT_EQ(unread::with(R"({"boot_vcpus":4})", ""), R"({"boot_vcpus":4})");
}

class UnreadTest : public StoreTest {
 protected:
  // Adds a member to each of the VM's documents, as a newer server would, and opens the store again.
  void visit_of_a_newer_server() {
    store_.reset();
    for (const char* column : {"spec", "resolved", "restart"})
      database_->execute("UPDATE vms SET " + std::string(column) + " = substr(" + column + ", 1, length(" + column +
                         ") - 1) || CASE WHEN " + column +
                         " = '{}' THEN '' ELSE ',' END || '\"newer\":{\"a\":[1,2]}}'");
    open();
  }
  bool has_newer(const std::string& column, const std::string& table = "vms") {
    store_->flush();
    return database_->ask("SELECT " + column + " FROM " + table).find(R"("newer":{"a":[1,2]})") != std::string::npos;
  }
  VmPtr started(const std::string& name) {
    const HostPtr on = host();
    const VmPtr made = vm(name);
    const auto begun = start(made, on);
    core::VmReport told = report(made, VmState::running, 1);
    told.resolved = VmSpec{};
    return store_->finish_job(begun.job.id, JobState::completed, told);
  }
  void end(const VmPtr& of, std::int64_t seq) {
    store_->apply_report(*of->host_id, report(of, VmState::shutdown, seq));
  }
};

TEST_P(UnreadTest, EditsResizesAndStartsKeepIt) {
  const VmPtr web = started("web");
  end(web, 2);
  visit_of_a_newer_server();
  ASSERT_TRUE(store_->edit_vm({web->id, std::nullopt, [](VmRecord& changed) -> Status {
                                 changed.description = "edited";
                                 changed.restart.limit = 9;
                                 return Ok{};
                               }}));
  for (const char* column : {"spec", "resolved", "restart"}) EXPECT_TRUE(has_newer(column)) << "edit: " << column;
  core::ResizeCommand size;
  size.vcpus = 3;
  ASSERT_TRUE(store_->resize_idle(web->id, size, store_->vm(web->id)->revision));
  const auto begun = start(web, store_->host(*web->host_id));
  for (const char* column : {"spec", "resolved", "restart"}) EXPECT_TRUE(has_newer(column)) << "start: " << column;
  store_->finish_job(begun.job.id, JobState::completed, report(web, VmState::running, 1, "s2"));
  open();
  const VmPtr now = store_->vm(web->id);
  EXPECT_EQ(now->spec.boot_vcpus, 3);
  EXPECT_EQ(now->restart.limit, 9);
  for (const char* column : {"spec", "resolved", "restart"}) EXPECT_TRUE(has_newer(column)) << "restart: " << column;
}

TEST_P(UnreadTest, ASnapshotHasItAndARestoreBringsItBack) {
  const VmPtr web = started("web");
  visit_of_a_newer_server();
  store_->apply_report(*web->host_id, report(web, VmState::running, 1, "s2"));
  BeginJob taking = job(web, core::Action::snapshot);
  taking.arguments.snapshot = "snapshot-1";
  const auto taken = store_->begin_job(taking);
  ASSERT_TRUE(taken) << taken.error().message;
  store_->finish_job(taken->job.id, JobState::completed, report(web, VmState::running, 2, "s2"));
  EXPECT_TRUE(has_newer("spec", "snapshots"));
  EXPECT_TRUE(has_newer("resolved", "snapshots"));

  store_.reset();
  database_->execute("UPDATE vms SET spec = '{}', resolved = '{}'");
  open();
  end(web, 3);
  store_->apply_report(*web->host_id, report(web, VmState::shutdown, 1, "s3"));
  BeginJob restoring = job(web, core::Action::restore);
  restoring.arguments.snapshot = "snapshot-1";
  restoring.placement = Placement{*web->host_id, "qemu", 100, 1000};
  const auto begun = store_->begin_job(restoring);
  ASSERT_TRUE(begun) << begun.error().message;
  store_->finish_job(begun->job.id, JobState::completed, report(web, VmState::running, 2, "s3"));
  EXPECT_TRUE(has_newer("spec"));
  EXPECT_TRUE(has_newer("resolved"));
}

TEST_P(UnreadTest, ANewMachineHasNothingOfTheOldOnes) {
  const VmPtr web = started("web");
  end(web, 2);
  store_->flush();
  visit_of_a_newer_server();
  ASSERT_TRUE(store_->edit_vm({web->id, std::nullopt, [](VmRecord& changed) -> Status {
                                 changed.draft_since = changed.incarnation;
                                 return Ok{};
                               }}));
  const auto begun = start(web, store_->host(*web->host_id));
  core::VmReport told = report(web, VmState::running, 1, "s2");
  told.resolved = VmSpec{};
  store_->finish_job(begun.job.id, JobState::completed, told);
  EXPECT_TRUE(has_newer("spec"));
  EXPECT_FALSE(has_newer("resolved"));
}

INSTANTIATE_TEST_SUITE_P(, UnreadTest, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& param) { return param.param == Backend::sqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace qarax::server
