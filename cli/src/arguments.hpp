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

  std::string target;    // the VM or host, or for launch and create the new name
  std::string snapshot;  // of the VM: a name or id, or the new one's name
  std::string hypervisor;
  std::optional<std::string> description;
  std::optional<std::string> name;               // set --name
  std::optional<std::vector<std::string>> tags;  // --tag, --no-tags
  std::optional<std::int64_t> memory;            // bytes
  std::optional<std::int64_t> vcpus;
  std::optional<std::int64_t> max_vcpus;
  std::optional<json::Value> memory_hotplug;  // bytes; null: none
  std::optional<json::Value> config;
  std::chrono::milliseconds first_output{60'000};  // launch --timeout
  std::string until;                               // launch: on the console; empty: any line
  HostAddress address;                             // add-host
  std::string status;
  std::string host;  // jobs --host
  bool names = false;
  bool forget = false;
  bool follow = false;
  bool until_end = false;  // job --wait
  std::string after;       // events: the last one that was seen
  bool collect = false;
  std::string adopt;                 // of unmanaged: the VM's id
  std::string remove;                // likewise
  std::string plan;                  // of adopt: the one to carry out
  std::optional<std::int64_t> tail;  // lines
  bool read_only = false;
  char detach_key = '\x1d';                 // Ctrl-]
  std::chrono::milliseconds linger{1'000};  // console: behind the end of stdin

  bool json() const { return output == "json"; }
};

// What parsing came to: arguments to carry out, or a text to print and an exit code.
struct Parsed {
  std::optional<Arguments> arguments;
  std::string out;  // for stdout: help and version
  std::string err;  // for stderr: what is wrong, and which help to read
  int exit_code = 0;
};

// `words` without the program's name. Reads QARAX_URL, QARAX_TOKEN and QARAX_CA_FILE where the option isn't given.
Parsed parse_arguments(std::vector<std::string> words);

// Options that stand between their flags and what they mean: strings that are checked after the parse.
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
  std::int64_t tail = 0;
};

// Adds every command and option to `app`; the values land in `into`, which has to outlive the parse. Also what the
// completion script is made from, so that it knows every option.
void add_grammar(CLI::App& app, RawArguments& into);

}  // namespace qarax::cli
