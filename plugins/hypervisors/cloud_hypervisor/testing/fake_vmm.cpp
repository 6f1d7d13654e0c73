// Speaks Cloud Hypervisor's API where no KVM is: the same states, status codes and error bodies as v53.0 (each was
// compared with the real one, see ../README.md), a serial console that says what our test guest says, and no guest.
//
// What shall go wrong is named in platform.oem_strings of vm.create: "fake:boot=refused", "fake:boot=dies",
// "fake:boot=hangs", "fake:info=garbage", "fake:button=ignored".
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "qarax/plugin/json.hpp"

namespace {

using qarax::json::Value;

class FakeVmm {
 public:
  void serve(int listener) {
    for (;;) {
      const int peer = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer >= 0) std::thread([this, peer] { converse(peer); }).detach();
    }
  }

 private:
  struct Reply {
    int status;
    std::string body;
  };

  void converse(int peer) {
    std::string in;
    char chunk[4096];
    for (;;) {
      const std::size_t head = in.find("\r\n\r\n");
      if (head == std::string::npos) {
        const ssize_t n = ::recv(peer, chunk, sizeof chunk, 0);
        if (n <= 0) break;
        in.append(chunk, static_cast<std::size_t>(n));
        continue;
      }
      const std::size_t at = in.find("Content-Length: ");
      const std::size_t length = at < head ? std::strtoul(in.c_str() + at + 16, nullptr, 10) : 0;
      while (in.size() < head + 4 + length) {
        const ssize_t n = ::recv(peer, chunk, sizeof chunk, 0);
        if (n <= 0) break;
        in.append(chunk, static_cast<std::size_t>(n));
      }
      const std::string line = in.substr(0, in.find(" HTTP"));
      const Reply reply = answer(line, in.substr(head + 4, length));
      in.erase(0, head + 4 + length);
      std::string out = "HTTP/1.1 " + std::to_string(reply.status) +
                        " \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n";
      if (reply.status != 204)
        out += "Content-Type: application/json\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\n";
      out += "\r\n" + reply.body;
      if (::send(peer, out.data(), out.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::close(peer);
  }

  // Causes, outermost first, as v53.0 words them.
  static Reply refused(const std::string& outer, const std::string& inner, int status = 500) {
    return {status, "[\"Error from API\",\"" + outer + "\",\"" + inner + "\"]"};
  }

  bool shall(const std::string& fault) const { return faults_.contains("fake:" + fault); }

  Reply answer(const std::string& line, const std::string& body) {
    std::unique_lock lock(mutex_);
    if (line == "GET /api/v1/vmm.ping")
      return {200, R"({"build_version":"v53.0-fake","version":"53.0.0","pid":)" + std::to_string(::getpid()) +
                       R"(,"features":[]})"};
    if (line == "GET /api/v1/vm.info") {
      if (state_.empty()) return refused("The VM info is not available", "VM is not created", 404);
      if (shall("info=garbage")) return {200, "}{"};
      return {200,
              "{\"config\":" + config_ + ",\"state\":\"" + state_ + "\",\"memory_actual_size\":0,\"device_tree\":{}}"};
    }
    if (line == "GET /api/v1/vm.counters")
      return state_ == "Running" || state_ == "Paused" ? Reply{200, R"({"__serial":{"writes":1}})"}
                                                       : refused("The VM info is not available", "VM is not running");
    if (line == "PUT /api/v1/vm.create") return create(body);
    if (line == "PUT /api/v1/vm.boot") return boot(lock);
    if (line == "PUT /api/v1/vm.pause") return move("Running", "Paused", "The VM could not be paused");
    if (line == "PUT /api/v1/vm.resume") return move("Paused", "Running", "The VM could not resume");
    if (line == "PUT /api/v1/vm.reboot") {
      if (state_.empty()) return refused("The VM could not reboot", "VM is not created", 404);
      state_ = "Running";
      ++boots_;
      return {204, ""};
    }
    if (line == "PUT /api/v1/vm.resize") return resize(body);
    if (line == "PUT /api/v1/vm.power-button") {
      if (state_ != "Running" && state_ != "Paused")
        return refused("The VM could not be powered off", "VM is not running");
      if (state_ == "Running" && !shall("button=ignored")) pressed_ = true;
      return {204, ""};
    }
    return {404, ""};
  }

  Reply create(const std::string& body) {
    const auto parsed = qarax::json::parse(body);
    if (!parsed || parsed->find("payload") == nullptr) return {400, "[\"Failed to deserialize JSON\"]"};
    if (!state_.empty()) return refused("The VM could not be created", "VM is already created");
    const Value* kernel = parsed->find("payload")->find("kernel");
    if (kernel == nullptr || kernel->as_string() == nullptr)
      return refused("The VM could not be created", "Payload configuration is not bootable");
    if (const Value* platform = parsed->find("platform"))
      if (const Value* strings = platform->find("oem_strings"))
        for (const Value& one : *strings->as_array()) faults_.insert(*one.as_string());
    if (const Value* serial = parsed->find("serial"))
      if (const Value* path = serial->find("socket")) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path->as_string()->c_str(), sizeof address.sun_path - 1);
        serial_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::bind(serial_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(serial_, 1) != 0)
          return refused("The VM could not be created", "Cannot create console devices");
      }
    vcpus_ = *parsed->find("cpus")->find("boot_vcpus")->as_int();
    max_vcpus_ = *parsed->find("cpus")->find("max_vcpus")->as_int();
    memory_ = *parsed->find("memory")->find("size")->as_int();
    config_ = body;
    kernel_ = *kernel->as_string();
    state_ = "Created";
    return {204, ""};
  }

  Reply boot(std::unique_lock<std::mutex>& lock) {
    if (state_.empty()) return refused("The VM could not boot", "VM is not created", 404);
    if (state_ != "Created") return refused("The VM could not boot", "Invalid VM state transition");
    if (shall("boot=refused") || ::access(kernel_.c_str(), R_OK) != 0)
      return refused("The VM could not boot", "Cannot load the kernel into memory");
    if (shall("boot=dies")) {
      std::fputs("cloud-hypervisor: fake fault: dies at boot\n", stderr);
      std::_Exit(1);
    }
    if (shall("boot=hangs")) {
      lock.unlock();
      for (;;) ::pause();
    }
    state_ = "Running";
    std::thread([this] { guest(); }).detach();
    return {204, ""};
  }

  Reply resize(const std::string& body) const {
    if (state_ != "Running") return refused("The VM could not be resized", "VM is not running");
    const auto parsed = qarax::json::parse(body);
    const Value* vcpus = parsed ? parsed->find("desired_vcpus") : nullptr;
    // Its words haven't been compared with the real one's.
    if (vcpus != nullptr && vcpus->as_int() != nullptr && *vcpus->as_int() > max_vcpus_)
      return refused("The VM could not be resized", "Desired vCPU count exceeds maximum");
    return {204, ""};
  }

  Reply move(const std::string& from, const std::string& to, const std::string& failure) {
    if (state_.empty() || state_ == "Created") return refused(failure, "VM is not running");
    if (state_ != from)
      return refused(failure, "Invalid state transition: InvalidStateTransition(" + state_ + ", " + to + ")");
    state_ = to;
    return {204, ""};
  }

  // What the console of our test guest looks like; counts only while it runs.
  void guest() {
    const int peer = ::accept4(serial_, nullptr, nullptr, SOCK_CLOEXEC);
    const auto say = [&](const std::string& text) {
      static_cast<void>(::send(peer, text.data(), text.size(), MSG_NOSIGNAL));
    };
    int seen_boots = -1;
    int uptime = 0;
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (pressed_) {
          say("qarax guest: power button, powering off\r\n");
          std::_Exit(0);
        }
        if (boots_ != seen_boots) {
          seen_boots = boots_;
          uptime = 0;
          say("Linux version 0.0 (fake_vmm, no guest runs)\r\nqarax guest: " + std::to_string(vcpus_) + " vCPU, " +
              std::to_string(memory_ >> 20) + " MiB, kernel fake_vmm\r\n");
        }
        if (state_ == "Running") say("qarax uptime " + std::to_string(++uptime) + ".00\r\n");
      }
      for (int i = 0; i < 50 && !pressed_; ++i) ::poll(nullptr, 0, 20);
    }
  }

  std::mutex mutex_;
  std::string state_;  // empty: not created
  std::string config_ = "{}";
  std::string kernel_;
  std::set<std::string> faults_;
  std::int64_t vcpus_ = 1;
  std::int64_t max_vcpus_ = 1;
  std::int64_t memory_ = 0;
  int serial_ = -1;
  int boots_ = 0;
  std::atomic<bool> pressed_{false};
};

int listening(const std::string& where) {
  if (where.starts_with("fd=")) return std::atoi(where.c_str() + 3);
  const std::string path = where.starts_with("path=") ? where.substr(5) : where;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 16) != 0) return -1;
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  std::string where;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--version") {
      std::puts("cloud-hypervisor v53.0.0-fake");
      return 0;
    }
    if (arg == "--api-socket" && i + 1 < argc) where = argv[++i];
  }
  const int listener = where.empty() ? -1 : listening(where);
  if (listener < 0) {
    std::fputs("fake_vmm: needs --api-socket fd=N or path=FILE\n", stderr);
    return 1;
  }
  static FakeVmm vmm;
  vmm.serve(listener);
}
