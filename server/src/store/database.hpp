// One database connection through Poco::Data whose transactions are committed in groups: who comes while a commit is
// under way shares the next one. Each transaction first checks that this server's term still holds. Thread-safe.
// A commit whose fate isn't known (the connection broke) is waited for: its callers hear the truth or nothing, and
// until then everybody else is refused "store-unavailable".
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
#include "session.hpp"
#include "store.hpp"

namespace qarax::server {

class Database {
 public:
  // A part of a group's transaction. `work` reads and plans what `publish` then makes visible, after the commit; both
  // run under state(), but where the commit's fate had to be found out others held it in between: `publish` changes
  // what was planned and keeps what nodes have reported meanwhile. Two changes that share a key are never in one
  // group, so neither sees the other half done. `publish` must not throw.
  struct Change {
    std::vector<std::string> keys{};
    std::function<Status(Session&)> work;
    std::function<void()> publish = [] {};
    bool while_read_only = false;  // also where set_read_only() refuses changes
    bool frees = false;            // ends or removes something: also where there is no room() for more
  };
  static Change freeing(Change change) {
    change.frees = true;
    return change;
  }

  // Takes part in every transaction: what changes add to it while they are worked on is written last, and shown after
  // the commit and what the changes publish. Called under state().
  class Trailer {
   public:
    virtual ~Trailer() = default;
    virtual std::size_t size() const = 0;       // of what was added and isn't written
    virtual void shrink(std::size_t size) = 0;  // what came after that is undone
    virtual void write(Session&) = 0;           // throws Poco::Exception
    virtual void committed() = 0;               // must not throw
  };

  virtual ~Database();  // of a subclass that called stop()
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Activation activation() const {
    const std::lock_guard lock(standing_mutex_);
    return activation_;
  }
  // Before the first transaction, or from the publish of the change that wrote the new term.
  void become(Activation next) {
    const std::lock_guard lock(standing_mutex_);
    activation_ = std::move(next);
  }
  // Of a change that writes a new term, in its work: a commit of it whose answer is lost leaves the database in that
  // one.
  void may_become(Activation next) {
    const std::lock_guard lock(standing_mutex_);
    may_become_ = std::move(next);
  }
  // Why changes are refused; empty: they aren't.
  std::string read_only() const {
    const std::lock_guard lock(standing_mutex_);
    return read_only_;
  }
  void set_read_only(std::string why);
  bool is_read_only() const { return is_read_only_.load(); }

  // Durable when it returns Ok. An Error or exception of `work` undoes that change and no other. The caller doesn't
  // hold state().
  Status transact(Change change);
  // A look at what is committed: `work` changes nothing.
  Status read(std::function<Status(Session&)> work);
  // Written with the next transaction, or soon by itself (`at_once`: without waiting for one); in the order given. May
  // be called under state().
  void later(std::function<void(Session&)> work, bool at_once = false);
  void flush();
  // In a change: writes what wasn't there before, so that its commit shows whether anything can be written. Nothing
  // where every transaction does. Throws Poco::Exception.
  virtual void leave_mark(Session&) {}
  // As Store::stop_waiting.
  virtual void stop_waiting() {}

  // Guards what the owner keeps in memory beside the database; held while a group is worked on and committed.
  std::mutex& state() { return state_; }
  // For the initial load, before serve().
  Session& session() { return session_; }
  // The load is done: from here on other threads use the connection, and nothing takes long. Throws Poco::Exception.
  virtual void serve() { start(); }
  void set_trailer(Trailer& trailer) { trailer_ = &trailer; }

 protected:
  Database(Session session, std::string name);  // as messages call it

  // RESOURCE_EXHAUSTED "disk-full": what is left is for changes that free something. Any thread.
  virtual Status room() const { return Ok{}; }
  Error not_now() const;
  Activation possible_next() const {
    const std::lock_guard lock(standing_mutex_);
    return may_become_;
  }
  // What differs between databases; one thread at a time. They throw Poco::Exception.
  virtual Status ready() { return Ok{}; }           // could there be a transaction now? Called without state()
  virtual const char* begin_statement() const = 0;  // takes the write lock at once, or with read_term()
  virtual std::int64_t read_term() = 0;             // in the transaction
  virtual void run(const char* statement);          // BEGIN, COMMIT and the like
  virtual bool connected() { return true; }
  virtual Error refused(const Poco::Exception& e) const;  // what callers are told of it
  // After a COMMIT without an answer: did it take effect? Waits for as long as it takes, without state(). nullopt:
  // stop_waiting() came first, and there will be no further transaction.
  virtual std::optional<bool> took_effect() { return false; }

  // Runs `look` if no group is under way, and keeps groups away meanwhile. False: one was.
  bool between_groups(const std::function<void()>& look);
  void start() {
    thread_ = std::thread([this] { background(); });
  }
  void stop();  // writes what waits

  Session session_;
  const std::string name_;

 private:
  struct Waiting {
    Change change;
    bool reads_only = false;
    bool worked_on = false;
    Status result = Ok{};
    std::atomic<bool> done{false};  // the last that others write; the waiting thread may then end it
    std::shared_ptr<Bell> bell = Bell::of_this_thread();
  };
  using Work = std::function<void(Session&)>;

  Status wait_for(Waiting& own);
  // Under `lock`, which is open afterwards: the group has its results, and somebody else may lead.
  void finish(std::unique_lock<std::mutex>& lock, const std::vector<Waiting*>& group);
  std::vector<Waiting*> next_group();
  void run_group(const std::vector<Waiting*>& group);
  std::optional<bool> find_out(std::unique_lock<std::mutex>& state);
  using Moment = std::chrono::steady_clock::time_point;
  void work_on_one(Waiting& one, bool alone, Moment patience = Moment::max());
  bool work_on(const std::vector<Waiting*>& group, bool alone);
  void read_all(const std::vector<Waiting*>& group);
  bool anything_later();
  std::vector<Work> take_later();
  void background();

  std::mutex queue_mutex_;
  std::vector<Waiting*> queue_;
  bool leading_ = false;      // somebody runs a group
  bool finding_out_ = false;  // whether the last group's commit took effect

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
  bool hurry_ = false;  // something in later_ isn't to wait
  bool stopping_ = false;
  std::atomic<bool> refused_{false};  // the last flush; said once
  std::thread thread_;
};

}  // namespace qarax::server
