// Reports and ends of jobs that come while it isn't known whether a change was committed.
#include <future>

#include "lossy_line.hpp"
#include "store_fixture.hpp"

namespace qarax::server {
namespace {

class LostAnswerTest : public StoreTest {
 protected:
  Result<std::unique_ptr<Store>> open_another() const override {
    if (!line_) line_.emplace(database_->url());
    return open_postgres(line_->url());
  }
  void TearDown() override { store_.reset(); }
  mutable std::optional<LossyLine> line_;
};

TEST_P(LostAnswerTest, AResizeThatEndsMeanwhileIsntUndoneByAnEditOfTheWords) {
  constexpr std::int64_t kSize = 600LL << 20;
  const VmPtr web = running("web", host());
  BeginJob asked = job(web, core::Action::resize);
  asked.arguments.resize = {3, kSize};
  asked.capacity = 1LL << 40;
  const auto resize = store_->begin_job(asked);
  ASSERT_TRUE(resize) << resize.error().message;
  store_->flush();  // so that the next commit is the edit's
  line_->lose_next_answer();
  auto editing = std::async(std::launch::async, [&] {
    return store_->edit_vm({web->id, std::nullopt, [](VmRecord& vm) -> Status {
                              vm.description = "words";
                              return Ok{};
                            }});
  });
  ASSERT_TRUE(line_->loses_answer_of(editing));
  ASSERT_TRUE(store_->finish_job(resize->job.id, JobState::completed, report(web, VmState::running, 2)));
  line_->open();
  const auto edited = editing.get();
  ASSERT_TRUE(edited) << edited.error().message;
  EXPECT_EQ((*edited)->description, "words");
  EXPECT_EQ((*edited)->spec.memory_size, kSize);
  EXPECT_EQ((*edited)->spec.boot_vcpus, 3);
  store_->flush();
  open();
  EXPECT_EQ(store_->vm(web->id)->spec.memory_size, kSize) << "on disk too";
}

TEST_P(LostAnswerTest, AHostThatIsHeardMeanwhileIsNotAwaitedAfterwards) {
  const HostPtr proves = host();
  const std::string heard = (*store_->add_host({"heard", "127.0.0.1", 2, ""}))->id;
  store_->flush();  // so that the next commit is this one's
  line_->lose_next_answer();
  auto editing = std::async(std::launch::async, [&] { return store_->pin_node(proves->id, "n1"); });
  ASSERT_TRUE(line_->loses_answer_of(editing));
  EXPECT_TRUE(store_->hear(heard)) << "it needs no database";
  line_->open();
  ASSERT_TRUE(editing.get());
  ASSERT_TRUE(store_->mark_set_back(proves->id, "it knows more"));
  EXPECT_TRUE(store_->host(heard)->needs_adopt.empty());
}

TEST_P(LostAnswerTest, AHostThatIsHeardWhileTheProofIsInDoubtIsNotAwaitedEither) {
  const HostPtr proves = host();
  const std::string heard = (*store_->add_host({"heard", "127.0.0.1", 2, ""}))->id;
  store_->flush();  // so that the next commit is this one's
  line_->lose_next_answer();
  auto proving = std::async(std::launch::async, [&] { return store_->mark_set_back(proves->id, "it knows more"); });
  ASSERT_TRUE(line_->loses_answer_of(proving));
  ASSERT_TRUE(store_->hear(heard));
  line_->open();
  ASSERT_TRUE(proving.get());
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(store_->host(proves->id)->needs_adopt.empty());
    EXPECT_TRUE(store_->host(heard)->needs_adopt.empty()) << store_->host(heard)->needs_adopt;
    store_->flush();
    open();
  }
}

INSTANTIATE_TEST_SUITE_P(Postgres, LostAnswerTest, ::testing::Values(Backend::postgres));

}  // namespace
}  // namespace qarax::server
