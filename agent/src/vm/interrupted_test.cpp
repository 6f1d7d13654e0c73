#include "interrupted.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "qarax/core/documents.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class InterruptedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Journal::open(folder_ / "journal", After::agent);
    ASSERT_TRUE(opened);
    journal_.emplace(std::move(*opened));
  }
  void append(RecordKind kind, std::int64_t revision, std::int32_t step, std::optional<VmState> state = std::nullopt) {
    JournalRecord record;
    record.kind = kind;
    record.revision = revision;
    record.step = step;
    record.action = "start";
    VmStatus status;
    if (state) {
      status.state = *state;
      record.status.text = encode(status);
    }
    ASSERT_TRUE(journal_->append(record, Outlives::agent));
  }
  static VmStatus status_of(VmState state) {
    VmStatus status;
    status.state = state;
    return status;
  }
  std::optional<Error> why(const std::string& action, VmState now, const std::optional<Error>& broken = std::nullopt,
                           const std::string& document = "null") {
    JournalRecord intent;
    intent.kind = RecordKind::intent;
    intent.action = action;
    intent.document.text = document;
    return why_unfinished(intent, status_of(now), broken, folder_.path());
  }

  TempFolder folder_;
  std::optional<Journal> journal_;
};

TEST_F(InterruptedTest, NothingIsKnownFromAnEmptyJournal) {
  EXPECT_EQ(latest(*journal_, RecordKind::intent), nullptr);
  EXPECT_EQ(interrupted_command(*journal_), nullptr);
  EXPECT_FALSE(last_certain_status(*journal_));
}

TEST_F(InterruptedTest, AnIntentWithoutItsResultWasInterrupted) {
  append(RecordKind::intent, 1, 1);
  append(RecordKind::result, 1, 1, VmState::running);
  EXPECT_EQ(interrupted_command(*journal_), nullptr);
  append(RecordKind::intent, 1, 2);
  ASSERT_NE(interrupted_command(*journal_), nullptr);
  EXPECT_EQ(interrupted_command(*journal_)->step, 2);
  EXPECT_FALSE(last_certain_status(*journal_)) << "a command began after it";
  append(RecordKind::exit, 0, 0, VmState::shutdown);
  EXPECT_NE(interrupted_command(*journal_), nullptr) << "an exit is no result";
  append(RecordKind::result, 2, 1, VmState::shutdown);
  EXPECT_EQ(interrupted_command(*journal_), nullptr) << "a later command's result";
}

TEST_F(InterruptedTest, OnlyAStopIsACommandAgain) {
  const std::string vm = "6f1d1f3e-2f4b-4f58-9a45-0c6a3f4f9b11";
  JournalRecord intent;
  intent.kind = RecordKind::intent;
  for (const core::Action action : core::kActions) {
    ++intent.revision;
    intent.step = 2;
    intent.action = core::to_string(action);
    intent.document.text = action == core::Action::stop ? R"({"timeout_ms":7})" : "null";
    ASSERT_TRUE(journal_->append(intent, Outlives::agent));
    const auto stop = interrupted_stop(*journal_, vm);
    ASSERT_EQ(stop.has_value(), action == core::Action::stop || action == core::Action::force_stop);
    if (!stop) continue;
    EXPECT_EQ(stop->vm, vm);
    EXPECT_EQ(stop->action, action);
    EXPECT_EQ(stop->revision, intent.revision);
    EXPECT_EQ(stop->step, 2);
    EXPECT_EQ(stop->document, action == core::Action::stop ? R"({"timeout_ms":7})" : "");
  }
  append(RecordKind::result, intent.revision, 2, VmState::shutdown);
  EXPECT_FALSE(interrupted_stop(*journal_, vm));
}

TEST_F(InterruptedTest, TheLatestResultOrExitIsCertain) {
  append(RecordKind::intent, 1, 1);
  append(RecordKind::result, 1, 1, VmState::running);
  ASSERT_TRUE(last_certain_status(*journal_));
  EXPECT_EQ(last_certain_status(*journal_)->state, VmState::running);
  append(RecordKind::exit, 0, 0, VmState::shutdown);
  EXPECT_EQ(last_certain_status(*journal_)->state, VmState::shutdown);
  append(RecordKind::result, 2, 1);
  EXPECT_EQ(last_certain_status(*journal_)->state, VmState::shutdown) << "a record without a status says nothing";
}

TEST_F(InterruptedTest, ACommandIsFinishedIfTheVmIsWhatItAskedFor) {
  EXPECT_FALSE(why("start", VmState::running));
  EXPECT_FALSE(why("pause", VmState::paused));
  const auto undone = why("start", VmState::shutdown);
  ASSERT_TRUE(undone);
  EXPECT_EQ(undone->code, Code::aborted);
  EXPECT_EQ(undone->reason, "interrupted");
}

TEST_F(InterruptedTest, AStateDoesNotTellOfADeleteOrAReboot) {
  EXPECT_TRUE(why("delete", VmState::shutdown));
  EXPECT_TRUE(why("reboot", VmState::running));
}

TEST_F(InterruptedTest, AResizeIsFinishedIfItCouldBeCarriedThrough) {
  EXPECT_FALSE(why("resize", VmState::running));
  const auto broken = why("resize", VmState::running, make_error(Code::internal, "no memory"));
  ASSERT_TRUE(broken);
  EXPECT_EQ(broken->message, "no memory");
  EXPECT_TRUE(why("resize", VmState::shutdown)) << "it ended with its VMM";
}

TEST_F(InterruptedTest, ASnapshotIsFinishedIfItHasItsName) {
  core::SnapshotCommand command;
  command.id = "6f1d1f3e-2f4b-4f58-9a45-0c6a3f4f9b11";
  EXPECT_TRUE(why("snapshot", VmState::running, std::nullopt, encode(command)));
  std::filesystem::create_directories(folder_ / ("snapshots/" + command.id));
  std::ofstream(folder_ / ("snapshots/" + command.id + "/manifest.json")) << "{}";
  EXPECT_FALSE(why("snapshot", VmState::running, std::nullopt, encode(command)));
}

}  // namespace
}  // namespace qarax::agent
