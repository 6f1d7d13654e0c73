// cluster.json: whom this node obeys. Always of one length and written in its place, which no full disk can refuse; a
// write that a loss of power tore is made good by cluster.copy beside it, which is written first. Not thread-safe: the
// AuthorityStore calls it under its lock.
#pragma once

#include <cstdint>
#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

struct AuthorityClaim {
  std::string cluster_id;
  std::int64_t term = 0;
  std::string activation;
  bool operator==(const AuthorityClaim&) const = default;
};

class ClaimFile {
 public:
  explicit ClaimFile(std::string path) : path_(std::move(path)) {}
  // A claim without a cluster: there is none yet. DATA_LOSS: neither copy can be read.
  Result<AuthorityClaim> read() const;
  // Durable when it returns. Takes room only where a file isn't there yet, or is an older agent's.
  Status write(const AuthorityClaim& claim) const;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace qarax::agent
