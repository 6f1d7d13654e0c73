// The commands. Each prints the requested result to context.out and its progress to context.note, and returns what went
// wrong; main prints that error and derives the exit code from it.
#pragma once

#include "context.hpp"

namespace qarax::cli {

// Runs the command that the arguments name.
Status run_command(const Context& context);

// vm_commands.cpp
Status create(const Context& context);
Status list(const Context& context);
Status show(const Context& context);
Status act(const Context& context);  // start, stop, pause, resume, reboot, force-stop
Status remove(const Context& context);
Status set(const Context& context);

// change_commands.cpp
Status resize(const Context& context);
Status snapshot(const Context& context);
Status snapshots(const Context& context);
Status restore(const Context& context);
Status delete_snapshot(const Context& context);

// host_commands.cpp
Status hosts(const Context& context);
Status plugins(const Context& context);
Status add_host(const Context& context);
Status init_host(const Context& context);
Status delete_host(const Context& context);
Status version(const Context& context);

// job_commands.cpp, event_command.cpp
Status jobs(const Context& context);
Status job(const Context& context);
Status cancel(const Context& context);
Status events(const Context& context);

// truth_commands.cpp
Status leftovers(const Context& context);
Status unmanaged(const Context& context);
Status adopt(const Context& context);

// console.cpp, launch.cpp, why.cpp, completion.cpp
Status console(const Context& context);
Status launch(const Context& context);
Status why(const Context& context);
Status completion(const Context& context);

// ---- shared between commands ----

// What `events` does. A followed stream of which nothing comes for `silence` is taken up again like one that broke off.
Status tell_events(const Context& context, std::chrono::milliseconds silence);

// The script that `completion bash` prints.
std::string completion_script();

// Creates the VM that the arguments describe.
Result<Document> create_vm(const Context& context);

// Carries out an action and waits for its end, beyond the server's own limit as far as --wait allows. Returns the VM as
// it is then. With --wait 0 the action may still be under way (`activity`); with --wait 0 and -o json the result is the
// job, so that a script can follow it.
Result<Document> act_on(const Context& context, const json::Value& vm, const std::string& action);

// The same for any request that becomes a job. Returns the server's document, the VM or the job (as above) if it wasn't
// waited for, and an empty document for a 204.
Result<Document> carry_out(const Context& context, const json::Value& vm, Request request);

// Waits for the job's end, but only for a while and until `until` at the latest; returns the job as it is then.
Result<Document> look_at_job(ApiClient& api, const std::string& id, Clock::time_point until);
// The error of a job that ended without success, as the caller of its request was or would have been answered.
Error failure_of_job(const json::Value& job);

// E.g. "web is running", with what a job is still doing to it.
std::string state_line(const json::Value& vm, bool colour);
// Prints a new VM or host: its document, or that it is `made` (e.g. "created") with the suggested next command.
void say_made(const Context& context, const Document& document, std::string_view made, std::string_view next);
// A member of `object` as a number or as a size in bytes; empty if it is absent.
std::string number_text(const json::Value& object, std::string_view key);
std::string size_text(const json::Value& object, std::string_view key);

}  // namespace qarax::cli
