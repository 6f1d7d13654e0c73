#include "handlers/idempotency.hpp"

#include <algorithm>

#include "handlers/reply.hpp"
#include "http/problem.hpp"
#include "qarax/core/sha256.hpp"

namespace qarax::server {

namespace {

constexpr std::string_view kHeader = "Idempotency-Key";
constexpr std::size_t kLongestKey = 255;
constexpr std::size_t kLargestAnswer = std::size_t{1} << 20;

bool is_usable(std::string_view key) {
  return !key.empty() && key.size() <= kLongestKey &&
         std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// Two requests are the same if key, method, target and body are equal.
Result<std::string> fingerprint_of(const std::string& key, const http::Request& request) {
  return core::sha256_hex(key + "\n" + request.method + "\n" + request.target + "\n" + request.body);
}

Error other_request() {
  return make_error(Code::invalid_argument,
                    "this Idempotency-Key was used for a request with another route or body within the last 24 h",
                    "idempotency-key-reused");
}

Error still_running(const std::string& job_id) {
  Error error = make_error(Code::aborted, "the first request with this Idempotency-Key is still being carried out",
                           "idempotency-in-progress");
  if (!job_id.empty()) error.details.push_back({"/job_id", job_id});
  return error;
}

http::Response replay(const KeptAnswer& answer) {
  auto response = http::Response::make(answer.status, answer.content_type, answer.body);
  for (const KeptHeader& header : answer.headers) response.headers.set(header.name, header.value);
  response.headers.set("Idempotent-Replayed", "true");
  return response;
}

// Whether the answer to the job's request asks the client to repeat it (Retry-After), whether or not it was sent.
bool asks_to_be_repeated(const Job& job) {
  return job.state == JobState::failed && job.error && http::retry_after_s(http::Problem(*job.error)) > 0;
}

// Whether the response says that its job is still running; true even if the job has ended since.
bool says_it_goes_on(const http::Response& response) {
  return response.status == 504 && response.body.find("/problems/deadline-exceeded\"") != std::string::npos;
}

}  // namespace

// While a request is served, its key belongs to that request.
class IdempotencyGuard::Held {
 public:
  Held(IdempotencyGuard& guard, std::shared_ptr<Claim> claim) : guard_(guard) {
    const std::lock_guard lock(guard_.mutex_);
    const auto [at, is_new] = guard_.being_served_.emplace(claim->key(), claim);
    holder_ = at->second;
    is_ours_ = is_new;
  }
  ~Held() {
    if (!is_ours_) return;
    const std::lock_guard lock(guard_.mutex_);
    guard_.being_served_.erase(holder_->key());
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  bool is_ours() const { return is_ours_; }
  const Claim& holder() const { return *holder_; }

 private:
  IdempotencyGuard& guard_;
  std::shared_ptr<Claim> holder_;
  bool is_ours_ = false;
};

Answer IdempotencyGuard::serve(const http::Request& request, const http::Handler& inner) {
  const std::string key(request.header(kHeader).value_or(""));
  if (!is_usable(key) || request.headers.count(kHeader) > 1)
    return make_error(Code::invalid_argument,
                      "a request has one Idempotency-Key, of 1 to 255 visible ASCII characters, such as a UUID",
                      "bad-idempotency-key");
  QARAX_TRY(std::string fingerprint, fingerprint_of(key, request));
  auto claim = std::make_shared<Claim>(key, std::move(fingerprint));
  // Hold the key while querying the database, so that no other request with it gets in between.
  const Held held(*this, claim);
  if (!held.is_ours())
    return held.holder().fingerprint() == claim->fingerprint() ? still_running(held.holder().job_id())
                                                               : other_request();
  QARAX_TRY(const auto kept, store_.kept_key(key));
  if (!kept) return first_time(request, inner, claim);
  const KeptKey& known = *kept;
  if (known.fingerprint != claim->fingerprint()) return other_request();
  if (known.answer) return replay(*known.answer);
  // The change was recorded but no answer was kept: the server was killed in between, or the client was told to repeat
  // the request.
  if (!known.job_id.empty()) {
    QARAX_TRY(const JobPtr job, store_.job(known.job_id));
    if (job && job->state == JobState::running && !prefers_async(request)) return still_running(known.job_id);
    // The client was told to repeat the request: run it again, and bind the key to the new job.
    if (job && asks_to_be_repeated(*job)) return first_time(request, inner, claim);
  }
  claim->resume(known.job_id);
  return first_time(request, inner, claim).with("Idempotent-Replayed", "true");
}

http::Response IdempotencyGuard::first_time(const http::Request& request, const http::Handler& inner,
                                            const std::shared_ptr<Claim>& claim) {
  const RequestScope scope(request.request_id, claim);
  http::Response response = inner(request);
  keep(*claim, response);
  return response;
}

// Keeps the answer unless it asks for a repetition, says that its job is still running (a 202 is kept), or is an
// error that the next attempt may not meet.
void IdempotencyGuard::keep(const Claim& claim, const http::Response& response) {
  if (response.stream || response.live || response.body.size() > kLargestAnswer) return;
  if (response.headers.find("Retry-After")) return;
  const std::string job_id = claim.job_id();
  const JobPtr job = job_id.empty() ? nullptr : store_.job_book().find(job_id);
  const bool goes_on = job && (job->state == JobState::running ? response.status != 202 : says_it_goes_on(response));
  const bool may_be_otherwise = response.status >= 500 && job_id.empty();
  if (goes_on || may_be_otherwise || response.status == 401) return;
  KeptKey kept{claim.key(), claim.fingerprint(), job_id, KeptAnswer{}};
  kept.answer->status = response.status;
  kept.answer->content_type = response.content_type;
  kept.answer->body = response.body;
  for (std::size_t i = 0; i < response.headers.size(); ++i)
    kept.answer->headers.push_back({std::string(response.headers[i].name), std::string(response.headers[i].value)});
  store_.keep_answer(std::move(kept));
}

void guard_changes(http::Router& router, Store& store) {
  const auto guard = std::make_shared<IdempotencyGuard>(store);
  router.wrap([&guard](const http::Route& route, const http::Handler& inner) -> http::Handler {
    if (route.method == "GET") return nullptr;
    return answering([guard, inner, is_post = route.method == "POST"](const http::Request& request) -> Answer {
      // A dry run changes nothing: its key stays free, and its answer is about the present state each time.
      const auto dry_run = flag_of(request, "dry_run");
      const bool may_change = dry_run && !*dry_run;
      if (is_post && may_change && request.header(kHeader)) return guard->serve(request, inner);
      const RequestScope scope(request.request_id);
      return inner(request);
    });
  });
}

}  // namespace qarax::server
