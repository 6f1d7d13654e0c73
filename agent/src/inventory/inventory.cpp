#include "inventory.hpp"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "qarax/core/files.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::agent {

namespace {

std::string cpu_model() {
  const auto text = core::read_file("/proc/cpuinfo", 4u << 20);
  if (!text) return {};
  const std::size_t at = text->find("model name");
  if (at == std::string::npos) return {};
  const std::size_t colon = text->find(": ", at);
  if (colon == std::string::npos) return {};
  return text->substr(colon + 2, text->find('\n', colon) - colon - 2);
}

}  // namespace

core::NodeInfo host_facts() {
  core::NodeInfo info;
  info.machine_id = core::machine_id();
  info.boot_id = core::boot_identity();
  info.cpu_model = cpu_model();
  utsname names{};
  if (uname(&names) == 0) {
    info.hostname = names.nodename;
    info.kernel = names.release;
    info.architecture = names.machine;
  }
  cpu_set_t usable;
  CPU_ZERO(&usable);
  info.cpus = sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : get_nprocs();
  struct sysinfo memory {};
  if (sysinfo(&memory) == 0) info.memory = static_cast<std::int64_t>(memory.totalram) * memory.mem_unit;
  return info;
}

}  // namespace qarax::agent
