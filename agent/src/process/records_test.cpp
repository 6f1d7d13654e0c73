#include "records.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class RecordsTest : public ::testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) const { std::ofstream(dir_ + "/" + file) << text; }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
};

TEST_F(RecordsTest, TheSupervisorsRecordNamesBothProcesses) {
  EXPECT_EQ(read_supervisor_record(dir_).error().code, Code::not_found);
  write("supervisor.json",
        R"({"format":1,"min_reader":1,"vmm_pid":7,"vmm_start_time":70,"supervisor_pid":6,"supervisor_start_time":60,)"
        R"("started_at":"2026-01-01T00:00:00.000Z","boot_id":"b","added_later":true})");
  const auto record = read_supervisor_record(dir_);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->vmm.pid, 7);
  EXPECT_EQ(record->vmm.start_time, 70);
  EXPECT_EQ(record->supervisor.pid, 6);
  EXPECT_EQ(record->supervisor.start_time, 60);
  EXPECT_EQ(record->boot_id, "b");
}

TEST_F(RecordsTest, WhatCantBeReadIsDamageAndNeverAbsence) {
  for (const char* text :
       {"", "{\"vmm_pid\":", "[]", "{}", R"({"format":1,"min_reader":1,"vmm_pid":0,"supervisor_pid":1})"}) {
    write("supervisor.json", text);
    EXPECT_EQ(read_supervisor_record(dir_).error().code, Code::data_loss) << text;
  }
}

TEST_F(RecordsTest, ANewerFormatIsLeftAloneAndSaysSo) {
  write("supervisor.json", R"({"format":9,"min_reader":9,"vmm_pid":7,"supervisor_pid":6})");
  const auto record = read_supervisor_record(dir_);
  EXPECT_EQ(record.error().code, Code::data_loss);
  EXPECT_NE(record.error().message.find("upgrade this node"), std::string::npos) << record.error().message;
}

TEST_F(RecordsTest, AnExitThatWasBegunToBeRecordedIsReadWhereItIsWhole) {
  const SupervisorRecord of{{7, 70}, {6, 60}, "b", ""};
  std::string whole = R"({"format":1,"min_reader":1,"kind":"exited","code":3,"signal":0,"vmm_pid":7,)"
                      R"("vmm_start_time":70,"boot_id":"b"})";
  EXPECT_FALSE(read_begun_exit_record(dir_, of));
  write("exit.json.tmp", std::string(1024, '\0'));
  EXPECT_FALSE(read_begun_exit_record(dir_, of)) << "only its room was set aside";
  write("exit.json.tmp", whole.substr(0, 60) + std::string(1024, '\0'));
  EXPECT_FALSE(read_begun_exit_record(dir_, of));
  whole += "\n";
  whole.resize(1024);
  write("exit.json.tmp", whole);
  const auto begun = read_begun_exit_record(dir_, of);
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->kind, ExitKind::exited);
  EXPECT_EQ(begun->code, 3);
  EXPECT_FALSE(read_exit_record(dir_)) << "it isn't in place";
  EXPECT_FALSE(read_begun_exit_record(dir_, {{7, 71}, {6, 60}, "b", ""})) << "of another VMM";
  EXPECT_FALSE(read_begun_exit_record(dir_, {{7, 70}, {6, 60}, "c", ""})) << "of another boot";
}

TEST_F(RecordsTest, AnExitIsReadWithTheVmmsLastWords) {
  EXPECT_FALSE(read_exit_record(dir_));
  write("vmm.log", std::string(8000, 'x') + "\xff last words");
  write("exit.json", R"({"format":1,"min_reader":1,"kind":"exited","code":3,"at":"2026-01-01T00:00:00.000Z"})");
  const auto exited = read_exit_record(dir_);
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->kind, ExitKind::exited);
  EXPECT_EQ(exited->code, 3);
  EXPECT_LE(exited->log_tail.size(), 4096u + 2);
  EXPECT_TRUE(exited->log_tail.ends_with("\xEF\xBF\xBD last words")) << "what isn't UTF-8 is repaired";
  write("exit.json", R"({"format":1,"min_reader":1,"kind":"signaled","signal":9})");
  EXPECT_EQ(read_exit_record(dir_)->kind, ExitKind::signaled);
  EXPECT_EQ(read_exit_record(dir_)->signal, 9);
  write("exit.json", R"({"format":2,"min_reader":1,"kind":"evaporated"})");
  EXPECT_EQ(read_exit_record(dir_)->kind, ExitKind::unknown);
}

TEST_F(RecordsTest, TheLastWordsOfALogThatWasCutAreInTheOlderFile) {
  write("vmm.log.1", std::string(8000, 'x') + "last words\n");
  write("vmm.log", "[qarax: the log was cut]\n");
  const std::string tail = vmm_log_tail(dir_);
  EXPECT_EQ(tail.size(), 4096u);
  EXPECT_TRUE(tail.ends_with("xlast words\n[qarax: the log was cut]\n")) << tail;
}

TEST_F(RecordsTest, TheLockTellsWhetherASupervisorLives) {
  EXPECT_FALSE(supervisor_holds_lock(dir_));
  write("supervisor.lock", "1 1\n");
  EXPECT_FALSE(supervisor_holds_lock(dir_)) << "a file alone is nobody's";
  int ready[2];
  int leash[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(leash), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(leash[1]);
    const int fd = ::open((dir_ + "/supervisor.lock").c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    char byte = ::fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';
    static_cast<void>(::write(ready[1], &byte, 1));
    static_cast<void>(::read(leash[0], &byte, 1));
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_TRUE(supervisor_holds_lock(dir_));
  ::close(leash[1]);
  ::waitpid(pid, nullptr, 0);
  EXPECT_FALSE(supervisor_holds_lock(dir_));
  for (const int fd : {ready[0], ready[1], leash[0]}) ::close(fd);
}

}  // namespace
}  // namespace qarax::agent
