// The request that a thread serves, for what the store writes beside the changes that are made for it. Made around a
// handler; the store looks at it where a change is asked for, on the same thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "qarax/core/ids.hpp"

namespace qarax::server {

// An Idempotency-Key while its request is served, or once more where the first answer was lost. The first change that
// is made under it is bound to it, in one transaction.
class Claim {
 public:
  Claim(std::string key, std::string fingerprint, std::string job_id = {}, bool bound = false)
      : key_(std::move(key)),
        fingerprint_(std::move(fingerprint)),
        job_id_(std::move(job_id)),
        bound_(bound),
        from_before_(bound) {}

  const std::string& key() const { return key_; }
  // Of the key and all of the request, in hexadecimal digits.
  const std::string& fingerprint() const { return fingerprint_; }
  // That the first job gets which is begun under it.
  const std::string& first_job_id() const { return first_job_id_; }
  // Of that change; empty: none yet, or one without a job. Any thread.
  std::string job_id() const {
    const std::lock_guard lock(mutex_);
    return job_id_;
  }
  bool is_bound() const {
    const std::lock_guard lock(mutex_);
    return bound_;
  }
  // The request was carried out before, as that job: it isn't to be once more.
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

  // Null: this thread serves none, as when the server does something by itself.
  static RequestScope* current();
  static std::shared_ptr<Claim> current_claim();
  // Of the next job of a VM that the request begins.
  static std::string new_job_id();
  // An id for something that the request makes beside that job: made of the job's id, so that it is the same one when
  // the request is made again with its key, and another one once that key is forgotten.
  static std::string new_id();

  const std::string& id() const { return id_; }

 private:
  const std::string id_;
  const std::shared_ptr<Claim> claim_;
  RequestScope* const outer_;
};

}  // namespace qarax::server
