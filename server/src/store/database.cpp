#include "database.hpp"

#include <Poco/Data/Statement.h>

#include <algorithm>
#include <set>
#include <utility>

#include "qarax/core/logging.hpp"
#include "qarax/core/scope.hpp"
#include "qarax/core/threads.hpp"
#include "refusals.hpp"

namespace qarax::server {

namespace {

using namespace Poco::Data::Keywords;

constexpr std::size_t kMostInGroup = 64;
// How long what later() was given waits for a transaction to join. A commit of its own would delay the next change.
constexpr auto kLaterWaits = std::chrono::milliseconds(50);

Error unavailable(std::string text) {
  Error error = make_error(Code::unavailable, std::move(text), "store-unavailable");
  error.retryable = true;
  return error;
}

}  // namespace

Database::Database(Session session, std::string name) : session_(std::move(session)), name_(std::move(name)) {}

Database::~Database() = default;

Error Database::refused(const Poco::Exception& e) const {
  return unavailable("the database " + name_ + " refused: " + e.displayText() + "; reads still work");
}

Error Database::unreadable(const Poco::Exception& e) {
  return make_error(Code::data_loss, "the database " + name_ + " can't be read: " + e.displayText());
}

Error Database::not_now() const {
  return unavailable("the database " + name_ + " doesn't answer; changes are refused until it does, reads still work");
}

void Database::run(const char* statement) { session_.run(statement); }

void Database::stop() {
  {
    const std::lock_guard lock(later_mutex_);
    stopping_ = true;
  }
  later_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Database::set_read_only(std::string why) {
  const std::lock_guard lock(standing_mutex_);
  is_read_only_ = !why.empty();
  read_only_ = std::move(why);
}

Status Database::transact(Change change) {
  if (is_read_only() && !change.while_read_only) return server::read_only(read_only());
  if (!change.frees && !change.while_read_only) QARAX_CHECK(room());
  Waiting own;
  own.change = std::move(change);
  return wait_for(own);
}

Status Database::open_readers(const std::function<Result<ReaderPtr>()>& open) {
  std::vector<ReaderPtr> opened;
  while (opened.size() < Readers::kCount) {
    QARAX_TRY(ReaderPtr one, open());
    opened.push_back(std::move(one));
  }
  readers_.emplace(std::move(opened));
  return Ok{};
}

Status Database::read(const std::function<Status(Session&)>& work) {
  if (unwritten_ > 0) flush();
  QARAX_CHECK(readable());
  try {
    return readers_->use(work);
  } catch (const Poco::Exception& e) {
    return unavailable("the database " + name_ + " can't be read now: " + e.displayText());
  } catch (const std::exception& e) {
    return make_error(Code::internal, "the database " + name_ + " can't be read: " + e.what());
  }
}

// Whoever waits first leads: it runs one group after the other until its own change is among those done.
Status Database::wait_for(Waiting& own) {
  {
    const std::lock_guard lock(queue_mutex_);
    if (finding_out_) return not_now();
    queue_.push_back(&own);
  }
  for (;;) {
    std::unique_lock lock(queue_mutex_, std::defer_lock);
    // A finished change needs no lock. All threads of a finished group would contend for it.
    if (!own.done) lock.lock();
    if (own.done) return std::move(own.result);
    if (leading_) {
      lock.unlock();
      own.bell->wait();
      continue;
    }
    const Group group = take_group(own, lock);
    lock.unlock();
    lead(group);
    lock.lock();
    finish(lock, group);
  }
}

// The caller leads the group that is returned. Throws what next_group() does; `own` isn't in the queue then, because
// its stack frame is about to end, and `lock` is open.
Database::Group Database::take_group(Waiting& own, std::unique_lock<std::mutex>& lock) {
  try {
    Group group = next_group();
    leading_ = true;
    return group;
  } catch (...) {
    std::erase(queue_, &own);
    finish(lock, {});
    throw;
  }
}

// noexcept: a server that hasn't the memory for these error texts ends rather than report a lost change as made.
void Database::lead(const Group& group) noexcept {
  try {
    run_group(group.members);
  } catch (const std::exception& e) {
    // An exception must not get past this point: the next thread couldn't lead.
    core::logger("store")->error("a group of changes was left reason={}", core::log_value(e.what()));
    for (Waiting* one : group.members)
      if (one->result)
        one->result = make_error(Code::internal, "the server failed while it made this change: look whether it is made",
                                 "outcome-unknown");
  }
}

// Allocates nothing, so that it can't leave leading_ set.
void Database::finish(std::unique_lock<std::mutex>& lock, const Group& group) {
  for (Waiting* one : group.members) one->done = true;  // from here on `one` may be gone
  leading_ = false;
  const std::shared_ptr<Bell> next_leader = queue_.empty() ? nullptr : queue_.front()->bell;
  lock.unlock();
  // Wake the next leader first; the others only collect results.
  if (next_leader) next_leader->ring();
  for (const auto& bell : group.bells) bell->ring();
}

bool Database::between_groups(const std::function<void()>& look) {
  {
    const std::lock_guard lock(queue_mutex_);
    if (leading_) return false;
    leading_ = true;
  }
  const core::Scope over([this] {
    std::unique_lock lock(queue_mutex_);
    finish(lock, {});
  });
  look();
  return true;
}

// Leaves the queue as it was where it throws.
Database::Group Database::next_group() {
  Group group;
  std::vector<Waiting*> left;
  std::set<std::string_view> taken;
  for (Waiting* one : queue_) {
    const auto& keys = one->change.keys;
    const bool clash = std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return taken.contains(key); });
    // A change that has to wait claims its keys too: otherwise a later change of the same key could overtake it.
    taken.insert(keys.begin(), keys.end());
    if (clash || group.members.size() >= kMostInGroup) {
      left.push_back(one);
    } else {
      group.members.push_back(one);
      group.bells.push_back(one->bell);
    }
  }
  queue_ = std::move(left);
  return group;
}

// May take until the database is back. Meanwhile state() is free, and whoever comes is refused at once.
std::optional<bool> Database::find_out(std::unique_lock<std::mutex>& state) {
  const auto set = [&](bool on) {
    const std::lock_guard lock(queue_mutex_);
    finding_out_ = on;
    for (Waiting* one : std::exchange(queue_, {})) {
      const auto bell = one->bell;
      one->result = not_now();
      one->done = true;
      bell->ring();
    }
  };
  set(true);
  state.unlock();
  const std::optional<bool> yes = took_effect();
  state.lock();
  set(false);
  return yes;
}

std::vector<Database::Work> Database::take_later() {
  const std::lock_guard lock(later_mutex_);
  hurry_ = false;
  return std::exchange(later_, {});
}

void Database::later(Work work, bool at_once) {
  {
    const std::lock_guard lock(later_mutex_);
    later_.push_back(std::move(work));
    ++unwritten_;
    hurry_ = hurry_ || at_once;
  }
  later_changed_.notify_one();
}

void Database::flush() {
  const auto written = transact({.work = [](Session&) -> Status { return Ok{}; }, .while_read_only = true});
  const bool before = refused_.exchange(!written);
  if (!written && !before)
    core::logger("store")->error("changes could not be written yet reason={}",
                                 core::log_value(written.error().message));
}

void Database::background() {
  core::name_this_thread("db-chores");
  std::unique_lock lock(later_mutex_);
  for (;;) {
    later_changed_.wait(lock, [&] { return stopping_ || !later_.empty(); });
    const bool last = stopping_;
    if (!last) later_changed_.wait_for(lock, kLaterWaits, [&] { return stopping_ || hurry_; });
    if (!later_.empty()) {
      lock.unlock();
      flush();
      lock.lock();
      // Retry a database that refuses once a second.
      if (refused_.load() && !later_.empty() && !stopping_)
        later_changed_.wait_for(lock, std::chrono::seconds(1), [&] { return stopping_; });
    }
    if (last) return;
  }
}

}  // namespace qarax::server
