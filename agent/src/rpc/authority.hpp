// Whom this node obeys: one cluster, and never a term lower than the highest it has seen. Durable, thread-safe. And how
// far that one's database had come by its own word, which proves later that it was set back.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "qarax/core/files.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct AuthorityClaim {
  std::string cluster_id;
  std::int64_t term = 0;
  std::string activation;
  bool operator==(const AuthorityClaim&) const = default;
};

class AuthorityStore {
 public:
  // `path`: the file that keeps it; position.json is beside it. An unreadable file is an error: forgetting the cluster
  // could obey two servers.
  static Result<std::unique_ptr<AuthorityStore>> open(std::string path);

  struct Obeyed {
    std::string last_activation;  // before this claim
    std::int64_t highest_term = 0;
  };
  // Hello: takes a first cluster, raises the term. FAILED_PRECONDITION "other-cluster", ABORTED "stale-term": also for
  // the term that is obeyed already where another activation of a server has it.
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
  explicit AuthorityStore(std::string path) : path_(std::move(path)) {}
  Status obey(const AuthorityClaim& claim);  // with mutex_ held
  void load_position();
  std::string position_path() const;

  const std::string path_;
  mutable std::mutex mutex_;
  AuthorityClaim current_;
  std::int64_t position_ = 0;
  core::Fd position_file_;
};

}  // namespace qarax::agent
