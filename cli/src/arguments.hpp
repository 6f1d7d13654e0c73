// The command line's grammar: options, commands, their help.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"
#include "sizes.hpp"

namespace CLI {
class App;
}

namespace qarax::cli {

struct Arguments {
  std::string command;  // "launch", "force-stop", …

  std::string server = "http://127.0.0.1:8000";
  std::string token;
  std::string ca_file;
  std::string output = "table";
  std::chrono::milliseconds wait{90'000};

  std::string target;    // the VM or host; for launch and create the new VM's name
  std::string snapshot;  // name or id of a snapshot of the VM, or the name of a new one
  std::string hypervisor;
  std::optional<std::string> description;
  std::optional<std::string> name;               // set: --name
  std::optional<std::vector<std::string>> tags;  // --tag, --no-tags
  std::optional<std::int64_t> memory;            // bytes
  std::optional<std::int64_t> vcpus;
  std::optional<std::int64_t> max_vcpus;
  std::optional<json::Value> memory_hotplug;  // bytes; JSON null: none
  std::optional<json::Value> config;
  std::string restart;  // --restart: never, on-failure, always; empty: not given
  std::optional<std::int64_t> restart_limit;
  std::chrono::milliseconds first_output{60'000};  // launch --timeout
  std::string until;                               // launch: text to wait for on the console; empty: any line
  HostAddress address;                             // add-host
  std::string status;
  std::string host;  // jobs: --host
  bool names = false;
  bool forget = false;
  bool follow = false;
  bool until_end = false;  // job: --wait
  std::string after;       // events: id of the last event seen
  bool collect = false;
  std::string adopt;                 // unmanaged: id of the VM to adopt
  std::string remove;                // unmanaged: id of the VM to remove
  std::string plan;                  // adopt: the plan to carry out
  std::optional<std::int64_t> tail;  // lines
  bool read_only = false;
  char detach_key = '\x1d';                 // Ctrl-]
  std::chrono::milliseconds linger{1'000};  // console: time to go on after all of stdin is sent

  bool json() const { return output == "json"; }
};

// The result of parsing: arguments to carry out, or texts to print and an exit code.
struct Parsed {
  std::optional<Arguments> arguments;
  std::string out;  // for stdout: help and version
  std::string err;  // for stderr: the mistake, and which help to read
  int exit_code = 0;
};

// `words` doesn't include the program's name. QARAX_URL, QARAX_TOKEN and QARAX_CA_FILE apply if their option isn't
// given.
Parsed parse_arguments(std::vector<std::string> words);

// Target of the parser: options whose strings are checked and converted after the parse.
struct RawArguments {
  Arguments arguments;
  std::string address;
  std::string memory;
  std::string memory_hotplug;
  std::string config;
  std::vector<std::string> tags;
  bool no_tags = false;
  double wait = 90;
  double timeout = 60;
  double linger = 1;
  std::string detach_key = "^]";
  std::int64_t vcpus = 0;
  std::int64_t max_vcpus = 0;
  std::int64_t restart_limit = -1;  // not given
  std::int64_t tail = 0;
};

// Adds every command and option to `app`; the values are written to `into`, which must outlive the parse. The
// completion script is made from this too, so that it knows every option.
void add_grammar(CLI::App& app, RawArguments& into);

}  // namespace qarax::cli
