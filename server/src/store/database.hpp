// A database through Poco::Data: one connection that writes, and some that read. Changes that arrive while a commit is
// under way are gathered into a group, which shares the next transaction. Each transaction first checks that this
// server's term still holds. Thread-safe. When the connection breaks during a commit, it isn't known whether the commit
// took effect. Its callers wait until that is known, and everybody else is refused with "store-unavailable" until then.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bell.hpp"
#include "readers.hpp"
#include "session.hpp"
#include "store.hpp"

namespace qarax::server {

class Database {
 public:
  // A part of a group's transaction. `work` reads, plans and writes; `publish` makes the plan visible after the commit
  // and must not throw. Both run under state(). Where it had to be found out whether the commit took effect, others
  // have held state() in between: `publish` therefore changes only what was planned and keeps what nodes have reported
  // meanwhile. Two changes that share a key are never in one group, so neither sees the other half done.
  struct Change {
    std::vector<std::string> keys{};
    std::function<Status(Session&)> work;
    std::function<void()> publish = [] {};
    bool while_read_only = false;  // is made even while set_read_only() refuses changes
    bool frees = false;            // ends or removes something, so it is made even where room() has an error
  };

  // Takes part in every transaction. What changes add to it during their work is written after them, last in the
  // transaction, and shown after the commit, once the changes are published. Called under state().
  class Trailer {
   public:
    virtual ~Trailer() = default;
    virtual std::size_t size() const = 0;       // number of additions that aren't written yet
    virtual void shrink(std::size_t size) = 0;  // drops the additions beyond that number
    virtual void write(Session&) = 0;           // throws Poco::Exception
    virtual void committed() = 0;               // must not throw
  };

  virtual ~Database();  // the subclass's destructor has called stop()
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Activation activation() const {
    const std::lock_guard lock(standing_mutex_);
    return activation_;
  }
  // Called before the first transaction, or by `publish` of the change that wrote the new term.
  void become(Activation next) {
    const std::lock_guard lock(standing_mutex_);
    activation_ = std::move(next);
  }
  // Called by `work` of a change that writes a new term. If the answer to its commit is lost, the database may be in
  // that term.
  void may_become(Activation next) {
    const std::lock_guard lock(standing_mutex_);
    may_become_ = std::move(next);
  }
  // Why changes are refused; empty where they are accepted.
  std::string read_only() const {
    const std::lock_guard lock(standing_mutex_);
    return read_only_;
  }
  void set_read_only(std::string why);
  bool is_read_only() const { return is_read_only_.load(); }

  // The change is durable when this returns Ok. An Error or exception of `work` undoes that change and no other. The
  // caller must not hold state(). Throws std::bad_alloc where the change couldn't even be queued; it isn't made then.
  Status transact(Change change);
  // Reads what is committed, what later() was given before this call included, beside the changes that are under way:
  // of them memory may not know yet. `work` must not change anything.
  Status read(const std::function<Status(Session&)>& work);
  // Runs `work` in the next transaction, or soon in one of its own; `at_once` doesn't wait for a transaction to join.
  // Works run in the order of these calls. May be called under state().
  void later(std::function<void(Session&)> work, bool at_once = false);
  // Writes what later() was given, in a transaction now.
  void flush();
  // Called by a change's `work`: writes something new, so that its commit proves that the database can be written.
  // Does nothing for a database where every transaction writes anyway. Throws Poco::Exception.
  virtual void leave_mark(Session&) {}
  // As Store::stop_waiting.
  virtual void stop_waiting() {}

  // Guards what the owner keeps in memory beside the database. It is held while a group is worked on and committed.
  std::mutex& state() { return state_; }
  // For the initial load, before serve().
  Session& session() { return session_; }
  // Called once the initial load is done: from here on other threads use the connection, and the limits of normal
  // operation apply. Throws Poco::Exception.
  virtual void serve() { start(); }
  // The error of an initial load that ended with `e`. DATA_LOSS, where it wasn't the connection that failed.
  virtual Error unreadable(const Poco::Exception& e);
  void set_trailer(Trailer& trailer) { trailer_ = &trailer; }

 protected:
  Database(Session session, std::string name);  // `name` stands in messages

  // RESOURCE_EXHAUSTED "disk-full": the space that is left is kept for changes that free something. Any thread.
  virtual Status room() const { return Ok{}; }
  Error not_now() const;
  Activation possible_next() const {
    const std::lock_guard lock(standing_mutex_);
    return may_become_;
  }
  // Called before the first read().
  Status open_readers(const std::function<Result<ReaderPtr>()>& open);
  // The error of a read while it is known that the database doesn't answer. Any thread.
  virtual Status readable() { return Ok{}; }
  // What differs between databases. These are called by one thread at a time, and throw Poco::Exception.
  virtual Status ready() { return Ok{}; }           // whether a transaction is possible now; called without state()
  virtual const char* begin_statement() const = 0;  // takes the write lock itself, or leaves that to read_term()
  virtual std::int64_t read_term() = 0;             // called in the transaction
  virtual void run(const char* statement);          // BEGIN, COMMIT and the like
  virtual bool connected() { return true; }
  virtual Error refused(const Poco::Exception& e) const;  // the error that callers get for `e`
  // Returns whether a COMMIT that got no answer took effect. Called without state(); waits as long as it takes.
  // nullopt: stop_waiting() ended the wait, and there will be no further transaction.
  virtual std::optional<bool> took_effect() { return false; }

  // Runs `look` while no group runs, and lets none begin meanwhile. False: a group is running, and `look` didn't run.
  bool between_groups(const std::function<void()>& look);
  void start() {
    thread_ = std::thread([this] { background(); });
  }
  void stop();  // writes what later() was given

  Session session_;
  const std::string name_;

 private:
  // A change on its way, in the stack frame of the thread that waits for it.
  struct Waiting {
    Change change;
    Status result = Ok{};
    // Other threads write this last: the waiting thread may then end this object.
    std::atomic<bool> done{false};
    std::shared_ptr<Bell> bell = Bell::of_this_thread();
  };
  // Changes that share a transaction. `bells` are theirs, copied because a bell is rung when its change may be gone.
  struct Group {
    std::vector<Waiting*> members{};
    std::vector<std::shared_ptr<Bell>> bells{};
  };
  class GroupRun;  // group_run.cpp
  using Work = std::function<void(Session&)>;

  Status wait_for(Waiting& own);
  Group take_group(Waiting& own, std::unique_lock<std::mutex>& lock);
  Group next_group();
  void lead(const Group& group) noexcept;
  void run_group(const std::vector<Waiting*>& members);
  // Called with `lock` held, which is open afterwards. The members have their results, and another thread may lead.
  void finish(std::unique_lock<std::mutex>& lock, const Group& group);
  std::optional<bool> find_out(std::unique_lock<std::mutex>& state);
  std::vector<Work> take_later();
  void background();

  std::optional<Readers> readers_;

  std::mutex queue_mutex_;
  // Points into stack frames of wait_for(), which returns only once its entry has been taken out.
  std::vector<Waiting*> queue_;
  bool leading_ = false;      // a thread runs a group, or between_groups() keeps groups away
  bool finding_out_ = false;  // it isn't known yet whether the last group's commit took effect

  std::mutex state_;
  Trailer* trailer_ = nullptr;

  mutable std::mutex standing_mutex_;
  Activation activation_;
  Activation may_become_;
  std::string read_only_;
  std::atomic<bool> is_read_only_{false};

  std::mutex later_mutex_;
  std::condition_variable later_changed_;
  std::vector<Work> later_;
  std::atomic<std::size_t> unwritten_{0};  // of what later() was given, also by the transaction under way
  bool hurry_ = false;                     // later_ holds something that was given with `at_once`
  bool stopping_ = false;
  std::atomic<bool> refused_{false};  // the last flush failed; only the first failure in a row is logged
  std::thread thread_;
};

}  // namespace qarax::server
