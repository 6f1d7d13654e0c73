#include "program.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "temp_folder.hpp"
#include "test_host.hpp"

namespace qarax::qemu {
namespace {

using testing::ScriptedHost;

constexpr const char* kMachines =
    "Supported machines are:\n"
    "microvm              microvm (i386)\n"
    "pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)\n"
    "pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)\n"
    "q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)\n"
    "pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)\n";

TEST(Output, VersionAndMachines) {
  EXPECT_EQ(version_in("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg)\nCopyright"), "7.2.22");
  EXPECT_EQ(version_in("QEMU emulator version 10.0.2\n"), "10.0.2");
  EXPECT_EQ(version_in("something else"), "");
  EXPECT_EQ(machine_in(kMachines, "q35"), "pc-q35-7.2");
  EXPECT_EQ(machine_in(kMachines, "pc"), "pc-i440fx-7.2");
  EXPECT_EQ(machine_in(kMachines, "microvm"), "");
  EXPECT_EQ(machine_in("", "q35"), "");
}

class FindProgram : public ::testing::Test {
 protected:
  FindProgram() {
    settings.binary = dir_ + "/qemu";
    std::ofstream(settings.binary) << "one";
    ::chmod(settings.binary.c_str(), 0755);
  }
  Program find() { return find_program(host, settings, dir_); }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  ScriptedHost host;
  Settings settings;
};

TEST_F(FindProgram, IsAskedOnceForAsLongAsTheFileIsTheSame) {
  const Program first = find();
  EXPECT_EQ(first.version, "7.2.22");
  EXPECT_EQ(first.q35, "pc-q35-7.2");
  EXPECT_TRUE(first.can_sandbox);
  EXPECT_EQ(host.count("run"), 2);
  const Program second = find();
  EXPECT_EQ(host.count("run"), 2);
  EXPECT_EQ(second.version, "7.2.22");
  EXPECT_EQ(second.path, settings.binary);
  std::ofstream(settings.binary) << "another one";
  find();
  EXPECT_EQ(host.count("run"), 4);
  std::ofstream(dir_ + "/program") << "torn";
  EXPECT_EQ(find().version, "7.2.22");
  EXPECT_EQ(host.count("run"), 6);
}

TEST_F(FindProgram, AQemuWithoutSeccompIsUsedWithout) {
  host.on_run = [](const RunArgs& args) -> Result<RunResult> {
    RunResult out;
    out.exit.kind = ExitKind::exited;
    out.exit.code = args.argv.at(1) == "-sandbox" ? 1 : 0;
    out.output = args.argv.at(1) == "--version" ? "QEMU emulator version 9.0.0\n" : kMachines;
    return out;
  };
  const Program program = find();
  EXPECT_FALSE(program.can_sandbox);
  EXPECT_EQ(program.q35, "pc-q35-7.2");
}

TEST_F(FindProgram, AnAnswerThatDidNotComeIsNeitherKeptNorTakenForALackOfSeccomp) {
  host.on_run = [](const RunArgs&) -> Result<RunResult> { return make_error(Code::unavailable, "busy"); };
  EXPECT_TRUE(find().can_sandbox);
  EXPECT_EQ(host.count("run"), 3);
  EXPECT_NE(find().unanswered.find("busy"), std::string::npos);
  host.on_run = nullptr;
  EXPECT_EQ(find().version, "7.2.22");
}

TEST_F(FindProgram, WhatCanNotBeRunIsNamed) {
  settings.binary = "qemu-system-x86_64";
  EXPECT_EQ(find().path, "") << "a relative path depends on who started the node";
  EXPECT_NE(find().why_not.find("can't be run: it has to be an absolute path"), std::string::npos) << find().why_not;
  settings.binary = dir_ + "/none";
  const Program program = find();
  EXPECT_EQ(program.path, "");
  EXPECT_NE(program.why_not.find(settings.binary), std::string::npos);
}

}  // namespace
}  // namespace qarax::qemu
