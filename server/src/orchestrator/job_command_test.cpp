#include "job_command.hpp"

#include <gtest/gtest.h>

namespace qarax::server {
namespace {

JobRecord job_of(core::Action action) {
  JobRecord job;
  job.vm_id = "a";
  job.action = action;
  return job;
}

TEST(JobCommand, AnErrorOfTheNodeAlwaysGetsAReason) {
  const auto reason = [](Code code, const std::string& said) {
    return explained(make_error(code, "no", said), job_of(core::Action::pause), "web").reason;
  };
  EXPECT_EQ(reason(Code::internal, "disk-full"), "disk-full");
  EXPECT_EQ(reason(Code::unimplemented, "capability-missing"), "unsupported-by-hypervisor");
  EXPECT_EQ(reason(Code::not_found, "vm-not-found"), "wrong-state") << "the server has the VM";
  EXPECT_EQ(reason(Code::invalid_argument, ""), "validation");
  EXPECT_EQ(reason(Code::cancelled, ""), "cancelled");
  EXPECT_EQ(reason(Code::deadline_exceeded, ""), "vmm-silent");
  EXPECT_EQ(reason(Code::unavailable, ""), "vmm-gone");
  EXPECT_EQ(reason(Code::internal, ""), "vmm-failed");
}

TEST(JobCommand, WhatIsWrongWithAResizeIsNamedAsItsRequestNamesIt) {
  Error said = make_error(Code::out_of_range, "too many", "");
  said.details = {{"/vcpus", "at most 8"}, {"/memory", "at most 4 GiB"}};
  const Error resize = explained(said, job_of(core::Action::resize), "web");
  EXPECT_EQ(resize.reason, "validation");
  EXPECT_EQ(resize.details.at(0).pointer, "/desired_vcpus");
  EXPECT_EQ(resize.details.at(1).pointer, "/desired_ram");
  EXPECT_EQ(explained(said, job_of(core::Action::start), "web").details.at(0).pointer, "/vcpus");
}

TEST(JobCommand, ADeleteIsDoneOnlyWhereTheNodeSaysThatTheVmIsGone) {
  core::VmReport there;
  core::VmReport gone;
  gone.deleted = true;
  const JobRecord removal = job_of(core::Action::remove);
  EXPECT_FALSE(fault_of(removal, {true, gone, std::nullopt}));
  EXPECT_TRUE(fault_of(removal, {true, there, std::nullopt}));
  EXPECT_TRUE(fault_of(removal, {true, std::nullopt, std::nullopt}));
  EXPECT_FALSE(fault_of(job_of(core::Action::stop), {true, there, std::nullopt}));
}

}  // namespace
}  // namespace qarax::server
