// A server whose database is lost, or set back to a backup.
#pragma once

#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>

#include <chrono>
#include <filesystem>

#include "editor.hpp"
#include "keep.hpp"
#include "over_a_fake_node.hpp"
#include "wait_until.hpp"

namespace qarax::server {

class AdopterTest : public OverAFakeNode {
 protected:
  Result<api::AdoptPlan> adopt(const std::string& plan) {
    std::string job;
    return adopter_->adopt(host_, plan, 20'000, job);
  }
  // Stops the server, copies its database as the backup, and starts the server again.
  void keep() {
    close();
    std::filesystem::copy(file(), dir_ + "/kept", std::filesystem::copy_options::overwrite_existing);
    open();
    up();
  }
  // Backs up the database while the server runs.
  void back_up() const {
    Poco::Data::Session session("SQLite", file());
    session << "VACUUM INTO '" + dir_ + "/kept'", Poco::Data::Keywords::now;
  }
  // Waits until the node was told of everything that was acknowledged so far.
  void wait_until_told() const {
    const std::int64_t position = store_->progress().position;
    wait_until("the node was told of it all", [&] { return node_.position() >= position; });
  }
  void edit(const std::string& id, const std::string& patch) {
    const auto edited = Editor(*store_, *nodes_).edit_vm({id, patch, std::nullopt});
    ASSERT_TRUE(edited) << edited.error().message;
  }
  void wait_until_kept(const std::string& id) const {
    const auto kept = [&] {
      const VmPtr vm = store_->vm(id);
      return vm->observed.keep == core::fingerprint_of_keep(vm->name, RawJson{encode(keep_of(*vm))});
    };
    wait_until(*store_, "the node keeps the VM's words", kept);
  }
  void lose() {
    close();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file() + suffix);
    open();
    host_ = register_host();
    EXPECT_FALSE(try_connect());
  }
  api::AdoptPlan adopted(const std::string& host) {
    const auto plan = adopter_->plan(host);
    EXPECT_TRUE(plan) << plan.error().message;
    std::string job;
    const auto done = adopter_->adopt(host, plan->plan, 20'000, job);
    EXPECT_TRUE(done) << done.error().message;
    return *done;
  }
  void set_back() {
    close();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file() + suffix);
    std::filesystem::copy(dir_ + "/kept", file());
    open();
  }
  static const api::AdoptVm* line(const api::AdoptPlan& plan, const std::string& id) {
    for (const api::AdoptVm& vm : plan.vms)
      if (vm.id == id) return &vm;
    return nullptr;
  }
  void settle(const std::string& id, VmState wanted) const {
    wait_until(*store_, "a VM without a job of which its node says that it is " + std::string(to_string(wanted)), [&] {
      const VmPtr now = store_->vm(id);
      return now && now->job_id.empty() && now->observed.status.state == wanted && !now->observed.session.empty();
    });
    // A job's end becomes visible a moment after its VM's, under the same lock, which this call takes.
    static_cast<void>(store_->unfinished_jobs());
  }
  void wait_until_read_only() const {
    wait_until("the server is read-only", [&] { return !store_->read_only().empty(); });
  }
};

}  // namespace qarax::server
