// cluster.json: which server this node obeys. The file has a fixed length and is overwritten in place, so a full disk
// can't prevent a write. If a loss of power tears the write, cluster.copy beside it, which is written first, replaces
// it. Not thread-safe: the AuthorityStore calls it under its lock.
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
  // A claim without a cluster: the file doesn't exist yet. DATA_LOSS: neither copy can be read.
  Result<AuthorityClaim> read() const;
  // Durable when it returns. Needs disk space only if a file doesn't exist yet, or an older agent wrote it.
  Status write(const AuthorityClaim& claim) const;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace qarax::agent
