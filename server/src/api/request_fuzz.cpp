// The head of a request, its target and its body as REST decodes it. The first byte says which.
#include <cstdint>
#include <cstdlib>

#include "api/host.hpp"
#include "api/new_vm.hpp"
#include "http/head_parser.hpp"
#include "http/target.hpp"

namespace {

using namespace qarax;

void require(bool condition) {
  if (!condition) std::abort();
}

void head(std::string_view text) {
  const http::HeadLimits limits;
  // A head that comes byte by byte ends where one that comes at once does.
  std::size_t at_once = 0;
  const auto whole = http::find_head_end(text, limits, at_once);
  std::size_t scanned = 0;
  http::HeadEnd end;
  for (std::size_t size = 1; size <= text.size() && end.size == 0 && !end.fault; ++size)
    end = http::find_head_end(text.substr(0, size), limits, scanned);
  require(whole.size == end.size || whole.fault || end.fault);
  if (whole.size == 0) return;
  http::Request request;
  http::Framing framing;
  const auto fault = http::parse_head(text.substr(0, whole.size), limits, request, framing);
  require(fault || request.target.size() <= limits.max_target);
}

template <class T>
void decoded(const Result<T>& document) {
  require(document || !document.error().message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      head(text);
      break;
    case 1: {
      http::Request request;
      static_cast<void>(http::parse_target(text, request));
      break;
    }
    case 2:
      decoded(api::decode_new_vm(text));
      break;
    default:
      decoded(api::decode_new_host(text));
  }
  return 0;
}
