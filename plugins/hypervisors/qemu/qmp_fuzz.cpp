// Fuzzes the monitor's answers: whatever comes, the client must return a value or an error in time.
#include <cstdint>
#include <cstdlib>

#include "qmp_client.hpp"
#include "text_peer.hpp"

using namespace qarax;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static plugin::testing::TextPeer monitor("monitor.sock");
  // Put the greeting and the answer to qmp_capabilities before the input, unless its first byte is '!'.
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] != '!') text.insert(0, "{\"QMP\": {}}\r\n{\"return\": {}}\r\n");
  monitor.say(text);
  qarax_call raw{};
  raw.size = sizeof raw;
  raw.cancel_fd = -1;
  const plugin::Call call(&raw);
  auto client = qemu::QmpClient::connect(call, monitor.folder(), 2000);
  if (!client) {
    if (client.error().message.empty()) std::abort();
    return 0;
  }
  const auto status = client->query_status(call);
  if (!status && status.error().message.empty()) std::abort();
  static_cast<void>(client->stop(call));
  static_cast<void>(client->is_there());
  return 0;
}
