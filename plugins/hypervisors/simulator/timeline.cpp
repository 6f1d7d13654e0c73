#include "timeline.hpp"

namespace qarax::simulator {

namespace {

// FNV-1a over what names the draw, then a finaliser: std::hash may differ between libraries.
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

std::int64_t exit_delay_ns(const Behaviour& behaviour, const std::string& vm, std::int64_t incarnation) {
  if (behaviour.exit_after_ms == 0) return 0;
  const auto spread = static_cast<std::int64_t>(draw(behaviour, vm, incarnation, "exit") % 501);  // 0 … 500 thousandths
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

VmStatus status_at(const Life& life, std::int64_t now_ns) {
  VmStatus status;
  status.accelerator = "simulated";
  status.accelerator_evidence = "no guest runs: the simulator plugin was asked for";
  status.state = life.state;
  if (life.state != VmState::shutdown && life.ends_ns != 0 && now_ns >= life.ends_ns) {
    status.state = VmState::shutdown;
    status.status_reason = "simulated: ended by itself (exit_after_ms)";
    status.exit.emplace();
    status.exit->kind = ExitKind::exited;
  } else if (life.state == VmState::shutdown) {
    status.status_reason = "simulated: stopped";
  } else {
    status.status_reason = "simulated";
    status.can = life.state == VmState::running ? std::vector<std::string>{"pause", "reboot", "stop"}
                                                : std::vector<std::string>{"resume", "stop"};
  }
  return status;
}

}  // namespace qarax::simulator
