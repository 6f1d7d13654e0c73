// A store on a database of the test's own, and helpers to create VMs in it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "store.hpp"
#include "test_database.hpp"

namespace qarax::server {

class StoreTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (!TestDatabase::there(GetParam())) GTEST_SKIP() << "QARAX_TEST_POSTGRES names no server";
    database_.emplace(GetParam());
    open();
  }
  virtual Result<std::unique_ptr<Store>> open_another() const { return open_store(database_->url()); }
  // A killed server holds its lock until PostgreSQL notices that its connection has ended.
  void open() {
    store_.reset();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto opened = open_another();
    while (!opened && opened.error().reason == "store-locked" && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
      opened = open_another();
    }
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  VmPtr vm(const std::string& name) {
    auto made = store_->create_vm({name, std::nullopt, "", std::nullopt, {}});
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  HostPtr host() {
    auto made = store_->add_host({"h1", "127.0.0.1", 1, ""});
    EXPECT_TRUE(made);
    return *made;
  }
  BeginJob job(const VmPtr& of, core::Action action) const {
    BeginJob out;
    out.vm_id = of->id;
    out.action = action;
    out.expected_revision = store_->vm(of->id)->revision;
    return out;
  }
  BegunJob start(const VmPtr& of, const HostPtr& on, std::int64_t memory = 100) {
    BeginJob asked = job(of, core::Action::start);
    asked.placement = Placement{on->id, "qemu", memory, 1000};
    auto begun = store_->begin_job(asked);
    EXPECT_TRUE(begun) << begun.error().message;
    return *begun;
  }
  core::VmReport report(const VmPtr& of, VmState state, std::int64_t seq, const std::string& session = "s1") const {
    core::VmReport out;
    out.vm = of->id;
    out.incarnation = store_->vm(of->id)->incarnation;
    out.session = session;
    out.seq = seq;
    out.status.state = state;
    return out;
  }
  VmPtr running(const std::string& name, const HostPtr& on) {
    const VmPtr made = vm(name);
    const auto begun = start(made, on);
    return store_->finish_job(begun.job.id, JobState::completed, report(made, VmState::running, 1));
  }
  // A VM that was adopted from a node which hadn't looked at it yet.
  VmPtr adopted_unseen(const std::string& name, const HostPtr& on) {
    VmRecord unseen = *running(name, on);
    EXPECT_TRUE(store_->remove_vm(unseen.id, Removal::by_job));
    unseen.desired.state = unseen.observed.status.state = VmState::unknown;
    unseen.observed.seq = 0;
    Adoption adoption;
    adoption.host_id = on->id;
    adoption.vms = {unseen};
    EXPECT_TRUE(store_->adopt(adoption));
    return store_->vm(unseen.id);
  }
  std::optional<TestDatabase> database_;
  std::unique_ptr<Store> store_;
};

}  // namespace qarax::server
