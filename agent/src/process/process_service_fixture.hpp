// The service with the real supervisor and its test VMM. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

#include "process_service.hpp"
#include "qarax/core/ids.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {

inline constexpr std::chrono::seconds kPatience{10};
inline const CallLimits kLimits = CallLimits{}.within_ms(60'000);

class ProcessServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ + "/vms/" + vm_);
    open(Cgroups::none());
  }
  void TearDown() override {
    EXPECT_TRUE(service_->kill_all(vm_, kLimits));
    service_->clean_up(vm_, 1);
    service_->leave();
    service_.reset();
  }
  void open(Cgroups cgroups, const std::string& supervisor = QARAX_SUPERVISOR) {
    ProcessService::Options options{supervisor, dir_ + "/vms"};
    options.record_ms = record_ms_;
    options.exit_record_ms = exit_record_ms_;
    service_ = std::make_unique<ProcessService>(std::move(options), std::move(cgroups),
                                                [this](const std::string& vm, std::int64_t incarnation) {
                                                  EXPECT_EQ(vm, vm_);
                                                  const std::lock_guard lock(mutex_);
                                                  exits_.push_back(incarnation);
                                                  told_.notify_all();
                                                });
  }
  // Like an agent that was restarted, which knows only what is on disk.
  void reopen() {
    service_.reset();
    const std::lock_guard lock(mutex_);
    exits_.clear();
    open(Cgroups::none());
  }
  SpawnArgs vmm(std::vector<std::string> commands) const {
    SpawnArgs args;
    args.vm = vm_;
    args.incarnation = 1;
    args.argv = {QARAX_TEST_VMM};
    args.argv.insert(args.argv.end(), commands.begin(), commands.end());
    return args;
  }
  Process spawn(std::vector<std::string> commands) {
    auto process = service_->spawn(vmm(std::move(commands)), {}, kLimits);
    EXPECT_TRUE(process) << process.error().message;
    return process ? *process : Process{};
  }
  std::int64_t exited() {
    std::unique_lock lock(mutex_);
    if (!told_.wait_for(lock, kPatience, [&] { return !exits_.empty(); })) return -1;
    const std::int64_t next = exits_.front();
    exits_.pop_front();
    return next;
  }
  ProcessArgs process() const { return {vm_, 1}; }
  std::string run_dir() const { return service_->run_dir(vm_, 1); }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  std::string vm_ = core::new_uuid();
  std::int64_t record_ms_ = 5'000;
  std::int64_t exit_record_ms_ = 5'000;
  std::mutex mutex_;
  std::condition_variable told_;
  std::deque<std::int64_t> exits_;  // incarnations, in the order in which their exits were reported
  std::unique_ptr<ProcessService> service_;
};

}  // namespace qarax::agent
