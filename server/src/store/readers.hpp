// Connections that only read, beside the one that writes: what is read from history neither waits for changes nor keeps
// them, or the reports of nodes, waiting.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "qarax/result.hpp"
#include "session.hpp"

namespace qarax::server {

// One such connection. It sees every change that was committed before it asks. Used by one thread at a time.
class Reader {
 public:
  virtual ~Reader() = default;
  // Connects anew if the connection has broken. Throws Poco::Exception.
  virtual Session& ready() = 0;
};

using ReaderPtr = std::unique_ptr<Reader>;

// Lends them out. They are as many as the server has from its start to its end. Thread-safe.
class Readers {
 public:
  // A read that takes long leaves the other one. More would only contend with the changes for disk and processors.
  static constexpr std::size_t kCount = 2;

  explicit Readers(std::vector<ReaderPtr> readers) : idle_(std::move(readers)) {}
  // Waits while all are lent; each comes back within the time that its database may take for an answer. Returns what
  // `work` does, and throws Poco::Exception where the database refuses.
  Status use(const std::function<Status(Session&)>& work);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ReaderPtr> idle_;  // never grows beyond what it began with, so that giving back can't fail
};

}  // namespace qarax::server
