#include "handlers/job_handlers.hpp"

#include <algorithm>

#include "handlers/conditional.hpp"
#include "handlers/dry_runs.hpp"
#include "handlers/job_document.hpp"
#include "handlers/listing.hpp"
#include "handlers/reply.hpp"
#include "handlers/wait_limit.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

constexpr std::chrono::minutes kLongestWait{2};

Result<std::string> uuid_of(const http::Request& request, std::string_view name) {
  const auto value = request.query_value(name);
  if (!value) return std::string();
  if (core::is_uuid(*value)) return core::to_lower(*value);
  return make_error(Code::invalid_argument, std::string(name) + ": \"" + std::string(*value) + "\" is not a UUID",
                    "bad-uuid");
}

// Whether `text` has the form that core::to_rfc3339 writes.
bool is_time(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000Z";
  return text.size() == kShape.size() && std::equal(text.begin(), text.end(), kShape.begin(), [](char c, char shape) {
           return shape == '0' ? c >= '0' && c <= '9' : c == shape;
         });
}

Result<JobQuery> query_of(const http::Request& request) {
  JobQuery query;
  QARAX_TRY(query.vm_id, uuid_of(request, "vm_id"));
  QARAX_TRY(query.host_id, uuid_of(request, "host_id"));
  if (const auto state = request.query_value("state")) {
    query.state = enum_named<JobState>(*state);
    if (!query.state)
      return make_error(Code::invalid_argument,
                        "\"" + std::string(*state) +
                            "\" is no state of a job; there are running, completed, failed, superseded, cancelled",
                        "bad-query");
  }
  QARAX_TRY(const Page page, page_of(request));
  query.limit = page.limit;
  if (page.cursor) {
    const std::string_view cursor = *page.cursor;
    const std::size_t split = std::min(cursor.rfind('_'), cursor.size());
    query.before_at = cursor.substr(0, split);
    query.before_id = cursor.substr(std::min(split + 1, cursor.size()));
    if (!is_time(query.before_at) || !core::is_uuid(query.before_id)) return bad_cursor(cursor);
  }
  return query;
}

// A cursor is the key of the last job that the client has, in the order of the list.
std::string cursor_of(const Job& job) { return job.created_at + "_" + job.id; }

std::string text_of(const Job& job) { return encode(job_document(job), Defaults::write); }

// Progress changes the tag, so that a client which polls with If-None-Match sees it. But it doesn't count for If-Match:
// it moves all the time, and is gone after a restart of the server.
EntityTag tag_of(const Job& job, const std::string& text) {
  EntityTag tag = tag_of_document(text);
  if (!job.progress) return tag;
  Job recorded = job;
  recorded.progress.reset();
  tag.asked = tag_of_document(text_of(recorded)).asked;
  return tag;
}

class JobHandlers {
 public:
  JobHandlers(JobStore& store, Operations& operations, int most_waits)
      : store_(store), operations_(operations), waits_(most_waits, "jobs") {}

  Answer list(const http::Request& request) {
    QARAX_TRY(JobQuery query, query_of(request));
    const std::size_t limit = query.limit++;  // one more row tells whether there is a next page
    QARAX_TRY(auto jobs, store_.jobs(query));
    const bool more = jobs.size() > limit;
    if (more) jobs.resize(limit);
    std::string out = "[";
    for (const JobPtr& job : jobs) {
      if (out.size() > 1) out.push_back(',');
      encode_to(out, job_document(*job), Defaults::write);
    }
    auto response = http::Response::json(out + "]");
    if (more) add_next(response, request, cursor_of(*jobs.back()));
    return response;
  }

  Answer get(const http::Request& request) {
    QARAX_TRY(const auto wait, duration_of(request, "wait", {}, kLongestWait));
    QARAX_TRY(JobPtr job, job_of(request));
    if (wait.count() > 0 && job->state == JobState::running) {
      QARAX_TRY(const auto place, waits_.take());
      if (const JobPtr later = store_.job_book().wait(job->id, wait)) job = later;
    }
    std::string text = text_of(*job);
    const std::string etag = tag_of(*job, text).text();
    return show(request, etag, std::move(text));
  }

  Answer cancel(const http::Request& request) {
    QARAX_TRY(const bool dry, flag_of(request, "dry_run"));
    QARAX_TRY(const JobPtr job, job_of(request));
    EntityTag tag = tag_of(*job, text_of(*job));
    tag.is_known = false;  // compares only what is recorded of the job
    if (auto refusal = refuse_unmatched(request, tag)) return *std::move(refusal);
    if (dry) return dry_run_reply(operations_.dry_runs().cancel_job(job->id));
    const bool async = prefers_async(request);
    QARAX_TRY(const JobPtr done, operations_.cancel_job(job->id, async));
    const bool goes_on = done->state == JobState::running;
    std::string text = text_of(*done);
    const std::string etag = tag_of(*done, text).text();
    auto response = http::Response::json(std::move(text), goes_on ? 202 : 200).with("ETag", etag);
    if (async && goes_on) response.headers.set("Preference-Applied", "respond-async");
    return response;
  }

 private:
  // The job of the route's {id}; NOT_FOUND "job-not-found", or an error of the database.
  Result<JobPtr> job_of(const http::Request& request) {
    QARAX_TRY(const std::string id, id_of(request));
    QARAX_TRY(JobPtr job, store_.job(id));
    if (job == nullptr) return no_such_job(id);
    return job;
  }

  JobStore& store_;
  Operations& operations_;
  WaitLimit waits_;
};

}  // namespace

void add_job_routes(http::Router& router, JobStore& store, Operations& operations, int most_waits) {
  const auto handlers = std::make_shared<JobHandlers>(store, operations, most_waits);
  using http::Request;
  constexpr auto kAccess = http::Access::authenticated;
  // These may wait for the end of a job, or for the database if a job is no longer in memory.
  constexpr auto kPace = http::Pace::may_wait;
  router.add("GET", "/jobs", answering([handlers](const Request& r) { return handlers->list(r); }), kAccess, kPace);
  router.add("GET", "/jobs/{id}", answering([handlers](const Request& r) { return handlers->get(r); }), kAccess, kPace);
  router.add("DELETE", "/jobs/{id}", answering([handlers](const Request& r) { return handlers->cancel(r); }));
}

}  // namespace qarax::server
