// Fuzzes the head of a request, its target, the coding of its body, and the bodies that REST decodes. The first input
// byte selects which.
#include <cstdint>
#include <cstdlib>

#include "api/host.hpp"
#include "api/new_vm.hpp"
#include "api/patch.hpp"
#include "api/vm_changes.hpp"
#include "http/chunked.hpp"
#include "http/head_parser.hpp"
#include "http/target.hpp"

namespace {

using namespace qarax;

void require(bool condition) {
  if (!condition) std::abort();
}

void head(std::string_view text) {
  const http::HeadLimits limits;
  // The end of a head must be the same whether its bytes come one by one or at once.
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

// A body must be the same whether its bytes come one by one or at once, and bytes after it must not be consumed.
void chunked(std::string_view text) {
  constexpr std::size_t kLimit = 1024;
  using Status = http::ChunkedDecoder::Status;
  http::ChunkedDecoder at_once;
  std::string whole;
  std::string_view left = text;
  const Status status = at_once.feed(left, whole, kLimit);
  require(whole.size() <= kLimit);
  http::ChunkedDecoder slow;
  std::string out;
  Status now = Status::more;
  std::size_t taken = 0;
  while (now == Status::more && taken < text.size()) {
    std::string_view byte = text.substr(taken++, 1);
    now = slow.feed(byte, out, kLimit);
  }
  require(now == status);
  if (status == Status::done) require(out == whole && taken == text.size() - left.size());
}

// A patched object must be one that could also have been created.
void patch(std::string_view text) {
  api::NewVm now;
  now.name = "web";
  const auto changed = api::patched(now, text);
  require(changed || !changed.error().message.empty());
  if (changed) require(api::decode_new_vm(encode(*changed)).ok());
}

template <class T>
void decoded(const Result<T>& document) {
  require(document || !document.error().message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
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
    case 3:
      decoded(api::decode_new_host(text));
      break;
    case 4:
      chunked(text);
      break;
    case 5:
      patch(text);
      break;
    default:
      decoded(api::decode_resize(text));
      decoded(api::decode_new_snapshot(text));
      decoded(api::decode_restore(text));
  }
  return 0;
}
