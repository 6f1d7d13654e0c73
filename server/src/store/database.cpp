#include "database.hpp"

#include <Poco/Data/Statement.h>

#include <algorithm>
#include <set>
#include <utility>

#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"
#include "refusals.hpp"

namespace qarax::server {

namespace {

using namespace Poco::Data::Keywords;

constexpr std::size_t kMostInGroup = 64;
// Changes that fail one after the other, each for a lock that it waited for, would keep everybody from state().
constexpr auto kPatience = std::chrono::seconds(2);
// What may wait usually finds a transaction to go along with; a lone commit of its own would stand in the way of one.
constexpr auto kLaterWaits = std::chrono::milliseconds(50);

Error unavailable(std::string text) {
  Error error = make_error(Code::unavailable, std::move(text), "store-unavailable");
  error.retryable = true;
  return error;
}

Error nobody_knows(const std::string& database) {
  return make_error(Code::unavailable,
                    "the server is ending, and the database " + database +
                        " has not answered whether it took this change: look whether it is made before asking again",
                    "outcome-unknown");
}

}  // namespace

Database::Database(Session session, std::string name) : session_(std::move(session)), name_(std::move(name)) {}

Database::~Database() = default;

Error Database::refused(const Poco::Exception& e) const {
  return unavailable("the database " + name_ + " refused: " + e.displayText() + "; reads still work");
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

Status Database::read(std::function<Status(Session&)> work) {
  Waiting own;
  own.change.work = std::move(work);
  own.reads_only = true;
  return wait_for(own);
}

Status Database::wait_for(Waiting& own) {
  {
    const std::lock_guard lock(queue_mutex_);
    if (finding_out_) return not_now();
    queue_.push_back(&own);
  }
  for (;;) {
    std::unique_lock lock(queue_mutex_, std::defer_lock);
    // Without the lock where it is done: a whole group would queue for it.
    if (!own.done) lock.lock();
    if (own.done) return std::move(own.result);
    if (leading_) {
      lock.unlock();
      own.bell->wait();
      continue;
    }
    leading_ = true;
    const auto group = next_group();
    lock.unlock();
    try {
      run_group(group);
    } catch (const std::exception& e) {
      // Whatever it was, the next one must be able to lead.
      core::logger("store")->error("a group of changes was left reason={}", core::log_value(e.what()));
      for (Waiting* one : group)
        if (one->result && !(one->reads_only && one->worked_on))
          one->result =
              make_error(Code::internal, "the server failed while it made this change: look whether it is made",
                         "outcome-unknown");
    }
    lock.lock();
    finish(lock, group);
  }
}

void Database::finish(std::unique_lock<std::mutex>& lock, const std::vector<Waiting*>& group) {
  std::vector<std::shared_ptr<Bell>> bells;
  for (Waiting* one : group) {
    bells.push_back(one->bell);
    one->done = true;  // from here on `one` may be gone
  }
  leading_ = false;
  // Who leads next goes first: the others only have their answers to take away.
  if (!queue_.empty()) bells.insert(bells.begin(), queue_.front()->bell);
  lock.unlock();
  for (const auto& bell : bells) bell->ring();
}

bool Database::between_groups(const std::function<void()>& look) {
  {
    const std::lock_guard lock(queue_mutex_);
    if (leading_) return false;
    leading_ = true;
  }
  look();
  std::unique_lock lock(queue_mutex_);
  finish(lock, {});
  return true;
}

std::vector<Database::Waiting*> Database::next_group() {
  std::vector<Waiting*> group;
  std::vector<Waiting*> left;
  std::set<std::string_view> taken;
  for (Waiting* one : queue_) {
    const auto& keys = one->change.keys;
    const bool clash = std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return taken.contains(key); });
    // Also what isn't taken claims its keys: of two that wait for one key the first comes first.
    taken.insert(keys.begin(), keys.end());
    (clash || group.size() >= kMostInGroup ? left : group).push_back(one);
  }
  queue_ = std::move(left);
  return group;
}

// What the database refuses is thrown on once `patience` has ended.
void Database::work_on_one(Waiting& one, bool alone, Moment patience) {
  one.worked_on = true;
  session_.asked();
  try {
    one.result = one.change.work(session_);
    // Here, where what the database refuses is this change's. A lone one has nobody to be told apart from.
    if (!alone && one.result) session_.settle();
  } catch (const Poco::Exception& e) {
    one.result = refused(e);
    if (std::chrono::steady_clock::now() > patience) throw;
  } catch (const std::exception& e) {
    one.result = make_error(Code::internal, std::string("a change of the database failed: ") + e.what());
  }
}

void Database::read_all(const std::vector<Waiting*>& group) {
  const Moment patience = std::chrono::steady_clock::now() + kPatience;
  bool in_vain = false;
  for (Waiting* one : group) {
    if (in_vain)
      one->result = not_now();
    else
      work_on_one(*one, true);
    in_vain = in_vain || (!one->result && std::chrono::steady_clock::now() > patience);
  }
}

// True when a change is left to commit.
bool Database::work_on(const std::vector<Waiting*>& group, bool alone) {
  bool any = false;
  const Moment patience = std::chrono::steady_clock::now() + kPatience;
  for (Waiting* one : group) {
    const std::size_t added = trailer_ != nullptr ? trailer_->size() : 0;
    if (!alone) run("SAVEPOINT change");
    work_on_one(*one, alone, patience);
    if (!one->result && trailer_ != nullptr) trailer_->shrink(added);
    if (!one->result && !alone) run("ROLLBACK TO SAVEPOINT change");
    if (!alone) run("RELEASE SAVEPOINT change");
    any = any || (one->result && !one->reads_only);
  }
  return any;
}

// Nobody else is kept waiting, nor is state(): it may take until the database is back.
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

void Database::run_group(const std::vector<Waiting*>& group) {
  if (const Status able = ready(); !able) {
    for (Waiting* one : group) one->result = able.error();
    return;
  }
  // Not where it isn't ready: then the connection is another one's.
  struct Rest {
    ~Rest() { session.rested(); }
    Session& session;
  } const rest{session_};
  std::unique_lock state(state_, std::defer_lock);
  std::vector<Work> batch;
  if (!anything_later() &&
      std::all_of(group.begin(), group.end(), [](const Waiting* one) { return one->reads_only; })) {
    state.lock();
    read_all(group);
    return;
  }
  bool begun = false;
  // Whatever ends this transaction without a commit, what had waited is as true as before.
  const auto undo = [&] {
    {
      const std::lock_guard waiting(later_mutex_);
      later_.insert(later_.begin(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
    }
    if (trailer_ != nullptr) trailer_->shrink(0);
    try {
      if (begun && connected()) run("ROLLBACK");
    } catch (const Poco::Exception& e) {
      core::logger("store")->error("a rollback failed reason={}", core::log_value(e.displayText()));
    }
  };
  const auto fail_all = [&](const Error& error) {
    undo();
    for (Waiting* one : group)
      if (one->result && !(one->reads_only && one->worked_on)) one->result = error;
  };
  bool committing = false;
  try {
    // What waits for others' locks, or for a database that doesn't answer, mostly waits here: without state(), so that
    // nodes are heard meanwhile.
    run(begin_statement());
    begun = true;
    const std::int64_t term = read_term();
    state.lock();
    batch = take_later();
    if (term != activation().term)
      return fail_all(
          make_error(Code::unavailable, "another server has taken over this database", "store-unavailable"));
    for (const auto& one : batch) one(session_);
    if (!batch.empty()) session_.settle();
    if (!work_on(group, group.size() == 1 && batch.empty()) && batch.empty()) return undo();
    if (trailer_ != nullptr) trailer_->write(session_);
    committing = true;
    run("COMMIT");
  } catch (const Poco::Exception& e) {
    if (!state.owns_lock()) state.lock();
    const bool unknown = committing && !connected();
    const std::optional<bool> yes = unknown ? find_out(state) : false;
    if (!yes.value_or(false)) {
      begun = begun && !unknown;  // whatever it was has ended with its connection
      return fail_all(yes ? refused(e) : nobody_knows(name_));
    }
  } catch (const std::exception& e) {
    // Before the commit: that throws nothing else than the above.
    if (!state.owns_lock()) state.lock();
    return fail_all(make_error(Code::internal, std::string("a change of the database failed: ") + e.what()));
  }
  for (Waiting* one : group)
    if (one->result) one->change.publish();
  if (trailer_ != nullptr) trailer_->committed();
}

bool Database::anything_later() {
  const std::lock_guard lock(later_mutex_);
  return !later_.empty();
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
    hurry_ = hurry_ || at_once;
  }
  later_changed_.notify_one();
}

void Database::flush() {
  const auto written = transact({{}, [](Session&) -> Status { return Ok{}; }, [] {}, true});
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
      // A database that refuses is asked again, not hammered.
      if (refused_.load() && !later_.empty() && !stopping_)
        later_changed_.wait_for(lock, std::chrono::seconds(1), [&] { return stopping_; });
    }
    if (last) return;
  }
}

}  // namespace qarax::server
