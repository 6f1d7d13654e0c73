// Documents of a later server: which unknown members may be ignored, and which would make the machine a different one.
#include "command_document.hpp"

#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

std::string refusal(const Error& error) {
  return error.code == Code::unimplemented && error.reason == "node-outdated" ? error.message : "no refusal";
}

TEST(CommandDocument, ALaterServersEnvelopeIsUnderstood) {
  const auto start = start_command_in(
      R"({"name":"web","hypervisor":"fake","spec":{"boot_vcpus":2},"resolved":null,"keep":{"later":1},"later":true})");
  ASSERT_TRUE(start) << start.error().message;
  EXPECT_EQ(start->spec.boot_vcpus, 2);
  EXPECT_EQ(start->keep.text, R"({"later":1})");
}

TEST(CommandDocument, AMachineThatIsntKnownWholeIsRefusedByName) {
  const auto spec = start_command_in(R"({"hypervisor":"fake","spec":{"boot_vcpus":2,"later_device":{}}})");
  ASSERT_FALSE(spec);
  EXPECT_NE(refusal(spec.error()).find("/spec/later_device"), std::string::npos) << spec.error().message;
  ASSERT_EQ(spec.error().details.size(), 1u);
  EXPECT_EQ(spec.error().details[0].pointer, "/spec/later_device");
  const auto resolved = start_command_in(R"({"hypervisor":"fake","spec":{},"resolved":{"later_device":{}}})");
  ASSERT_FALSE(resolved);
  EXPECT_NE(refusal(resolved.error()).find("/resolved/later_device"), std::string::npos) << resolved.error().message;
  const auto size = resize_command_in(R"({"vcpus":2,"later_size":1})");
  ASSERT_FALSE(size);
  EXPECT_NE(refusal(size.error()).find("/later_size"), std::string::npos) << size.error().message;
}

TEST(CommandDocument, WhatIsWrongAnywayIsNoOlderNodesFault) {
  for (const char* document :
       {"{", R"({"hypervisor":"fake"})", R"({"hypervisor":"fake","spec":{"boot_vcpus":"two"}})"}) {
    const auto start = start_command_in(document);
    ASSERT_FALSE(start) << document;
    EXPECT_EQ(start.error().code, Code::invalid_argument) << document;
  }
  EXPECT_EQ(resize_command_in(R"({"vcpus":0,"later":1})").error().reason, "validation");
}

TEST_F(ManagerTest, AMachineOfALaterServerIsNeitherMadeNorRecorded) {
  const std::string later = R"({"name":"web","hypervisor":"fake","spec":{"later_device":{}}})";
  EXPECT_EQ(manager_->resolve(later, 0).error().reason, "node-outdated");
  EXPECT_EQ(start(1, later).outcome.error().reason, "node-outdated");
  EXPECT_EQ(driver_.starts, 0);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  ASSERT_TRUE(run(command(Action::start, 2)).outcome);
  Command size = resize(3, 3);
  size.document = R"({"vcpus":3,"later_size":1})";
  EXPECT_EQ(run(size).outcome.error().reason, "node-outdated");
  EXPECT_NE(driver_.vcpus, 3);
}

TEST_F(ManagerTest, WhatALaterAgentBeganAndKeptIsStillUnderstood) {
  run(command(Action::start, 1));
  Command size = resize(2, 4);
  size.document = R"({"vcpus":4,"later_size":1})";
  interrupt(size, VmState::running);
  const std::string document = dir_ + "/vms/" + vm_ + "/vm.json";
  auto text = core::read_file(document);
  ASSERT_TRUE(text);
  const std::size_t at = text->find("\"resolved\":{");
  ASSERT_NE(at, std::string::npos) << *text;
  text->insert(at + 12, text->at(at + 12) == '}' ? R"("later_device":{})" : R"("later_device":{},)");
  ASSERT_TRUE(core::write_file_durably(document, *text));
  open();
  EXPECT_EQ(settled().status.status_reason, "") << "its document is read, too";
  EXPECT_EQ(driver_.vcpus, 4);
}

}  // namespace
}  // namespace qarax::agent
