// Any configuration file gives values within their bounds, or problems that say where they are.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "qarax/core/config.hpp"
#include "qarax/core/files.hpp"

namespace {

using namespace qarax;

void require(bool condition) {
  if (!condition) std::abort();
}

struct File {
  std::string path = "/dev/shm/qarax-config-fuzz-" + std::to_string(::getpid());
  ~File() { ::unlink(path.c_str()); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const File file;
  require(core::write_file_durably(file.path, std::string(reinterpret_cast<const char*>(data), size)).ok());
  core::ConfigReader reader(file.path, "QARAX_FUZZ");
  std::string address = "127.0.0.1";
  std::int64_t port = 8000;
  std::int64_t grace = 5000;
  bool insecure = false;
  std::string level = "info";
  std::vector<std::string> names;
  std::vector<qarax::core::ConfigReader::Entry> plugins;
  std::map<std::string, std::string> fallback;
  reader.text("listen.address", address);
  reader.integer("listen.port", port, 0, 65535);
  reader.duration_ms("shutdown.grace", grace);
  reader.boolean("insecure", insecure);
  reader.choice("log.level", level, {"debug", "info"});
  reader.texts("names", names);
  reader.objects("plugins", plugins);
  reader.text_map("fallback", fallback);
  const Status status = reader.finish();
  require(status.ok() || !status.error().message.empty());
  if (status) require(port >= 0 && port <= 65535 && grace >= 0);
  return 0;
}
