// What a group of changes goes through: from its BEGIN until its results are visible.
#include <Poco/Data/Statement.h>

#include <algorithm>
#include <utility>

#include "database.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/scope.hpp"
#include "refusals.hpp"

namespace qarax::server {

namespace {

// Every failing change may first have waited for a lock. Without this limit a group of them would hold state() for the
// sum of these waits.
constexpr auto kPatience = std::chrono::seconds(2);

Error nobody_knows(const std::string& database) {
  return make_error(Code::unavailable,
                    "the server is ending, and the database " + database +
                        " has not answered whether it took this change: look whether it is made before asking again",
                    "outcome-unknown");
}

}  // namespace

// Runs once, on the leader's thread. Afterwards every member has its result.
class Database::GroupRun {
 public:
  GroupRun(Database& db, const std::vector<Waiting*>& members) : db_(db), members_(members) {}

  void run() {
    try {
      if (!begin())
        return fail_all(
            make_error(Code::unavailable, "another server has taken over this database", "store-unavailable"));
      if (!work()) return undo();
      commit();
    } catch (const Poco::Exception& e) {
      if (!is_committed_after_all(e)) return;
    } catch (const std::exception& e) {
      // COMMIT throws only Poco's exceptions, so nothing has been committed here.
      lock_state();
      return fail_all(make_error(Code::internal, std::string("a change of the database failed: ") + e.what()));
    }
    publish();
  }

 private:
  using Moment = std::chrono::steady_clock::time_point;

  // False: another server's term is in the database.
  bool begin() {
    // Waiting for the locks of other sessions, or for a database that doesn't answer, mostly happens in these two
    // statements. state() isn't held yet, so that reports of nodes are taken in meanwhile.
    db_.run(db_.begin_statement());
    begun_ = true;
    const std::int64_t term = db_.read_term();
    state_.lock();
    batch_ = db_.take_later();
    return term == db_.activation().term;
  }

  // False: there is nothing to commit.
  bool work() {
    for (const auto& one : batch_) one(db_.session_);
    if (!batch_.empty()) db_.session_.settle();
    const bool alone = members_.size() == 1 && batch_.empty();
    return work_on_all(alone) || !batch_.empty();
  }

  // True when a change is left to commit. `alone`: there is nothing else in the transaction, so no savepoint is needed
  // to undo a change that fails.
  bool work_on_all(bool alone) {
    bool any = false;
    const Moment patience = std::chrono::steady_clock::now() + kPatience;
    for (Waiting* one : members_) {
      const std::size_t added = db_.trailer_ != nullptr ? db_.trailer_->size() : 0;
      if (!alone) db_.run("SAVEPOINT change");
      work_on_one(*one, alone, patience);
      if (!one->result && db_.trailer_ != nullptr) db_.trailer_->shrink(added);
      if (!one->result && !alone) db_.run("ROLLBACK TO SAVEPOINT change");
      if (!alone) db_.run("RELEASE SAVEPOINT change");
      any = any || one->result;
    }
    return any;
  }

  // What the database refuses becomes the change's result. Once `patience` has passed it is thrown as well, which ends
  // the whole group.
  void work_on_one(Waiting& one, bool alone, Moment patience) {
    // The change that made the database read-only may be the one that this change has waited for.
    if (db_.is_read_only() && !one.change.while_read_only) {
      one.result = server::read_only(db_.read_only());
      return;
    }
    db_.session_.asked();
    try {
      one.result = one.change.work(db_.session_);
      // Settled here, so that what the database refuses of the posted statements is blamed on this change. A lone
      // change needs no such wait: whatever is refused is its own.
      if (!alone && one.result) db_.session_.settle();
    } catch (const Poco::Exception& e) {
      one.result = db_.refused(e);
      if (std::chrono::steady_clock::now() > patience) throw;
    } catch (const std::exception& e) {
      one.result = make_error(Code::internal, std::string("a change of the database failed: ") + e.what());
    }
  }

  void commit() {
    if (db_.trailer_ != nullptr) db_.trailer_->write(db_.session_);
    committing_ = true;
    db_.run("COMMIT");
  }

  // After an exception of the database: true where the commit took effect nevertheless. False: all members have failed.
  bool is_committed_after_all(const Poco::Exception& e) {
    lock_state();
    const bool unknown = committing_ && !db_.connected();
    const std::optional<bool> yes = unknown ? db_.find_out(state_) : false;
    if (yes.value_or(false)) return true;
    begun_ = begun_ && !unknown;  // a transaction of unknown fate has ended with its connection
    fail_all(yes ? db_.refused(e) : nobody_knows(db_.name_));
    return false;
  }

  // For a transaction that ends without a commit: what later() was given waits for the next one.
  void undo() {
    {
      const std::lock_guard waiting(db_.later_mutex_);
      db_.later_.insert(db_.later_.begin(), std::make_move_iterator(batch_.begin()),
                        std::make_move_iterator(batch_.end()));
    }
    if (db_.trailer_ != nullptr) db_.trailer_->shrink(0);
    try {
      if (begun_ && db_.connected()) db_.run("ROLLBACK");
    } catch (const Poco::Exception& e) {
      core::logger("store")->error("a rollback failed reason={}", core::log_value(e.displayText()));
    }
  }

  // Members that have failed already keep their own error.
  void fail_all(const Error& error) {
    undo();
    for (Waiting* one : members_)
      if (one->result) one->result = error;
  }

  void publish() {
    db_.unwritten_ -= batch_.size();
    for (Waiting* one : members_)
      if (one->result) one->change.publish();
    if (db_.trailer_ != nullptr) db_.trailer_->committed();
  }

  void lock_state() {
    if (!state_.owns_lock()) state_.lock();
  }

  Database& db_;
  const std::vector<Waiting*>& members_;
  // Ends last, once state() is free again.
  const core::Scope rest_{[this] { db_.session_.rested(); }};
  std::unique_lock<std::mutex> state_{db_.state_, std::defer_lock};
  std::vector<Work> batch_;  // of later(), taken into this transaction
  bool begun_ = false;
  bool committing_ = false;
};

void Database::run_group(const std::vector<Waiting*>& members) {
  // Where this fails somebody else is using the connection: it mustn't be touched, not even by a GroupRun's end.
  if (const Status able = ready(); !able) {
    for (Waiting* one : members) one->result = able.error();
    return;
  }
  GroupRun(*this, members).run();
}

}  // namespace qarax::server
