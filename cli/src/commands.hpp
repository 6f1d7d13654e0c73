// The commands. Each prints what was asked for to `out`, what it does meanwhile to `note`, and answers with what went
// wrong; main renders that and makes the exit code of it.
#pragma once

#include "context.hpp"

namespace qarax::cli {

// Finds the command that the arguments name and runs it.
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

// The script that `completion bash` prints.
std::string completion_script();

// Defines the VM that the arguments describe.
Result<Document> create_vm(const Context& context);

// Carries out an action and waits for its end, past the server's own limit as far as --wait goes. The VM as it then is;
// with --wait 0 it may still be under way (`activity`), and with -o json too it is the job, which a script goes on
// with.
Result<Document> act_on(const Context& context, const json::Value& vm, const std::string& action);

// The same for any request that the server makes a job of. The server's document; the VM or the job where it wasn't
// waited for; none of a 204.
Result<Document> carry_out(const Context& context, const json::Value& vm, Request request);

// The job at its end, or as it is after a while, at `until` at the latest.
Result<Document> look_at_job(ApiClient& api, const std::string& id, Clock::time_point until);
// Why one that has ended isn't completed: what its caller was or would have been answered.
Error failure_of_job(const json::Value& job);

// "web is running"; with what a job still does.
std::string state_line(const json::Value& vm, bool colour);
// A member that is a number, or bytes; empty where there is none.
// A new VM or host: its document, or that it is `made` ("created") and the command that comes next.
void say_made(const Context& context, const Document& document, std::string_view made, std::string_view next);
std::string number_text(const json::Value& object, std::string_view key);
std::string size_text(const json::Value& object, std::string_view key);

}  // namespace qarax::cli
