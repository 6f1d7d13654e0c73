// Requests that are made again with their Idempotency-Key. Part of Store, whose contract holds here too.
#pragma once

#include <optional>
#include <string>

#include "job.hpp"
#include "kept_answer.hpp"
#include "qarax/result.hpp"

namespace qarax::server {

class AnswerStore {
 public:
  virtual ~AnswerStore() = default;

  // What is stored for an Idempotency-Key; kept for 24 h of running time. The key is bound to the first change that is
  // made under a RequestScope with its Claim, in that change's transaction; a second change with a job is ABORTED
  // "idempotency-answer-lost".
  virtual Result<std::optional<KeptKey>> kept_key(const std::string& key) = 0;
  virtual void keep_answer(KeptKey kept) = 0;  // on disk soon, as with JobStore::finish_job
  // The job to which the request that this thread serves was bound when it was first made. Null: there is none.
  virtual Result<JobPtr> claimed_job() = 0;
};

}  // namespace qarax::server
