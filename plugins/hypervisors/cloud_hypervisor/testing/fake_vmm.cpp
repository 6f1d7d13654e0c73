// Speaks Cloud Hypervisor's API where no KVM is: the same states, status codes and error bodies as v53.0
// (../fidelity_test.cpp compares them with the real one's), a serial console that says what our test guest says, and no
// guest.
// FAKE_VMM_VERSION=44.0 makes it an older one: what that lacks is 404.
//
// --kernel FILE without --api-socket is a VM of the command line: a kernel that can't be loaded is refused as the real
// one does, and one that can ends it without a word, since no guest runs. --make-guest FOLDER writes a guest that it
// takes.
//
// What shall go wrong is named in platform.oem_strings of vm.create: "fake:boot=refused", "fake:boot=dies",
// "fake:boot=hangs", "fake:info=garbage", "fake:button=ignored", "fake:eject=never", "fake:reboot=breaks",
// "fake:vcpus=held"; and for
// every call, there and in FAKE_VMM_FAULTS (comma-separated, from the first call on): "vm.pause=hangs", "=garbage",
// "=error", "=cut", "=dies",
// "=fails" and "=panics" (as a vCPU's thread does: the real one then exits with code 0), "=waits" (until there is the
// file FAKE_VMM_GO; that the call has come is said by FAKE_VMM_GO.reached).
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "fake_config.hpp"
#include "fake_devices.hpp"
#include "fake_kernel.hpp"
#include "fake_reply.hpp"
#include "kernel_file.hpp"

namespace fake {

double version() {
  const char* told = std::getenv("FAKE_VMM_VERSION");
  return told != nullptr ? std::strtod(told, nullptr) : 53.0;
}

namespace {

std::string version_text() {
  const char* told = std::getenv("FAKE_VMM_VERSION");
  return told != nullptr ? told : "53.0";
}

class FakeVmm {
 public:
  FakeVmm() {
    const char* told = std::getenv("FAKE_VMM_FAULTS");
    std::string all = told != nullptr ? told : "";
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find(',', at), all.size());
      faults_.insert("fake:" + all.substr(at, end - at));
      at = end + 1;
    }
  }
  void serve(int listener) {
    for (;;) {
      const int peer = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer >= 0) std::thread([this, peer] { converse(peer); }).detach();
    }
  }

 private:
  void converse(int peer) {
    std::string in;
    char chunk[4096];
    for (;;) {
      const std::size_t head = in.find("\r\n\r\n");
      if (head == std::string::npos) {
        const ssize_t n = receive(peer, chunk, sizeof chunk);
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
      const std::string what = line.substr(line.rfind('/') + 1);
      if (asked_for(what + "=dies")) {
        std::fputs(("cloud-hypervisor: fake fault: dies at " + what + "\n").c_str(), stderr);
        std::_Exit(1);
      }
      if (asked_for(what + "=fails")) fail("<vcpu0> ERROR:vmm/src/cpu.rs:1460 -- VCPU generated error: VcpuRun(EIO)");
      if (asked_for(what + "=panics")) fail("<vcpu0> ERROR:vmm/src/cpu.rs:1478 -- vCPU thread panicked");
      while (asked_for(what + "=hangs")) ::pause();
      // One after the other, as the real one's only API thread; and it reads nothing of who has hung up by then.
      const std::lock_guard turn(turn_);
      if (has_hung_up(peer)) break;
      if (asked_for(what + "=waits")) wait_for_go();
      const Reply reply = asked_for(what + "=error") ? refused({"It could not be done", "fake fault"})
                                                     : answer(line, in.substr(head + 4, length));
      fds_ = 0;
      in.erase(0, head + 4 + length);
      std::string out = "HTTP/1.1 " + std::to_string(reply.status) +
                        " \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n";
      if (reply.status != 204)
        out += "Content-Type: application/json\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\n";
      out += "\r\n" + reply.body;
      if (asked_for(what + "=garbage")) out = "SSH-2.0-not what was asked for\r\n\r\n";
      if (asked_for(what + "=cut")) out = "HTTP/1.1 200 \r\nContent-Length: 99\r\n\r\n{\"sta";
      if (::send(peer, out.data(), out.size(), MSG_NOSIGNAL) < 0) break;
      if (asked_for(what + "=cut")) break;
      if (what == "vmm.shutdown" && reply.status == 200) std::_Exit(0);
    }
    ::close(peer);
  }

  [[noreturn]] static void fail(const std::string& line) {
    std::fputs(("cloud-hypervisor: 12.3s: " + line + "\n" +
                "cloud-hypervisor: 12.4s: <vmm> WARN:devices/src/acpi.rs:1 -- more words\n")
                   .c_str(),
               stderr);
    std::_Exit(0);
  }

  static bool has_hung_up(int peer) {
    pollfd look{peer, POLLRDHUP, 0};
    return ::poll(&look, 1, 0) > 0;
  }
  static void wait_for_go() {
    const std::string go = std::getenv("FAKE_VMM_GO");
    std::ofstream(go + ".reached") << "";
    while (::access(go.c_str(), F_OK) != 0) ::poll(nullptr, 0, 5);
  }

  // Counts the descriptors that came along, and keeps none.
  ssize_t receive(int peer, char* to, std::size_t room) {
    iovec part{to, room};
    alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = ::recvmsg(peer, &message, MSG_CMSG_CLOEXEC);
    if (n <= 0) return n;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(one) + i * sizeof fd, sizeof fd);
        ::close(fd);
      }
      fds_ += count;
    }
    return n;
  }

  // A VM that is only created is none yet to the calls that want a guest.
  bool has_guest() const { return state_ == "Running" || state_ == "Paused"; }

  bool asked_for(const std::string& fault) {
    const std::lock_guard lock(mutex_);
    return shall(fault);
  }
  bool shall(const std::string& fault) const { return faults_.contains("fake:" + fault); }

  Reply answer(const std::string& line, const std::string& body) {
    std::unique_lock lock(mutex_);
    if (line == "GET /api/v1/vmm.ping")
      return {200, R"({"build_version":"v)" + version_text() + R"(-fake","version":")" + version_text() +
                       R"(.0","pid":)" + std::to_string(::getpid()) + R"(,"features":[]})"};
    if (line == "GET /api/v1/vm.info") {
      if (state_.empty()) return not_created("The VM info is not available");
      if (shall("info=garbage")) return {200, "}{"};
      return {200, info()};
    }
    if (line == "GET /api/v1/vm.counters")
      return has_guest() ? Reply{200, "{}"} : refused({"The VM info is not available", "VM is not running"});
    if (line == "PUT /api/v1/vm.create") return create(body);
    if (line == "PUT /api/v1/vm.boot") return boot(lock);
    if (line == "PUT /api/v1/vm.pause") return move("Running", "Paused", "pause", "The VM could not be paused");
    if (line == "PUT /api/v1/vm.resume") return move("Paused", "Running", "resume", "The VM could not resume");
    if (line == "PUT /api/v1/vm.reboot") return reboot();
    if (line == "PUT /api/v1/vm.resize") return resize(body);
    for (const char* what : {"add-disk", "add-net", "remove-device", "resize-disk"})
      if (line == std::string("PUT /api/v1/vm.") + what && (version() >= 50 || what != std::string_view("resize-disk")))
        return device(line, body);
    if (line == "PUT /api/v1/vm.snapshot") return snapshot(body);
    if (line == "PUT /api/v1/vm.restore") return restore(body);
    if (line == "PUT /api/v1/vm.shutdown") {
      if (!has_guest()) return refused({"The VM could not shutdown", "VM is not running"});
      end_guest();
      return {204, ""};
    }
    if (line == "PUT /api/v1/vm.delete" || line == "PUT /api/v1/vmm.shutdown") {
      if (has_guest()) end_guest();
      forget_vm();
      // The VMM's own end follows its answer, in converse().
      return {line.ends_with("vmm.shutdown") ? 200 : 204, ""};
    }
    if (line == "PUT /api/v1/vm.power-button") {
      if (!has_guest()) return refused({"Error triggering power button", "VM is not running"});
      if (state_ == "Running" && !shall("button=ignored")) pressed_ = true;
      return {204, ""};
    }
    return {404, R"(["Not Found"])"};
  }

  Reply create(const std::string& body) {
    const auto parsed = qarax::json::parse(body);
    if (!parsed || parsed->as_object() == nullptr || !is_readable(*parsed, version() < 46)) return no_json();
    if (!state_.empty()) return refused({"The VM could not be created", "VM is already created"});
    if (const Value* platform = parsed->find("platform"))
      if (const Value* strings = platform->find("oem_strings"))
        for (const Value& one : *strings->as_array()) faults_.insert(*one.as_string());
    if (!listen_serial(*parsed)) return refused({"The VM could not be created", "Cannot create console devices"});
    take_sizes(*parsed);
    config_ = body;
    state_ = "Created";
    return {204, ""};
  }

  // What is left is what vm.create made: the config and a VMM without a guest.
  void end_guest() {
    state_ = "Created";
    ++life_;
  }
  void forget_vm() {
    state_.clear();
    failed_boot_ = false;
    devices_ = {};
    if (serial_ < 0) return;
    ::close(serial_);
    serial_ = -1;
    ::unlink(serial_path_.c_str());
  }

  // The socket that the config names; a config may name none.
  bool listen_serial(const Value& config) {
    const Value* serial = config.find("serial");
    const Value* path = serial != nullptr ? serial->find("socket") : nullptr;
    if (path == nullptr) return true;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    serial_path_ = *path->as_string();
    if (serial_path_.size() >= sizeof address.sun_path) return false;  // as bind() is refused there
    std::memcpy(address.sun_path, serial_path_.c_str(), serial_path_.size());
    serial_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return ::bind(serial_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
           ::listen(serial_, 1) == 0;
  }

  std::string info() const {
    // The config as it is now: what was resized or plugged shows in it, and a snapshot takes it along.
    auto config = *qarax::json::parse(config_);
    devices_.write_to(config);
    for (auto& [section, value] : *config.as_object()) {
      if (value.as_object() == nullptr) continue;
      for (auto& [name, member] : *value.as_object()) {
        if (section == "cpus" && name == "boot_vcpus") member = Value(vcpus_);
        if (section == "memory" && name == "size") member = Value(memory_);
      }
      if (section != "memory") continue;
      std::erase_if(*value.as_object(), [](const auto& one) { return one.first == "hotplugged_size"; });
      if (plugged_ > 0) value.as_object()->emplace_back("hotplugged_size", Value(plugged_));
    }
    return "{\"config\":" + qarax::json::to_text(config) + ",\"state\":\"" + state_ +
           "\",\"memory_actual_size\":" + std::to_string(memory_ + plugged_) + ",\"device_tree\":" + devices_.tree() +
           "}";
  }

  // The guest is ended first, and its serial socket with it: what fails after that leaves a VMM without a guest.
  Reply reboot() {
    if (!has_guest()) return not_created("The VM could not reboot");
    if (shall("reboot=breaks") || !may_make_its_serial_anew()) {
      end_guest();
      return refused({"The VM could not reboot", "Error creating console devices", "Error creating serial socket",
                      "Permission denied (os error 13)"});
    }
    state_ = "Running";
    ++boots_;
    dimms_ = 0;
    return {204, ""};
  }

  // Confined, it may remove and make nothing in a folder that no rule names.
  bool may_make_its_serial_anew() const {
    const auto config = *qarax::json::parse(config_);
    const Value* confined = config.find("landlock_enable");
    if (confined == nullptr || !*confined->as_bool()) return true;
    const Value* rules = config.find("landlock_rules");
    if (rules == nullptr) return false;
    const auto folder = std::filesystem::absolute(serial_path_).parent_path();
    return std::any_of(rules->as_array()->begin(), rules->as_array()->end(), [&](const Value& rule) {
      std::error_code error;
      return *rule.find("access")->as_string() == "rw" &&
             std::filesystem::equivalent(*rule.find("path")->as_string(), folder, error);
    });
  }

  Reply resize(const std::string& body) {
    if (state_.empty()) return not_created("The VM could not be resized");
    const auto asked = qarax::json::parse(body);
    if (!asked) return no_json();
    const Value* vcpus = asked->find("desired_vcpus");
    const Value* memory = asked->find("desired_ram");
    const std::string outer = "The VM could not be resized";
    if (has_guest() && vcpus != nullptr && shall("vcpus=held"))
      return refused({outer, "Error from CPU manager",
                      version() < 46 ? "Still pending removed vcpu" : "Still pending removed vCPU"},
                     version() < 46 ? 500 : 429);
    // Before there is a guest it takes whatever is asked for.
    if (has_guest() && vcpus != nullptr && *vcpus->as_int() > max_vcpus_)
      return refused({outer, "Error from CPU manager", "Requested vCPUs exceed maximum"});
    if (vcpus != nullptr) vcpus_ = *vcpus->as_int();
    if (memory == nullptr) return {204, ""};
    const std::int64_t wanted = *memory->as_int();
    if (has_guest())
      if (auto why = virtio_mem_ ? why_no_virtio_mem(wanted) : why_no_dimm(wanted); !why.empty()) {
        why.insert(why.begin(), {outer, "Memory manager error"});
        return refused(why);
      }
    // What virtio-mem has plugged is told beside the size that the guest was booted with.
    if (has_guest() && virtio_mem_) {
      plugged_ = std::max<std::int64_t>(0, wanted - memory_);
      return {204, ""};
    }
    if (has_guest() && wanted > memory_) ++dimms_;
    memory_ = wanted;
    return {204, ""};
  }

  // Causes; empty: it takes that size.
  std::vector<std::string> why_no_dimm(std::int64_t wanted) const {
    if (wanted > memory_ && dimms_ >= kDimms) return {"No ACPI slot available"};
    if (wanted > memory_ && (wanted - memory_) % (128LL << 20) != 0)
      return {"The requested hotplug memory addition is not a valid size"};
    if (wanted > room_) return {"Not enough space in the hotplug RAM region"};
    return {};
  }
  std::vector<std::string> why_no_virtio_mem(std::int64_t wanted) const {
    if (wanted < memory_) {
      if (version() < 46) return {};
      return {"Invalid resize request: desired_size = " + std::to_string(wanted) +
              " below boot size = " + std::to_string(memory_)};
    }
    const std::int64_t region = room_ - memory_;
    if (region == 0) return {"No virtio-mem resizing handler found"};
    const std::int64_t size = wanted - memory_;
    const std::string why = size == plugged_        ? "and requested_size are identical"
                            : size > region         ? "is bigger than region_size " + hex(region)
                            : size % (2 << 20) != 0 ? "is not aligned on block_size " + hex(2 << 20)
                                                    : "";
    if (why.empty()) return {};
    return {"Failed to virtio-mem resize", "Resize invalid argument",
            "Failed to update virtio configuration: ResizeError(new size " + hex(size) + " " + why + ")"};
  }
  static std::string hex(std::int64_t number) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(number));
    return text;
  }

  // For a call that wants a VM.
  Reply with_vm(const std::string& outer, const std::function<Reply()>& done) const {
    return state_.empty() ? not_created(outer) : done();
  }
  Reply device(const std::string& line, const std::string& body) {
    if (line.ends_with("add-disk"))
      return with_vm("The disk could not be added to the VM",
                     [&] { return devices_.add("disks", body, 0, has_guest()); });
    if (line.ends_with("add-net"))
      return with_vm("The network device could not be added to the VM",
                     [&] { return devices_.add("net", body, fds_, has_guest()); });
    if (line.ends_with("resize-disk"))
      return with_vm("The disk could not be resized", [&] { return devices_.resize_disk(body, has_guest()); });
    return with_vm("The device could not be removed from the VM",
                   [&] { return devices_.remove(body, has_guest(), !shall("eject=never")); });
  }

  static std::string folder_in(const std::string& body, const char* member) {
    const auto asked = qarax::json::parse(body);
    const Value* url = asked ? asked->find(member) : nullptr;
    const std::string text = url != nullptr && url->as_string() != nullptr ? *url->as_string() : "";
    return text.starts_with("file://") ? text.substr(7) : "";
  }

  Reply snapshot(const std::string& body) {
    const std::string failure = "The VM could not be snapshotted";
    if (state_ != "Running" && state_ != "Paused") return refused({failure, "VM is not running"});
    if (state_ == "Running")
      return refused({failure, "Cannot snapshot VM", "Failed to snapshot migratable component",
                      "Trying to snapshot while VM is running"});
    const std::string folder = folder_in(body, "destination_url");
    // It never writes over an older one.
    const std::string memory = folder + "/memory-ranges";
    for (const auto& [file, what] : {std::pair{folder + "/config.json", std::string("VM config snapshot file")},
                                     std::pair{folder + "/state.json", std::string("VM state snapshot file")},
                                     std::pair{memory, "memory snapshot file \"" + memory + "\""}})
      if (::access(file.c_str(), F_OK) == 0)
        return refused({failure, "Cannot send VM snapshot", "Failed to send migratable component snapshot",
                        "Error creating " + what, "File exists (os error 17)"});
    std::ofstream(folder + "/memory-ranges") << "no guest, no memory";
    std::ofstream(folder + "/state.json") << "{\"uptime\":" << uptime_ << ",\"dimms\":" << dimms_ << "}";
    std::ofstream config(folder + "/config.json");
    const auto said = qarax::json::parse(info());
    config << qarax::json::to_text(*said->find("config"));
    return config.flush() ? Reply{204, ""} : refused({failure, "Cannot send VM snapshot"});
  }

  Reply restore(const std::string& body) {
    const std::string failure = "The VM could not be restored";
    if (!state_.empty()) return refused({failure, "VM is already created"});
    const auto asked = qarax::json::parse(body);
    const Value* prefault = asked ? asked->find("prefault") : nullptr;
    prefaulted_ = prefault != nullptr && *prefault->as_bool();
    const std::string folder = folder_in(body, "source_url");
    if (!std::filesystem::is_directory(folder))
      return refused({failure, "Cannot restore VM", "Failed to send migratable component snapshot",
                      "Destination is not a directory: \"" + folder + "\""});
    std::ifstream config(folder + "/config.json");
    std::ifstream state(folder + "/state.json");
    config_.assign(std::istreambuf_iterator<char>(config), {});
    const auto parsed = qarax::json::parse(config_);
    const auto frozen = qarax::json::parse(std::string(std::istreambuf_iterator<char>(state), {}));
    if (!parsed || !frozen || ::access((folder + "/memory-ranges").c_str(), R_OK) != 0)
      return refused({failure, "Cannot restore VM"});
    if (!listen_serial(*parsed)) return refused({failure, "Cannot create console devices"});
    take_sizes(*parsed);
    devices_.read_from(*parsed);
    uptime_ = static_cast<int>(*frozen->find("uptime")->as_int());
    if (const Value* dimms = frozen->find("dimms")) dimms_ = *dimms->as_int();
    boots_ = seen_boots_ = 1;
    state_ = "Paused";
    start_guest();
    return {204, ""};
  }

  void take_sizes(const Value& config) {
    vcpus_ = *config.find("cpus")->find("boot_vcpus")->as_int();
    max_vcpus_ = *config.find("cpus")->find("max_vcpus")->as_int();
    const Value& memory = *config.find("memory");
    memory_ = *memory.find("size")->as_int();
    const Value* hotplug = memory.find("hotplug_size");
    room_ = memory_ + (hotplug != nullptr ? *hotplug->as_int() : 0);
    const Value* plugged = memory.find("hotplugged_size");
    plugged_ = plugged != nullptr && plugged->as_int() != nullptr ? *plugged->as_int() : 0;
    const Value* method = memory.find("hotplug_method");
    virtio_mem_ = method != nullptr && *method->as_string() == "VirtioMem";
  }

  Reply boot(std::unique_lock<std::mutex>& lock) {
    if (state_.empty()) return refused({"The VM could not boot", "VM config is missing"}, version() < 46 ? 500 : 404);
    if (has_guest() || (failed_boot_ && version() >= 46))
      return refused({"The VM could not boot", "VM is already created"});
    // The older one goes on with what the boot before left, and its guest has nothing to run.
    const bool is_empty = failed_boot_;
    const auto config = *qarax::json::parse(config_);
    if (shall("boot=refused")) return refused({"The VM could not boot", "Cannot load the kernel into memory"});
    if (const auto why = why_not_bootable(config); !why.empty() && !is_empty) {
      failed_boot_ = is_of_kernel(why[1]);
      return refused(why);
    }
    if (shall("boot=dies")) {
      std::fputs("cloud-hypervisor: fake fault: dies at boot\n", stderr);
      std::_Exit(1);
    }
    if (shall("boot=hangs") || !can_be_scheduled(config)) {
      lock.unlock();
      for (;;) ::pause();
    }
    failed_boot_ = false;
    state_ = "Running";
    ++boots_;
    dimms_ = 0;
    if (!is_empty) start_guest();
    return {204, ""};
  }

  Reply move(const std::string& from, const std::string& to, const std::string& verb, const std::string& failure) {
    if (!has_guest()) return refused({failure, "VM is not running"});
    if (state_ != from)
      return refused({failure, "Cannot " + verb + " VM", "Failed to " + verb + " migratable component",
                      "Invalid transition: InvalidStateTransition(" + state_ + ", " + to + ")"});
    state_ = to;
    return {204, ""};
  }

  void start_guest() {
    std::thread([this, life = life_, serial = serial_] { guest(life, serial); }).detach();
  }
  // What the console of our test guest looks like; counts only while it runs.
  void guest(int life, int serial) {
    const int peer = ::accept4(serial, nullptr, nullptr, SOCK_CLOEXEC);
    const auto say = [&](const std::string& text) {
      static_cast<void>(::send(peer, text.data(), text.size(), MSG_NOSIGNAL));
    };
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (life != life_) break;
        if (pressed_) {
          say("qarax guest: power button, powering off\r\n");
          std::_Exit(0);
        }
        if (boots_ != seen_boots_) {
          seen_boots_ = boots_;
          uptime_ = 0;
          say("Linux version 0.0 (fake_vmm, no guest runs)\r\nqarax guest: " + std::to_string(vcpus_) + " vCPU, " +
              std::to_string(memory_ >> 20) + " MiB, kernel fake_vmm\r\n");
        }
        // What no real guest could tell, for a test.
        if (prefaulted_.exchange(false)) say("qarax guest: restored with its memory faulted in\r\n");
        if (state_ == "Running") say("qarax uptime " + std::to_string(++uptime_) + ".00\r\n");
      }
      for (int i = 0; i < 50 && !pressed_; ++i) ::poll(nullptr, 0, 20);
    }
    ::close(peer);
  }

  std::mutex turn_;
  std::mutex mutex_;
  std::string state_;  // empty: not created
  std::string config_ = "{}";
  bool failed_boot_ = false;  // what it was making of the VM is kept
  std::set<std::string> faults_;
  std::int64_t vcpus_ = 1;
  std::int64_t memory_ = 0;
  std::int64_t plugged_ = 0;  // by virtio-mem, on top of it
  std::int64_t room_ = 0;     // most that it can be resized to
  static constexpr std::int64_t kDimms = 8;
  std::int64_t dimms_ = 0;  // plugged by ACPI since the boot
  bool virtio_mem_ = false;
  int serial_ = -1;
  std::string serial_path_;
  int life_ = 0;  // counts the guests that were ended
  int boots_ = 0;
  int seen_boots_ = -1;
  int uptime_ = 0;
  std::int64_t max_vcpus_ = 1;
  Devices devices_;
  std::atomic<std::size_t> fds_{0};  // that came with the request
  std::atomic<bool> pressed_{false};
  std::atomic<bool> prefaulted_{false};
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

// Where it ends the real one has printed of its kernel, or why it hasn't.
int run_kernel(const std::string& path) {
  const Refusal why = KernelFile(path).refusal();
  if (why.causes.empty()) return 0;
  if (version() < 46) {
    std::fputs(("Error booting VM: VmBoot(" + why.debug + ")\n").c_str(), stderr);
    return 1;
  }
  std::string out =
      "cloud-hypervisor: 0.1s: <main> ERROR:cloud-hypervisor/src/lib.rs:24 -- Fatal error: VmBoot(VmBoot(" + why.debug +
      "))\nError: Cloud Hypervisor exited with the following chain of errors:\n" +
      "  0: Error booting VM\n  1: The VM could not boot\n";
  for (std::size_t i = 0; i < why.causes.size(); ++i) out += "  " + std::to_string(i + 2) + ": " + why.causes[i] + "\n";
  std::fputs(out.c_str(), stderr);
  return 1;
}

void make_guest(const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/vmlinuz", std::ios::binary) << qarax::empty_bzimage();
  std::ofstream(folder + "/initramfs.cpio") << "";
}

}  // namespace
}  // namespace fake

int main(int argc, char** argv) {
  std::string where;
  std::string kernel;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--version") {
      std::puts(("cloud-hypervisor v" + fake::version_text() + ".0-fake").c_str());
      if (fake::version() >= 53) std::puts("Migration Protocol Versions: 0");
      return 0;
    }
    if (i + 1 == argc) continue;
    if (arg == "--api-socket") where = argv[++i];
    if (arg == "--kernel") kernel = argv[++i];
    if (arg == "--make-guest") {
      fake::make_guest(argv[++i]);
      return 0;
    }
  }
  if (where.empty() && !kernel.empty()) return fake::run_kernel(kernel);
  const int listener = where.empty() ? -1 : fake::listening(where);
  if (listener < 0) {
    std::fputs("fake_vmm: needs --api-socket fd=N or path=FILE\n", stderr);
    return 1;
  }
  static fake::FakeVmm vmm;
  vmm.serve(listener);
}
