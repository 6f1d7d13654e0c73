// The store's contract, on a real SQLite file and a real PostgreSQL.
#include "store.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "qarax/core/ids.hpp"
#include "store_fixture.hpp"

namespace qarax::server {
namespace {

using core::Action;

TEST_P(StoreTest, NamesAreUniqueAndTheRefusalChangesNothing) {
  const VmPtr first = vm("web");
  const auto second = store_->create_vm({"web", std::nullopt, "", std::nullopt, {}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "name-taken");
  EXPECT_EQ(store_->vms().size(), 1u);
  ASSERT_TRUE(store_->remove_vm(first->id, Removal::never_placed));
  EXPECT_TRUE(store_->create_vm({"web", std::nullopt, "", std::nullopt, {}}));
}

// A client may have the order of a VM that is gone by now as the end of a page.
TEST_P(StoreTest, APlaceInTheOrderIsNeverGivenTwice) {
  const VmPtr first = vm("first");
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(store_->create_vm({"first", std::nullopt, "", std::nullopt, {}}));
  const VmPtr last = vm("last");
  EXPECT_GT(last->order, first->order);
  ASSERT_TRUE(store_->remove_vm(last->id, Removal::never_placed));
  ASSERT_TRUE(store_->remove_vm(first->id, Removal::never_placed));
  open();
  const VmPtr next = vm("next");
  EXPECT_GT(next->order, last->order);
  open();
  EXPECT_EQ(store_->vm(next->id)->order, next->order);
}

TEST_P(StoreTest, CreatesAtOneMomentHaveOrdersOfTheirOwn) {
  std::vector<std::future<VmPtr>> made;
  made.reserve(16);
  for (int i = 0; i < 16; ++i)
    made.push_back(std::async(std::launch::async, [&, name = "vm" + std::to_string(i)] { return vm(name); }));
  for (auto& one : made) one.wait();
  const std::vector<VmPtr> all = store_->vms();
  ASSERT_EQ(all.size(), 16u);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GT(all[i]->order, all[i - 1]->order);
}

TEST_P(StoreTest, WhatWasAcknowledgedIsThereAfterAnOpen) {
  VmSpec spec;
  spec.boot_vcpus = spec.max_vcpus = 3;
  const auto made = store_->create_vm({"web", "words", "qemu", std::nullopt, spec});
  ASSERT_TRUE(made);
  const HostPtr on = host();
  start(*made, on);
  open();
  const VmPtr again = store_->vm((*made)->id);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->spec.boot_vcpus, 3);
  EXPECT_EQ(again->description, "words");
  EXPECT_EQ(again->incarnation, 1);
  EXPECT_EQ(again->desired.state, VmState::running);
  EXPECT_EQ(again->activity, "start");
  ASSERT_EQ(store_->unfinished_jobs().size(), 1u);
  EXPECT_EQ(store_->reservations().size(), 1u);
}

TEST_P(StoreTest, AnEditIsWholeOrNotAtAllAndSurvivesAnOpen) {
  const VmPtr made = vm("web");
  vm("other");
  const auto renamed = [&](const std::string& name, std::optional<std::uint64_t> version) {
    return store_->edit_vm({made->id, version, [&](VmRecord& changed) -> Status {
                              changed.name = name;
                              changed.tags = {"a", "b"};
                              changed.spec.memory_size = 1 << 20;
                              return Ok{};
                            }});
  };
  const auto taken = renamed("other", std::nullopt);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, "name-taken");
  EXPECT_TRUE(store_->vm(made->id)->tags.empty());
  const auto overtaken = renamed("front", made->version + 99);
  ASSERT_FALSE(overtaken);
  EXPECT_EQ(overtaken.error().reason, "precondition-failed");
  const auto changed = renamed("front", made->version);
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_GT((*changed)->version, made->version);
  open();
  const VmPtr again = store_->vm(made->id);
  EXPECT_EQ(again->name, "front");
  EXPECT_EQ(again->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(again->spec.memory_size, 1 << 20);
  EXPECT_TRUE(store_->create_vm({"web", std::nullopt, "", std::nullopt, {}}));
}

// A late report of the incarnation before the edit must not bring the old machine back.

TEST_P(StoreTest, OnlyTheNextStartSettlesAnEditedMachine) {
  const HostPtr on = host();
  const VmPtr made = vm("web");
  const auto frozen = [&](std::int64_t memory, std::int64_t seq, VmState state) {
    core::VmReport out = report(made, state, seq);
    out.resolved.emplace().memory_size = memory;
    return out;
  };
  const auto begun = start(made, on);
  store_->finish_job(begun.job.id, JobState::completed, frozen(1 << 20, 1, VmState::running));
  store_->apply_report(on->id, frozen(1 << 20, 2, VmState::shutdown));
  ASSERT_TRUE(store_->edit_vm({made->id, std::nullopt, [](VmRecord& changed) -> Status {
                                 changed.resolved->memory_size = 2 << 20;
                                 changed.draft_since = changed.incarnation;
                                 return Ok{};
                               }}));
  store_->apply_report(on->id, frozen(1 << 20, 3, VmState::shutdown));
  EXPECT_EQ(store_->vm(made->id)->resolved->memory_size, 2 << 20);
  open();
  EXPECT_EQ(store_->vm(made->id)->draft_since, 1);
  const auto again = start(made, on);
  store_->finish_job(again.job.id, JobState::completed, frozen(3 << 20, 9, VmState::running));
  EXPECT_EQ(store_->vm(made->id)->resolved->memory_size, 3 << 20);
  EXPECT_EQ(store_->vm(made->id)->draft_since, 0);
}

TEST_P(StoreTest, KillNineLosesNothingThatWasAnswered) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  store_.reset();
  const pid_t child = fork();
  if (child == 0) {
    auto store = open_another();
    if (!store) _exit(1);
    for (int i = 0; i < 10'000; ++i) {
      const auto made = (*store)->create_vm({"vm-" + std::to_string(i), std::nullopt, "", std::nullopt, {}});
      if (!made || write(ends[1], (*made)->id.data(), 36) != 36) _exit(2);
    }
    _exit(0);
  }
  close(ends[1]);
  std::vector<std::string> answered;
  char id[36];
  while (answered.size() < 50 && read(ends[0], id, sizeof id) == sizeof id) answered.emplace_back(id, sizeof id);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  while (read(ends[0], id, sizeof id) == sizeof id) answered.emplace_back(id, sizeof id);
  int status = 0;
  waitpid(child, &status, 0);
  close(ends[0]);
  ASSERT_GE(answered.size(), 50u);
  open();
  for (const auto& one : answered) EXPECT_TRUE(store_->vm(one)) << one;
}

TEST_P(StoreTest, OneUnfinishedJobAVmIsARuleOfTheDatabase) {
  const VmPtr made = vm("web");
  const auto begun = start(made, host());
  const auto second = store_->begin_job(job(made, Action::pause));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "job-in-progress");
  EXPECT_EQ(second.error().details.at(0).detail, begun.job.id);
  // Not only the code refuses it: the index does too.
  store_.reset();
  EXPECT_ANY_THROW(database_->execute(
      "INSERT INTO jobs (id, vm_id, revision, action, state, incarnation, before, owner, term, created_at) SELECT "
      "'x', vm_id, revision, action, state, incarnation, before, owner, term, created_at FROM jobs"));
}

TEST_P(StoreTest, AHigherPrecedenceSupersedes) {
  const VmPtr made = vm("web");
  const auto begun = start(made, host());
  const auto stop = store_->begin_job(job(made, Action::stop));
  ASSERT_TRUE(stop);
  EXPECT_EQ(stop->superseded, begun.job.id);
  EXPECT_EQ(store_->finish_job(begun.job.id, JobState::completed, report(made, VmState::running, 1)), nullptr)
      << "late";
  EXPECT_EQ(store_->vm(made->id)->observed.status.state, VmState::created);
  const auto force = store_->begin_job(job(made, Action::force_stop));
  ASSERT_TRUE(force);
  EXPECT_FALSE(store_->begin_job(job(made, Action::stop)));
  EXPECT_EQ(force->job.before.state, VmState::created) << "a failure restores what stood before the first of them";
}

TEST_P(StoreTest, ADefiniteFailureRestoresTheDesiredStateAndTheMemory) {
  const VmPtr made = vm("web");
  const auto begun = start(made, host());
  const VmPtr after = store_->finish_job(begun.job.id, JobState::failed, std::nullopt);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->desired.state, VmState::created);
  EXPECT_EQ(after->observed.status.state, VmState::created);
  EXPECT_TRUE(after->job_id.empty());
  EXPECT_TRUE(store_->reservations().empty());
}

TEST_P(StoreTest, WhyItIsAFallbackHoldsForTheMachineThatIsFrozen) {
  const VmPtr web = vm("web");
  BeginJob asked = job(web, core::Action::start);
  asked.placement = Placement{host()->id, "qemu", 100, 1000, "cloud_hv can't be used"};
  auto begun = *store_->begin_job(asked);
  EXPECT_EQ(begun.vm->observed.fallback_reason, "cloud_hv can't be used");
  store_->finish_job(begun.job.id, JobState::failed, std::nullopt);
  asked.expected_revision = store_->vm(web->id)->revision;
  asked.placement->hypervisor = "cloud_hv";
  asked.placement->fallback_reason.clear();
  begun = *store_->begin_job(asked);
  EXPECT_EQ(begun.vm->observed.fallback_reason, "") << "nothing was frozen, and now it is what was asked for";
  // The first start that succeeds freezes the machine.
  store_->finish_job(begun.job.id, JobState::failed, std::nullopt);
  asked.expected_revision = store_->vm(web->id)->revision;
  asked.placement->hypervisor = "qemu";
  asked.placement->fallback_reason = "cloud_hv can't be used";
  begun = *store_->begin_job(asked);
  auto ran = report(web, VmState::shutdown, 1);
  ran.resolved = web->spec;
  ASSERT_TRUE(store_->finish_job(begun.job.id, JobState::completed, ran)->resolved);
  asked.expected_revision = store_->vm(web->id)->revision;
  asked.placement->fallback_reason.clear();  // the machine is frozen for qemu
  EXPECT_EQ(store_->begin_job(asked)->vm->observed.fallback_reason, "cloud_hv can't be used");
}

TEST_P(StoreTest, MemoryIsRecheckedInTheTransaction) {
  const HostPtr on = host();
  start(vm("a"), on, 600);
  BeginJob asked = job(vm("b"), Action::start);
  asked.placement = Placement{on->id, "qemu", 500, 1000};
  EXPECT_EQ(store_->begin_job(asked).error().code, Code::resource_exhausted);
}

TEST_P(StoreTest, CommitsAreSharedAndEachChangeStandsForItself) {
  constexpr int kThreads = 16;
  constexpr int kEach = 20;
  std::atomic<int> made{0};
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        // Two threads create each name. One of them must fail, without failing others in the same group.
        const std::string name = "vm-" + std::to_string(thread / 2) + "-" + std::to_string(i);
        const auto result = store_->create_vm({name, std::nullopt, "", std::nullopt, {}});
        if (result) {
          ++made;
        } else {
          EXPECT_EQ(result.error().reason, "name-taken") << result.error().message;
          ++taken;
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(made.load(), kThreads / 2 * kEach);
  EXPECT_EQ(taken.load(), kThreads / 2 * kEach);
  open();
  EXPECT_EQ(store_->vms().size(), static_cast<std::size_t>(kThreads / 2 * kEach));
}

TEST_P(StoreTest, StartsAtOnceNeverReserveMoreThanTheHostHas) {
  const HostPtr on = host();
  std::vector<VmPtr> vms;
  for (int i = 0; i < 16; ++i) vms.push_back(vm("vm" + std::to_string(i)));
  std::atomic<int> begun{0};
  std::vector<std::thread> threads;
  for (const VmPtr& one : vms)
    threads.emplace_back([&, one] {
      BeginJob asked = job(one, Action::start);
      asked.placement = Placement{on->id, "qemu", 200, 1000};
      const auto result = store_->begin_job(asked);
      if (result)
        ++begun;
      else
        EXPECT_EQ(result.error().reason, "no-host-fits");
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(begun.load(), 5);
  open();
  EXPECT_EQ(store_->reservations().size(), 5u);
}

// On SQLite an update that changes nothing writes nothing, and so wouldn't show whether the disk can be written.
TEST_P(StoreTest, ACheckWritesWhatWasNotThere) {
  const auto commits = [&] { return std::stoll(database_->ask("SELECT CAST(commits AS TEXT) FROM cluster")); };
  for (int round = 0; round < 3; ++round) {
    const auto before = commits();
    const Status checked = store_->check();
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_GT(commits(), before);
  }
  EXPECT_EQ(store_->events().last().seq, 0) << "and nobody is told";
}

TEST_P(StoreTest, ADiskThatTakesNothingIsNotReady) {
  if (GetParam() != Backend::sqlite) GTEST_SKIP() << "its disk is another process's";
  ASSERT_TRUE(store_->check());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handled = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit nothing{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &nothing), 0);
  const Status full = store_->check();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handled);
  EXPECT_FALSE(full);
  const Status healed = store_->check();
  EXPECT_TRUE(healed) << healed.error().message;
}

TEST_P(StoreTest, TermsCountUpAndASecondServerIsRefused) {
  const auto second = open_another();
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another qarax-server"), std::string::npos);
  EXPECT_EQ(second.error().reason, "store-locked");
  const auto before = store_->activation();
  open();
  EXPECT_EQ(store_->activation().cluster_id, before.cluster_id);
  EXPECT_EQ(store_->activation().term, before.term + 1);
  EXPECT_NE(store_->activation().id, before.id);
}

TEST_P(StoreTest, AServerThatWasKilledWhileItMadeRoomStartsAgain) {
  const VmPtr web = vm("web");
  store_.reset();
  database_->execute("CREATE TABLE room (bytes INTEGER)");
  open();
  ASSERT_TRUE(store_);
  EXPECT_TRUE(store_->vm(web->id));
}

TEST_P(StoreTest, ANewerSchemaIsRefusedInOneSentence) {
  store_.reset();
  database_->execute("INSERT INTO schema_version (number, min_reader, at) VALUES (99, 99, '')");
  const auto opened = open_another();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("upgrade it"), std::string::npos) << opened.error().message;
}

TEST_P(StoreTest, EightThreadsCreateWithoutARefusal) {
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i)
        if (!store_->create_vm({"t" + std::to_string(t) + "-" + std::to_string(i), std::nullopt, "", std::nullopt, {}}))
          ++failures;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(store_->vms().size(), 800u);
  open();
  EXPECT_EQ(store_->vms().size(), 800u);
}

TEST_P(StoreTest, TextIsKeptAsItIs) {
  const std::string odd = "\xc3\xa4 '; DROP TABLE vms; -- \\ $1 ? \n\t\"";
  const auto made = store_->create_vm({"odd", odd, "", std::nullopt, {}});
  const auto empty = store_->create_vm({"empty", "", "", std::nullopt, {}});
  ASSERT_TRUE(made && empty);
  const auto cut = store_->create_vm({"nul", std::string("a\0b", 3), "", std::nullopt, {}});
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Code::invalid_argument);
  open();
  EXPECT_EQ(store_->vm((*made)->id)->description, odd);
  EXPECT_EQ(store_->vm((*empty)->id)->description, "");
  EXPECT_EQ(store_->vms()[0]->name, "odd") << "in order of creation";
}

TEST_P(StoreTest, AnAmountBeyond32BitsIsKept) {
  const HostPtr on = host();
  BeginJob asked = job(vm("big"), Action::start);
  asked.placement = Placement{on->id, "qemu", 1LL << 40, 1LL << 41};
  ASSERT_TRUE(store_->begin_job(asked));
  open();
  EXPECT_EQ(store_->reservations().at(0).memory, 1LL << 40);
}

// A start reads the reservations while it holds the lock under which all starts choose their hosts.
TEST_P(StoreTest, ReservationsAreReadWhileAChangeIsCommitted) {
  const VmPtr web = running("web", host());
  std::future<std::vector<Reservation>> reading;
  const auto edited =
      store_->edit_vm({web->id, std::nullopt, [&](VmRecord&) -> Status {
                         reading = std::async(std::launch::async, [&] { return store_->reservations(); });
                         EXPECT_EQ(reading.wait_for(std::chrono::seconds(20)), std::future_status::ready);
                         return Ok{};
                       }});
  EXPECT_TRUE(edited);
  EXPECT_EQ(reading.get().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(, StoreTest, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& param) { return param.param == Backend::sqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace qarax::server
