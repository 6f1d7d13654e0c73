// What a monitor may answer: the client ends with a value or an error, in time, whatever comes.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "qmp_client.hpp"

namespace {

using namespace qarax;

// A monitor that says one text to each caller, then hangs up. One for all inputs: a folder and a socket.
class Monitor {
 public:
  Monitor() {
    char name[] = "/tmp/qarax-qmp-fuzz-XXXXXX";
    dir_ = mkdtemp(name);
    auto socket = qemu::listen_unix(dir_, "monitor.sock");
    if (!socket) std::abort();
    listener_ = std::move(*socket);
  }
  ~Monitor() { std::filesystem::remove_all(dir_); }
  const std::string& dir() const { return dir_; }
  void answer(std::string_view text) {
    const qemu::Socket peer(::accept(listener_.get(), nullptr, nullptr));
    static_cast<void>(::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL));
    ::shutdown(peer.get(), SHUT_WR);
    char c = 0;
    while (::recv(peer.get(), &c, 1, 0) == 1) {
    }
  }

 private:
  std::string dir_;
  qemu::Socket listener_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Monitor monitor;
  // With the greeting and the answer to qmp_capabilities before it, unless the first byte says otherwise.
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] != '!') text.insert(0, "{\"QMP\": {}}\r\n{\"return\": {}}\r\n");
  std::thread peer([&] { monitor.answer(text); });
  {
    qarax_call raw{};
    raw.size = sizeof raw;
    raw.cancel_fd = -1;
    const plugin::Call call(&raw);
    auto client = qemu::QmpClient::connect(call, monitor.dir(), 2000);
    if (client) {
      const auto status = client->query_status(call);
      if (!status && status.error().message.empty()) std::abort();
      static_cast<void>(client->stop(call));
    }
  }
  peer.join();
  return 0;
}
