// Errors, their messages and the program's exit codes. Every failure is a qarax::Error; its reason is the server's
// problem slug or one of the constants here, its details are the problem's errors[], and a detail with the pointer
// /job_id carries the job_id, as in the server.
#pragma once

#include <string>
#include <string_view>

#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"

namespace qarax::cli {

// Part of the command line's contract: scripts rely on them.
enum ExitCode { kDone = 0, kRefused = 1, kWrongUsage = 2, kNotReachable = 3, kTimedOut = 4 };

constexpr std::string_view kUsage = "usage";
constexpr std::string_view kUnreachable =
    "server-unreachable";                                   // nothing answers, or something that is no qarax server
constexpr std::string_view kBroken = "connection-broken";   // during a change, which may be done or not
constexpr std::string_view kTimeout = "deadline-exceeded";  // the server's own slug for a timeout
constexpr std::string_view kVmNotFound = "vm-not-found";
constexpr std::string_view kHostNotFound = "host-not-found";
constexpr std::string_view kSnapshotNotFound = "snapshot-not-found";

constexpr std::string_view kJobPointer = "/job_id";

ExitCode exit_code(const Error& error);

// The Error of a reply that isn't 2xx. If the body is no problem document the reason is kUnreachable: a proxy or
// another program answered in the server's place.
Error problem_error(int status, std::string_view content_type, std::string_view body);
// The same for a problem document alone, which jobs have too.
Error error_of_problem(const json::Value& problem);

// Id of the job that the error is about; empty: none.
std::string job_of(const Error& error);

// The VM or host that a command is about, as the user named it; used to suggest the next command. Both may be empty.
struct Subject {
  std::string vm{};
  std::string host{};
};

// The error as several lines for people: what happened, each detail, hint, job and the suggested next command.
std::string render_error(const Error& error, const Subject& subject);

}  // namespace qarax::cli
