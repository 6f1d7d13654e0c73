#include "timeline.hpp"

#include <algorithm>

namespace qarax::simulator {

namespace {

// FNV-1a over the draw's parameters, then a finaliser. Not std::hash, which may differ between libraries.
std::uint64_t draw(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation, const char* what) {
  std::uint64_t h = 0xcbf29ce484222325u;
  const std::string text = std::to_string(behaviour.seed) + "/" + vm + "/" + std::to_string(incarnation) + "/" + what;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdu;
  return h ^ (h >> 33);
}

}  // namespace

bool start_fails(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation) {
  return draw(behaviour, vm, incarnation, "start") % 100 < static_cast<std::uint64_t>(behaviour.failure_percent);
}

bool action_fails(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation, const char* action,
                  std::int64_t turn) {
  const std::string what = std::string(action) + "/" + std::to_string(turn);
  return draw(behaviour, vm, incarnation, what.c_str()) % 100 <
         static_cast<std::uint64_t>(behaviour.action_failure_percent);
}

std::int64_t exit_delay_ns(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation) {
  if (behaviour.exit_after_ms == 0) return 0;
  const auto spread = static_cast<std::int64_t>(draw(behaviour, vm, incarnation, "exit") % 501);  // 0 … 500 per mille
  return behaviour.exit_after_ms * (750 + spread) * 1000;
}

Result<Behaviour> behaviour_of(const Behaviour& base, const VmSpec& spec) {
  if (spec.config.text == "null") return base;
  const auto parsed = json::parse(spec.config.text);
  if (!parsed) return parsed.error();
  Behaviour out = base;
  detail::Decoder decoder(Unknown::refuse);
  decoder.read(*parsed, out, "/config");
  if (decoder.problems.empty()) return out;
  Error error = make_error(
      Code::invalid_argument,
      "the simulator's options: " + decoder.problems.front().pointer + ": " + decoder.problems.front().detail,
      "validation");
  error.details = std::move(decoder.problems);
  return error;
}

Life begin(const StartArgs& args, const Behaviour& behaviour, const std::string& boot_id, std::int64_t now_ns) {
  Life life;
  life.boot_id = boot_id;
  life.started_ns = now_ns;
  if (const std::int64_t delay = exit_delay_ns(behaviour, args.vm, args.incarnation); delay != 0)
    life.ends_ns = now_ns + delay;
  life.vcpus = args.spec.boot_vcpus;
  life.max_vcpus = std::max(args.spec.boot_vcpus, args.spec.max_vcpus);
  life.memory = args.spec.memory_size;
  life.max_memory = args.spec.memory_size + args.spec.memory_hotplug_size.value_or(0);
  life.behaviour = behaviour;
  return life;
}

bool has_ended(const Life& life, std::int64_t now_ns) {
  return life.state == VmState::shutdown || (life.ends_ns != 0 && now_ns >= life.ends_ns);
}

void pause(Life& life, std::int64_t now_ns) {
  life.state = VmState::paused;
  if (life.ends_ns == 0) return;
  life.left_ns = std::max<std::int64_t>(1, life.ends_ns - now_ns);
  life.ends_ns = 0;
}

void resume(Life& life, std::int64_t now_ns) {
  life.state = VmState::running;
  if (life.left_ns != 0) life.ends_ns = now_ns + life.left_ns;
  life.left_ns = 0;
}

Status resize(Life& life, const ResizeArgs& args) {
  Error error = make_error(Code::invalid_argument, "", "validation");
  if (args.vcpus && (*args.vcpus < 1 || *args.vcpus > life.max_vcpus))
    error.details.push_back({"/vcpus", "must be 1 to max_vcpus, which is " + std::to_string(life.max_vcpus)});
  if (args.memory && (*args.memory < 1 || *args.memory > life.max_memory))
    error.details.push_back({"/memory", "must be at most memory_size and memory_hotplug_size together, " +
                                            std::to_string(life.max_memory) + " bytes"});
  if (!error.details.empty()) {
    error.message =
        "the simulated VM can't be resized: " + error.details.front().pointer + " " + error.details.front().detail;
    return error;
  }
  if (args.vcpus) life.vcpus = *args.vcpus;
  if (args.memory) life.memory = *args.memory;
  return Ok{};
}

std::int64_t uptime_ns(const Life& life, std::int64_t now_ns) {
  std::int64_t end = now_ns;
  if (life.ended_ns != 0) end = life.ended_ns;
  if (life.ends_ns != 0 && end > life.ends_ns) end = life.ends_ns;
  return end - life.started_ns;
}

VmStatus status_at(const Life& life, const std::string& boot_id, std::int64_t now_ns) {
  VmStatus status;
  status.accelerator = "simulated";
  status.accelerator_evidence = "no guest runs: the simulator plugin was asked for";
  status.state = VmState::shutdown;
  if (life.state == VmState::shutdown) {
    status.status_reason = "simulated: stopped";
  } else if (life.boot_id != boot_id) {
    status.status_reason = "simulated: the host was rebooted";
  } else if (has_ended(life, now_ns)) {
    status.status_reason = "simulated: ended by itself (exit_after_ms)";
    status.exit.emplace();
    status.exit->kind = ExitKind::exited;
  } else {
    status.state = life.state;
    status.status_reason = "simulated";
    status.can = life.state == VmState::running
                     ? std::vector<std::string>{"pause", "reboot", "resize", "snapshot", "stop"}
                     : std::vector<std::string>{"resume", "snapshot", "stop"};
    status.live.text = "{\"simulated\":true,\"vcpus\":" + std::to_string(life.vcpus) +
                       ",\"memory\":" + std::to_string(life.memory) + "}";
  }
  return status;
}

}  // namespace qarax::simulator
