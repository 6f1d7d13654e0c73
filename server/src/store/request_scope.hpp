// The request that a thread serves. The store reads it, on the same thread, when a change is requested, and records it
// with the change. A RequestScope is created around the call of a handler.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "qarax/core/ids.hpp"

namespace qarax::server {

// An Idempotency-Key while its request is served, or served again because the first answer was lost. The first change
// that is made under it is bound to it, in the same transaction.
class Claim {
 public:
  Claim(std::string key, std::string fingerprint, std::string job_id = {}, bool bound = false)
      : key_(std::move(key)),
        fingerprint_(std::move(fingerprint)),
        job_id_(std::move(job_id)),
        bound_(bound),
        from_before_(bound) {}

  const std::string& key() const { return key_; }
  // Fingerprint of the key and the whole request, in hexadecimal.
  const std::string& fingerprint() const { return fingerprint_; }
  // Id for the first job that is begun under this claim.
  const std::string& first_job_id() const { return first_job_id_; }
  // Job of the bound change; empty: no change is bound yet, or it has no job. Thread-safe.
  std::string job_id() const {
    const std::lock_guard lock(mutex_);
    return job_id_;
  }
  bool is_bound() const {
    const std::lock_guard lock(mutex_);
    return bound_;
  }
  // The request was carried out earlier as that job and must not be carried out again.
  void resume(const std::string& job_id) {
    bind(job_id);
    const std::lock_guard lock(mutex_);
    from_before_ = true;
  }
  bool is_from_before() const {
    const std::lock_guard lock(mutex_);
    return from_before_;
  }
  void bind(const std::string& job_id) {
    const std::lock_guard lock(mutex_);
    bound_ = true;
    job_id_ = job_id;
  }

 private:
  const std::string key_;
  const std::string fingerprint_;
  const std::string first_job_id_ = core::new_ordered_uuid();
  mutable std::mutex mutex_;
  std::string job_id_;
  bool bound_ = false;
  bool from_before_ = false;
};

class RequestScope {
 public:
  // `claim` may be null.
  explicit RequestScope(std::string request_id, std::shared_ptr<Claim> claim = nullptr);
  ~RequestScope();
  RequestScope(const RequestScope&) = delete;
  RequestScope& operator=(const RequestScope&) = delete;

  // Null: this thread serves no request, e.g. when the server acts by itself.
  static RequestScope* current();
  static std::shared_ptr<Claim> current_claim();
  // Id for the next job of a VM that the request begins.
  static std::string new_job_id();
  // An id for another object that the request creates beside that job. It is derived from the job's id: it is the same
  // one when the request is repeated with its key, and another one once that key is forgotten.
  static std::string new_id();

  const std::string& id() const { return id_; }

 private:
  const std::string id_;
  const std::shared_ptr<Claim> claim_;
  RequestScope* const outer_;
};

}  // namespace qarax::server
