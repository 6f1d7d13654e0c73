#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "build_revision.hpp"
#include "detach_key.hpp"
#include "problem.hpp"
#include "sizes.hpp"

namespace qarax::cli {

namespace {

constexpr double kLongestWait = 86'400;

constexpr const char* kFooter =
    "A VM is named by its name or its id. `qarax COMMAND --help` says more.\n"
    "Exit codes: 0 done, 1 refused by the server, 2 wrong usage, 3 server not reachable, 4 timed out.";

constexpr const char* kConsoleHelp =
    "Attach to a guest's serial console: what the guest writes is shown, what is typed goes to the guest, every key "
    "but "
    "the detach key. Where standard input is no terminal, its bytes are typed, and the console is shown until --linger "
    "after their end; where there are none, or with --follow or --tail, the console is only shown.";

constexpr const char* kWhyHelp =
    "Say in what state a VM is, why, on what it rests (accelerator, host), how it ended, its last console lines and "
    "what to do next.";

constexpr const char* kResizeHelp =
    "Change a VM's number of vCPUs or its memory: of a running one at once, by hotplug, as far as its hypervisor can; "
    "of a stopped one from its next start on.";

void add_global(CLI::App& app, RawArguments& in) {
  Arguments& a = in.arguments;
  app.add_option("--server", a.server, "The server's URL, http or https")->envname("QARAX_URL")->capture_default_str();
  app.add_option("--token", a.token, "Bearer token; better in the environment, where `ps` doesn't show it")
      ->envname("QARAX_TOKEN");
  app.add_option("--ca-file", a.ca_file, "PEM file of the authority that signed the server's certificate")
      ->envname("QARAX_CA_FILE");
  app.add_option("-o,--output", a.output, "table for people, json as the server sent it")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--wait", in.wait, "Seconds to wait for the end of what is asked; 0: leave an action to the server")
      ->check(CLI::Range(0.0, kLongestWait))
      ->capture_default_str();
}

constexpr const char* kSetHelp =
    "Change what is named. Name, description, tags and restarts at any time; everything else while the VM doesn't run.";

void add_size(CLI::App& command, RawArguments& in) {
  command.add_option("--memory", in.memory, "Memory, such as 512M or 2G");
  command.add_option("--vcpus", in.vcpus, "Number of vCPUs")->check(CLI::Range(1, 1024));
}

// Options of both `create` and `set`.
void add_changeable(CLI::App& command, RawArguments& in) {
  Arguments& a = in.arguments;
  add_size(command, in);
  command.add_option("--max-vcpus", in.max_vcpus, "vCPUs that `qarax resize` can give it while it runs")
      ->check(CLI::Range(1, 1024));
  command.add_option("--memory-hotplug", in.memory_hotplug,
                     "Memory that `qarax resize` can add while it runs, such as 1G; none: nothing");
  command.add_option("--description", a.description, "A line for people");
  command.add_option("--config", in.config, "The hypervisor plugin's own options, a JSON object");
  command
      .add_option(
          "--restart", a.restart,
          "When the server starts it again after it ended by itself; on-failure: not where the guest powered off")
      ->check(CLI::IsMember({"never", "on-failure", "always"}));
  command.add_option("--restart-limit", in.restart_limit, "Most restarts in a row; 0: no limit")
      ->check(CLI::Range(0, 1'000'000));
}

CLI::Option* add_tags(CLI::App& command, RawArguments& in, const char* help) {
  return command.add_option("--tag", in.tags, help)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_spec(CLI::App& command, RawArguments& in) {
  Arguments& a = in.arguments;
  command.add_option("NAME", a.target, "The new VM's name")->required();
  add_changeable(command, in);
  add_tags(command, in, "A tag for finding it; may be given several times");
  command.add_option("--hypervisor", a.hypervisor, "Plugin to run it; `qarax plugins` lists them");
}

CLI::App& add_vm_command(CLI::App& app, RawArguments& in, const char* name, const std::string& help) {
  CLI::App& command = *app.add_subcommand(name, help);
  command.add_option("VM", in.arguments.target, "Name or id of the VM")->required();
  return command;
}

void add_vms(CLI::App& app, RawArguments& in) {
  Arguments& a = in.arguments;
  CLI::App& launch =
      *app.add_subcommand("launch", "Create a VM, start it and show its console until it says something");
  add_spec(launch, in);
  launch.add_option("--until", a.until, "Wait until the guest has written this text, such as \"login:\"");
  launch.add_option("--timeout", in.timeout, "Seconds to wait for the guest's first line, or for what --until names")
      ->check(CLI::Range(0.0, kLongestWait))
      ->capture_default_str();
  add_spec(*app.add_subcommand("create", "Define a VM without starting it"), in);
  CLI::App& list = *app.add_subcommand("list", "List the VMs");
  list.add_option("--status", a.status, "Only those in this state")
      ->check(CLI::IsMember({"unknown", "created", "running", "paused", "shutdown"}));
  add_tags(list, in, "Only those with this tag; with several, only those with all of them");
  list.add_flag("--names", a.names, "Only the names, one a line");
  add_vm_command(app, in, "show", "Show one VM");
  CLI::App& set = add_vm_command(app, in, "set", kSetHelp);
  add_changeable(set, in);
  set.add_option("--name", a.name, "Another name");
  CLI::Option* tags = add_tags(set, in, "Its tags from now on; may be given several times");
  set.add_flag("--no-tags", in.no_tags, "Take all tags away")->excludes(tags);
  add_vm_command(app, in, "why", kWhyHelp);
  add_vm_command(app, in, "start", "Start a VM");
  add_vm_command(app, in, "stop", "Press the power button; the server kills a guest that doesn't power off in time");
  add_vm_command(app, in, "pause", "Freeze a VM; its memory stays");
  add_vm_command(app, in, "resume", "Let a paused VM go on");
  add_vm_command(app, in, "reboot", "Reset a running VM");
  add_vm_command(app, in, "force-stop", "Kill a VM at once");
  add_vm_command(app, in, "delete", "Remove a VM; a running one is stopped first")
      .add_flag("--forget", a.forget, "Also where its host can't be reached; the host ends the VM when it returns");
  add_size(add_vm_command(app, in, "resize", kResizeHelp), in);
  add_vm_command(app, in, "snapshot", "Keep a VM's memory and devices on its host; the guest goes on")
      .add_option("--name", a.snapshot, "The snapshot's name; snapshot-1, snapshot-2, … without it");
  add_vm_command(app, in, "snapshots", "List a VM's snapshots").add_flag("--names", a.names, "Only the names");
  for (const auto& [name, help] : {std::pair{"restore", "Let a stopped VM go on where a snapshot left it"},
                                   std::pair{"delete-snapshot", "Delete a snapshot from the VM's host"}})
    add_vm_command(app, in, name, help).add_option("SNAPSHOT", a.snapshot, "Name or id of the snapshot")->required();
  CLI::App& console = add_vm_command(app, in, "console", kConsoleHelp);
  CLI::Option* tail =
      console.add_option("--tail", in.tail, "Only the last so many lines")->check(CLI::Range(1, 1'000'000));
  console.add_flag("-f,--follow", a.follow, "Only show, and go on as the guest writes; Ctrl-C ends it")->excludes(tail);
  console.add_flag("--read-only", a.read_only, "Nothing is typed; the detach key still ends it");
  console.add_option("--detach-key", in.detach_key, "The key that ends it and leaves the guest alone: ^] is Ctrl-]")
      ->capture_default_str();
  console.add_option("--linger", in.linger, "Seconds to go on showing the console after all of standard input is sent")
      ->check(CLI::Range(0.0, kLongestWait))
      ->capture_default_str();
}

void add_jobs(CLI::App& app, RawArguments& in) {
  Arguments& a = in.arguments;
  CLI::App& jobs = *app.add_subcommand("jobs", "List the jobs, newest first");
  jobs.add_option("VM", a.target, "Only those of this VM, by name or id");
  jobs.add_option("--host", a.host, "Only those at this host, by name or id");
  jobs.add_option("--state", a.status, "Only those in this state")
      ->check(CLI::IsMember({"running", "completed", "failed", "superseded", "cancelled"}));
  jobs.add_option("--tail", in.tail, "At most this many, newest first; default 50")->check(CLI::Range(1, 1000));
  CLI::App& job = *app.add_subcommand("job", "Show one job with its steps");
  job.add_option("JOB", a.target, "Id of the job")->required();
  job.add_flag("--wait", a.until_end, "Wait for its end; `qarax --wait SECONDS job …` says how long");
  app.add_subcommand("cancel", "End a job that isn't done yet: what it did is undone")
      ->add_option("JOB", a.target, "Id of the job")
      ->required();
  CLI::App& events = *app.add_subcommand("events", "Show what happened, or with --follow what happens");
  events.add_option("VM", a.target, "Only events of this VM, by name or id");
  events.add_flag("-f,--follow", a.follow, "Go on as it happens; Ctrl-C ends it");
  events.add_option("--after", a.after, "Begin behind this event's id; oldest: with the first that is kept");
}

void add_others(CLI::App& app, RawArguments& in) {
  Arguments& a = in.arguments;
  app.add_subcommand("hosts", "List the hosts and why one isn't up");
  app.add_subcommand("plugins", "List what each host's plugins offer, and why one was refused")
      ->add_option("HOST", a.target, "Only this host, by name or id");
  const auto of_host = [&](const char* name, const char* help) -> CLI::App& {
    CLI::App& command = *app.add_subcommand(name, help);
    command.add_option("HOST", a.target, "Name or id of the host")->required();
    return command;
  };
  CLI::App& added = *app.add_subcommand("add-host", "Register a host by the address of its qarax-node");
  added.add_option("NAME", a.target, "The new host's name")->required();
  added.add_option("ADDRESS", in.address, "HOST, HOST:PORT or [IPv6]:PORT; without a port 50051")->required();
  of_host("init-host", "Connect to the host's node now, and wait for what comes of it");
  of_host("delete-host", "Forget a host; refused while it has VMs. Its qarax-node goes on")
      .add_flag("--forget", a.forget, "With the records of its VMs: for a host that never comes back");
  of_host("leftovers", "List what the host's agents have made and no VM owns")
      .add_flag("--collect", a.collect, "Remove exactly that");
  CLI::App& unmanaged = of_host("unmanaged", "List VMs that the host's node has and the server doesn't know");
  CLI::Option* adopted = unmanaged.add_option("--adopt", a.adopt, "Make the VM of this id the server's, as it is");
  unmanaged.add_option("--remove", a.remove, "End the VM of this id and delete it")->excludes(adopted);
  of_host("adopt", "Show what taking the host over after a lost or restored database would do")
      .add_option("--plan", a.plan, "Carry out the plan that was shown by this name");
  app.add_subcommand("version", "Versions of this program and of the server");
  app.add_subcommand("completion", "Print a completion script: source <(qarax completion bash)")
      ->add_option("SHELL", a.target, "bash")
      ->required()
      ->check(CLI::IsMember({"bash"}));
}

// Refuses empty values: they mostly come from an unset variable in a script, which meant neither the default nor
// everything.
void refuse_empty_values(CLI::App& app) {
  std::vector<CLI::App*> all = app.get_subcommands([](const CLI::App*) { return true; });
  all.push_back(&app);
  for (CLI::App* command : all)
    for (CLI::Option* option : command->get_options())
      if (option->get_items_expected_max() > 0 && !option->check_lname("description"))
        option->check([](const std::string& value) { return std::string(value.empty() ? "must not be empty" : ""); });
}

Status usage(const std::string& message) { return make_error(Code::invalid_argument, message, std::string(kUsage)); }

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

// The token becomes the value of a header field. Drops the final line end of the file it came from and refuses any
// other control character: a line end inside would begin another field.
Status clean_token(std::string& token) {
  if (token.ends_with('\n')) token.pop_back();
  if (token.ends_with('\r')) token.pop_back();
  const auto control = std::find_if(token.begin(), token.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control == token.end()) return Ok{};
  return usage("the token (--token, QARAX_TOKEN) has a control character in it, such as a line end, as its character " +
               std::to_string(control - token.begin() + 1) + "; no token has that");
}

Status finish(RawArguments& in, const CLI::App& command) {
  Arguments& a = in.arguments;
  a.command = command.get_name();
  a.wait = milliseconds(in.wait);
  a.first_output = milliseconds(in.timeout);
  a.linger = milliseconds(in.linger);
  QARAX_CHECK(clean_token(a.token));
  const auto key = parse_detach_key(in.detach_key);
  if (!key) return usage("--detach-key: " + key.error().message);
  a.detach_key = *key;
  if (in.vcpus != 0) a.vcpus = in.vcpus;
  if (in.max_vcpus != 0) a.max_vcpus = in.max_vcpus;
  if (in.restart_limit >= 0) a.restart_limit = in.restart_limit;
  if (in.tail != 0) a.tail = in.tail;
  if (!in.tags.empty() || in.no_tags) a.tags = in.tags;
  if (!in.memory.empty()) {
    auto size = parse_size(in.memory);
    if (!size) return usage("--memory: " + size.error().message);
    a.memory = *size;
  }
  if (!in.address.empty()) {
    auto address = parse_host_address(in.address);
    if (!address) return usage(address.error().message);
    a.address = std::move(*address);
  }
  if (in.memory_hotplug == "none") {
    a.memory_hotplug = json::Value();
  } else if (!in.memory_hotplug.empty()) {
    auto size = parse_size(in.memory_hotplug);
    if (!size) return usage("--memory-hotplug: " + size.error().message);
    a.memory_hotplug = json::Value(*size);
  }
  if (a.command == "resize" && !a.memory && !a.vcpus) return usage("resize needs --vcpus, --memory or both");
  if (!in.config.empty()) {
    auto config = json::parse(in.config);
    if (!config) return usage("--config: " + config.error().message);
    a.config = std::move(*config);
  }
  return Ok{};
}

// CLI11's parse() takes the words in reverse order.
std::vector<std::string> reversed(std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());
  return words;
}

}  // namespace

void add_grammar(CLI::App& app, RawArguments& into) {
  app.description("Virtual machines through a qarax server.");
  app.footer(kFooter);
  app.set_version_flag("--version", "qarax " + version_with(QARAX_VERSION, build_revision()));
  app.require_subcommand(1);
  app.fallthrough();  // global options may follow the command
  add_global(app, into);
  add_vms(app, into);
  add_jobs(app, into);
  add_others(app, into);
  refuse_empty_values(app);
}

Parsed parse_arguments(std::vector<std::string> words) {
  CLI::App app("", "qarax");
  RawArguments raw;
  add_grammar(app, raw);
  Parsed parsed;
  const auto help_of = [&] {
    const auto chosen = app.get_subcommands();
    return "qarax " + (chosen.empty() ? std::string() : chosen.front()->get_name() + " ") + "--help";
  };
  const auto refuse = [&](const std::string& message) {
    parsed.err = "qarax: " + message + "\n  next: " + help_of() + "\n";
    parsed.exit_code = kWrongUsage;
    return parsed;
  };
  try {
    app.parse(reversed(std::move(words)));
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream out;
    app.exit(asked, out, out);
    parsed.out = out.str();
    return parsed;
  } catch (const CLI::ParseError& error) {
    // CLI11 reports an unknown command as "a subcommand is required".
    const auto unknown = app.get_subcommands().empty() ? app.remaining() : std::vector<std::string>();
    return refuse(unknown.empty() ? error.what() : "there is no command " + unknown.front());
  }
  if (const Status done = finish(raw, *app.get_subcommands().front()); !done) return refuse(done.error().message);
  parsed.arguments = std::move(raw.arguments);
  return parsed;
}

}  // namespace qarax::cli
