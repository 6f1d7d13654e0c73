// qarax: the command line over the REST API. Parses the arguments, runs one command, prints what went wrong.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "commands.hpp"
#include "output.hpp"
#include "problem.hpp"

namespace qarax::cli {
namespace {

// Not if NO_COLOR is set (https://no-color.org) or the terminal has no colours.
bool wants_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
         (term == nullptr || std::string_view(term) != "dumb");
}

// The VM or host that the command names, for the commands that an error message suggests.
Subject subject_of(const Arguments& arguments) {
  for (const char* of_host : {"plugins", "add-host", "init-host", "delete-host", "leftovers", "unmanaged", "adopt"})
    if (arguments.command == of_host) return {.host = arguments.target};
  for (const char* other : {"completion", "job", "cancel"})
    if (arguments.command == other) return {};
  return {.vm = arguments.target, .host = arguments.host};
}

int fail(const Error& error, const Subject& subject) {
  std::cout << std::flush;
  std::cerr << render_error(error, subject);
  return exit_code(error);
}

int run(std::vector<std::string> words) {
  const Parsed parsed = parse_arguments(std::move(words));
  std::cout << parsed.out;
  std::cerr << parsed.err;
  if (!parsed.arguments) return parsed.exit_code;
  const Arguments& arguments = *parsed.arguments;
  auto endpoint = parse_endpoint(arguments.server);
  if (!endpoint) return fail(endpoint.error(), {});
  ApiClient api(std::move(*endpoint), arguments.token, arguments.ca_file, arguments.wait);
  const Status done = run_command({arguments, api, std::cout, std::cerr, wants_colour()});
  return done ? kDone : fail(done.error(), subject_of(arguments));
}

// The exit code, once all output is written: a script must not take a cut list for a whole one.
int finish(int code, const OutputBuffer& output) {
  std::cout << std::flush;
  if (code != kDone || output.failure() == 0) return code;
  const Error lost = output_lost(output.failure());
  if (output.failure() == EPIPE) return exit_code(lost);  // `qarax list | head -1`: nobody misses it
  return fail(lost, {});
}

}  // namespace
}  // namespace qarax::cli

int main(int argc, char** argv) {
  // If the reader of stdout goes away (`qarax console web --follow | head`), the failing write ends the command.
  ::signal(SIGPIPE, SIG_IGN);
  qarax::cli::OutputBuffer output(STDOUT_FILENO);
  std::streambuf* const before = std::cout.rdbuf(&output);
  const int code = qarax::cli::finish(qarax::cli::run({argv + 1, argv + argc}), output);
  std::cout.rdbuf(before);  // it outlives `output`
  return code;
}
