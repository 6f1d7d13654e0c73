// Fuzzes the JSON reader and the codec of every document that crosses the plugin boundary. No input may cause a crash,
// and an accepted one must survive being written and read again.
#include <cstdint>
#include <cstdlib>

#include "qarax/plugin/call_args.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
void round_trip(std::string_view text) {
  for (const auto unknown : {qarax::Unknown::refuse, qarax::Unknown::ignore}) {
    const auto first = qarax::decode<T>(text, unknown);
    if (!first) continue;
    for (const auto defaults : {qarax::Defaults::omit, qarax::Defaults::write}) {
      const std::string written = qarax::encode(*first, defaults);
      const auto second = qarax::decode<T>(written);
      require(second.ok());
      require(qarax::encode(*second, defaults) == written);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = qarax::json::parse(text);
  if (value) {
    const std::string written = qarax::json::to_text(*value);
    const auto again = qarax::json::parse(written);
    require(again.ok());
    require(qarax::json::to_text(*again) == written);
    require(qarax::json::parse(qarax::json::source_text(*value, text)).ok());
  }
  round_trip<qarax::StartArgs>(text);
  round_trip<qarax::VmStatus>(text);
  round_trip<qarax::StopArgs>(text);
  round_trip<qarax::SpawnArgs>(text);
  round_trip<qarax::Description>(text);
  const auto repaired = qarax::json::repair_utf8(text);
  require(qarax::json::repair_utf8(repaired) == repaired);
  return 0;
}
