// Whom this node obeys: one cluster, and never a term lower than the highest it has seen. Durable, thread-safe. And how
// far that one's database had come by its own word, which proves later that it was set back.
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
  // `path`: the file that keeps it (ClaimFile); position.json is beside it. An unreadable file is an error: forgetting
  // the cluster could obey two servers.
  static Result<std::unique_ptr<AuthorityStore>> open(std::string path);

  struct Obeyed {
    std::string last_activation;  // before this claim
    std::int64_t highest_term = 0;
  };
  // Hello: takes a first cluster, raises the term. FAILED_PRECONDITION "other-cluster", ABORTED "stale-term": also for
  // the term that is obeyed already where another activation of a server has it. A disk that can't be written to keeps
  // no server of the node's own cluster out: its term is obeyed, and written as soon as that works.
  Result<Obeyed> greet(const AuthorityClaim& claim);
  // By an operator's word: obeys `claim` from now on, whatever its cluster and term. ABORTED "plan-changed" where the
  // node doesn't obey `seen` any more.
  Status adopt(const AuthorityClaim& claim, const AuthorityClaim& seen);
  // Every command after it: must be what the last greeting said.
  Status check(const AuthorityClaim& claim) const;

  // `claim` says how far its database has come, 0: it doesn't. The highest is kept of whom the node obeys, for as long
  // as it obeys that one. Written, and not waited for: less of it proves less, and nothing wrong.
  void reached(const AuthorityClaim& claim, std::int64_t position);
  struct Standing {
    AuthorityClaim obeyed;
    std::int64_t position = 0;  // 0: nothing is known
  };
  Standing standing() const;

 private:
  explicit AuthorityStore(std::string path) : file_(std::move(path)) {}
  // All with mutex_ held.
  Status obey(const AuthorityClaim& claim);
  void take(const AuthorityClaim& claim);
  void keep_again();
  void load_position();
  std::string position_path() const;

  const ClaimFile file_;
  mutable std::mutex mutex_;
  AuthorityClaim current_;
  bool is_unkept_ = false;  // the disk doesn't have current_
  std::chrono::steady_clock::time_point next_try_{};
  std::int64_t position_ = 0;
  core::Fd position_file_;
};

}  // namespace qarax::agent
