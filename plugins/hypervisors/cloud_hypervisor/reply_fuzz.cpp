// What Cloud Hypervisor's socket may answer: HTTP in whatever pieces, and the documents in it.
#include <cstdint>
#include <cstdlib>

#include "api_client.hpp"
#include "text_peer.hpp"

namespace {

using namespace qarax;

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
void said(const Result<T>& result) {
  require(result || !result.error().message.empty());
}

// A reply that is whole stays what it is, whatever comes behind it; one that can't be one never becomes one.
void in_pieces(std::string_view text) {
  const auto whole = plugin::parse_http_reply(text, false);
  if (whole && *whole) require((*whole)->status >= 100 && (*whole)->status <= 999);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto part = plugin::parse_http_reply(text.substr(0, size), false);
    if (!part) return require(!whole);
    if (!*part) continue;
    return require(whole && *whole && (*whole)->status == (*part)->status && (*whole)->body == (*part)->body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static plugin::testing::TextPeer vmm(cloud_hypervisor::kApiSocket);
  if (size == 0) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    in_pieces(text);
    return 0;
  }
  // A body, which most inputs would never come to without its head.
  const std::string status = data[0] % 4 == 1 ? "200" : "500";
  vmm.say("HTTP/1.1 " + status + " \r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
  qarax_call raw{};
  raw.size = sizeof raw;
  raw.cancel_fd = -1;
  const plugin::Call call(&raw);
  const cloud_hypervisor::ApiClient api(vmm.folder(), 2000);
  said(api.ping(call));
  said(api.info(call));
  said(api.counters(call));
  static_cast<void>(api.pause(call));
  return 0;
}
