// Helpers of all handlers: reading small parts of a request, replies that several of them give.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "handlers/answer.hpp"
#include "http/request.hpp"
#include "http/response.hpp"
#include "store/job.hpp"
#include "store/refusals.hpp"

namespace qarax::server {

// The {name} of the route in lower case; INVALID_ARGUMENT "bad-uuid" if it isn't a UUID.
Result<std::string> id_of(const http::Request& request, std::string_view name = "id");

// The flag ?name=true|false|1|0 or bare ?name; INVALID_ARGUMENT "bad-query" for anything else.
Result<bool> flag_of(const http::Request& request, std::string_view name);
// ?name=N, at least 1; nullopt if absent.
Result<std::optional<std::int64_t>> count_of(const http::Request& request, std::string_view name);

// ?name=N, at least 0; nullopt if absent.
Result<std::optional<std::int64_t>> size_of(const http::Request& request, std::string_view name);

// ?name=30s, 500ms, 2m or bare seconds, at most `most`; `otherwise` if absent.
Result<std::chrono::milliseconds> duration_of(const http::Request& request, std::string_view name,
                                              std::chrono::milliseconds otherwise, std::chrono::minutes most);

// Whether Accept ranks application/json strictly above text/plain. "*/*" and axios' "application/json, text/plain, */*"
// don't.
bool prefers_json(const http::Request& request);
// Whether the request has "Prefer: respond-async" (RFC 7240).
bool prefers_async(const http::Request& request);

// 201 with Location. The body is the bare id, or the document if the client prefers JSON.
http::Response created(const http::Request& request, const std::string& location, const std::string& id,
                       std::string document);

// 202 with the job that is still running.
http::Response accepted(const std::string& job_id);
Answer accepted(Result<JobPtr> begun);

}  // namespace qarax::server
