// Whom this node obeys: one cluster, and never a term lower than the highest it has seen. Durable, thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

struct AuthorityClaim {
  std::string cluster_id;
  std::int64_t term = 0;
  std::string activation;
};

class AuthorityStore {
 public:
  // `path`: the file that keeps it. An unreadable file is an error: forgetting the cluster could obey two servers.
  static Result<std::unique_ptr<AuthorityStore>> open(std::string path);

  struct Obeyed {
    std::string last_activation;  // before this claim
    std::int64_t highest_term = 0;
  };
  // Hello: takes a first cluster, raises the term. FAILED_PRECONDITION "other-cluster", ABORTED "stale-term".
  Result<Obeyed> greet(const AuthorityClaim& claim);
  // Every command after it: must be what the last greeting said.
  Status check(const AuthorityClaim& claim) const;

 private:
  explicit AuthorityStore(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  mutable std::mutex mutex_;
  AuthorityClaim current_;
};

}  // namespace qarax::agent
