// Records which server this node obeys: one cluster, and never a term lower than the highest seen. Durable,
// thread-safe. It also records how far that server's database had come by its own account, which proves later that the
// database was set back.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "claim_file.hpp"
#include "qarax/core/files.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

class AuthorityStore {
 public:
  // `path`: the ClaimFile; position.json is kept beside it. An unreadable file is an error, because a node that has
  // forgotten its cluster could obey two servers.
  static Result<std::unique_ptr<AuthorityStore>> open(std::string path);

  struct Obeyed {
    std::string last_activation;  // before this claim
    std::int64_t highest_term = 0;
  };
  // For Hello: takes the first cluster, or raises the term. FAILED_PRECONDITION "other-cluster". ABORTED "stale-term":
  // the term is lower than the obeyed one, or equal to it but held by another activation of a server. If the disk can't
  // be written, a server of the node's own cluster is obeyed nevertheless, and its term is written as soon as possible.
  Result<Obeyed> greet(const AuthorityClaim& claim);
  // On an operator's request: obeys `claim` from now on, whatever its cluster and term. ABORTED "plan-changed": the
  // node no longer obeys `seen`.
  Status adopt(const AuthorityClaim& claim, const AuthorityClaim& seen);
  // For every later command: `claim` must equal that of the last greeting.
  Status check(const AuthorityClaim& claim) const;

  // Called with the position of the database of the server that made `claim`; 0: it names none. The highest position of
  // the obeyed server is kept for as long as that server is obeyed. Written without a sync: a lost position weakens a
  // later proof but never makes it wrong.
  void reached(const AuthorityClaim& claim, std::int64_t position);
  struct Standing {
    AuthorityClaim obeyed;
    std::int64_t position = 0;  // 0: nothing is known
  };
  Standing standing() const;

 private:
  explicit AuthorityStore(std::string path) : file_(std::move(path)) {}
  // The caller holds mutex_.
  Status obey(const AuthorityClaim& claim);
  void take(const AuthorityClaim& claim);
  void keep_again();
  void load_position();
  std::string position_path() const;

  const ClaimFile file_;
  mutable std::mutex mutex_;
  AuthorityClaim current_;
  bool is_unkept_ = false;  // current_ isn't on disk
  std::chrono::steady_clock::time_point next_try_{};
  std::int64_t position_ = 0;
  core::Fd position_file_;
};

}  // namespace qarax::agent
