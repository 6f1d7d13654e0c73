// What fake_vmm answers is what Cloud Hypervisor answers: one life, request by request, status and body. The fake's
// turn is always, as v53.0 and as v44.0; the real one's where CLOUD_HYPERVISOR names it and CLOUD_HYPERVISOR_KERNEL a
// kernel (e2e/kvm-lab does). The bodies are v53.0's, which v44.0 words otherwise; a real one of another version has to
// agree in success alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "api_client.hpp"
#include "kernel_file.hpp"
#include "program.hpp"
#include "temp_folder.hpp"
#include "unix_http_client.hpp"
#include "unix_socket.hpp"

namespace qarax::cloud_hypervisor {
namespace {

struct Step {
  const char* what;  // "PUT vm.pause"; "info": what the plugin reads of vm.info, which is `body`
  const char* body;  // of the request
  int status;
  const char* cause;      // of a refusal, behind "Error from API"; "": isn't compared
  int since = 0;          // the major version that has it
  const char* part = "";  // is in the answer, of whatever version
  int status44 = 0;       // v44.0's; 0: the same
};

constexpr const char* kInfo = R"(The VM info is not available","VM is not created)";
constexpr const char* kCounters = R"(The VM info is not available","VM is not running)";
constexpr const char* kPause = R"(The VM could not be paused","VM is not running)";
constexpr const char* kResume = R"(The VM could not resume","VM is not running)";
constexpr const char* kReboot = R"(The VM could not reboot","VM is not created)";
constexpr const char* kButton = R"(Error triggering power button","VM is not running)";
constexpr const char* kShutdown = R"(The VM could not shutdown","VM is not running)";
constexpr const char* kBoot = R"(The VM could not boot","VM config is missing)";
constexpr const char* kBootNoKernel =
    R"r(The VM could not boot","Cannot open kernel file","No such file or directory (os error 2))r";
constexpr const char* kBootForeignKernel =
    R"(The VM could not boot","Cannot load the kernel into memory",)"
    R"("Kernel Loader: failed to load bzImage kernel image: Kernel Loader: Invalid bzImage",)"
    R"("Kernel Loader: Invalid bzImage)";
constexpr const char* kBootTornKernel = R"(The VM could not boot","Cannot load the kernel into memory",)"
                                        R"("Kernel Loader: failed to load bzImage kernel image: )"
                                        R"(Kernel Loader: Underflow occurred during an arithmetic operation",)"
                                        R"("Kernel Loader: Underflow occurred during an arithmetic operation)";
constexpr const char* kBootElf = R"(The VM could not boot","Kernel lacks PVH header)";
constexpr const char* kBootTwice = R"(The VM could not boot","VM is already created)";
constexpr const char* kCreateTwice = R"(The VM could not be created","VM is already created)";
constexpr const char* kResize = R"(The VM could not be resized","VM is not created)";
constexpr const char* kResumeRunning =
    R"r(The VM could not resume","Cannot resume VM","Failed to resume migratable component",)r"
    R"r("Invalid transition: InvalidStateTransition(Running, Running))r";
constexpr const char* kPausePaused =
    R"r(The VM could not be paused","Cannot pause VM","Failed to pause migratable component",)r"
    R"r("Invalid transition: InvalidStateTransition(Paused, Paused))r";
constexpr const char* kOneVcpu = R"({"desired_vcpus":1})";
constexpr const char* kTooManyVcpus = R"({"desired_vcpus":9})";
constexpr const char* kResizeVcpus =
    R"(The VM could not be resized","Error from CPU manager","Requested vCPUs exceed maximum)";
constexpr const char* kResizeMemory =
    R"(The VM could not be resized","Memory manager error","Not enough space in the hotplug RAM region)";
constexpr const char* kResizeStep = R"(The VM could not be resized","Memory manager error",)"
                                    R"("The requested hotplug memory addition is not a valid size)";
constexpr const char* kMoreVcpusSameMemory = R"({"desired_vcpus":2,"desired_ram":268435456})";
constexpr const char* kMoreMemory = R"({"desired_ram":402653184})";
// In place of @VIRTIO-MEM in a cause.
constexpr const char* kVirtioMem = R"(The VM could not be resized","Memory manager error",)"
                                   R"("Failed to virtio-mem resize","Resize invalid argument",)"
                                   R"("Failed to update virtio configuration: ResizeError(new size )";
constexpr const char* kMemSame = R"r(@VIRTIO-MEM0x0 and requested_size are identical))r";
constexpr const char* kMemSameAgain = R"r(@VIRTIO-MEM0x8000000 and requested_size are identical))r";
constexpr const char* kMemTooMuch = R"r(@VIRTIO-MEM0xfff0000000 is bigger than region_size 0x10000000))r";
constexpr const char* kMemUnaligned = R"r(@VIRTIO-MEM0x1 is not aligned on block_size 0x200000))r";
constexpr const char* kDisk = R"({"id":"d","path":"@DIR/disk","image_type":"Raw"})";
constexpr const char* kNoDisk = R"({"id":"e","path":"@DIR/none","image_type":"Raw"})";
constexpr const char* kNoVmForDisk = R"(The disk could not be added to the VM","VM is not created)";
constexpr const char* kDiskTwice =
    R"(The disk could not be added to the VM","Failed to validate config","Identifier d is not unique)";
constexpr const char* kDiskMissing =
    R"r(The disk could not be added to the VM","Error from device manager","Cannot open disk path",)r"
    R"r("I/O error (path=@DIR/none op=open)","No such file or directory (os error 2))r";
constexpr const char* kNoVmForNet = R"(The network device could not be added to the VM","VM is not created)";
constexpr const char* kGrow = R"({"id":"d","desired_size":2097152})";
constexpr const char* kGrowUnknown = R"({"id":"z","desired_size":2097152})";
constexpr const char* kNoVmToGrow = R"(The disk could not be resized","VM is not created)";
constexpr const char* kTooEarlyToGrow = R"(The disk could not be resized","Failed resizing a disk image)";
constexpr const char* kUnknownToGrow = R"(The disk could not be resized","Error from device manager",)"
                                       R"("Failed to find device corresponding to the given identifier: z)";
constexpr const char* kTake = R"({"id":"d"})";
constexpr const char* kTakeUnknown = R"({"id":"z"})";
constexpr const char* kNoVmToTake = R"(The device could not be removed from the VM","VM is not created)";
constexpr const char* kNoneToTake = R"(The device could not be removed from the VM",)"
                                    R"("No device with id \"z\" to remove)";
constexpr const char* kUnknownToTake = R"(The device could not be removed from the VM","Error from device manager",)"
                                       R"("Failed to find device corresponding to the given identifier: z)";
constexpr const char* kSnapshotFolder = R"({"destination_url":"file://@DIR"})";
constexpr const char* kSnapshotNone = R"(The VM could not be snapshotted","VM is not running)";
constexpr const char* kSnapshotRunning = R"(The VM could not be snapshotted","Cannot snapshot VM",)"
                                         R"("Failed to snapshot migratable component",)"
                                         R"("Trying to snapshot while VM is running)";
constexpr const char* kSnapshotTo = R"({"destination_url":"file://@DIR/snapshot"})";
constexpr const char* kSnapshotTwice =
    R"r(The VM could not be snapshotted","Cannot send VM snapshot","Failed to send migratable component snapshot",)r"
    R"r("Error creating VM config snapshot file","File exists (os error 17))r";
constexpr const char* kRestoreWhole = R"({"source_url":"file://@DIR/snapshot"})";
constexpr const char* kRestoreFrom = R"({"source_url":"file://@DIR/none"})";
constexpr const char* kRestoreNone =
    R"(The VM could not be restored","Cannot restore VM","Failed to send migratable component snapshot",)"
    R"("Destination is not a directory: \"@DIR/none\")";
constexpr const char* kRestoreTwice = R"(The VM could not be restored","VM is already created)";

const Step kLife[] = {
    // No VM.
    {"GET vm.info", "", 404, kInfo, 0, "", 500},
    {"GET vm.counters", "", 500, kCounters},
    {"PUT vm.boot", "", 404, kBoot, 0, "", 500},
    {"PUT vm.pause", "", 500, kPause},
    {"PUT vm.resume", "", 500, kResume},
    {"PUT vm.reboot", "", 404, kReboot, 0, "", 500},
    {"PUT vm.power-button", "", 500, kButton},
    {"PUT vm.shutdown", "", 500, kShutdown},
    {"PUT vm.delete", "", 204, ""},
    {"PUT vm.resize", kOneVcpu, 404, kResize, 0, "", 500},
    {"PUT vm.add-disk", kDisk, 404, kNoVmForDisk, 0, "", 500},
    {"PUT vm.add-net", R"({"id":"n"})", 404, kNoVmForNet, 0, "", 500},
    {"PUT vm.resize-disk", kGrow, 404, kNoVmToGrow},
    {"PUT vm.remove-device", kTake, 404, kNoVmToTake, 0, "", 500},
    {"PUT vm.snapshot", kSnapshotFolder, 500, kSnapshotNone},
    {"PUT vm.restore", kRestoreFrom, 500, kRestoreNone},
    {"PUT vm.create", "{", 400, ""},
    // Created.
    {"PUT vm.create", "@CONFIG", 204, ""},
    {"PUT vm.create", "@CONFIG", 500, kCreateTwice},
    {"GET vm.counters", "", 500, kCounters},
    {"PUT vm.pause", "", 500, kPause},
    {"PUT vm.resume", "", 500, kResume},
    {"PUT vm.reboot", "", 404, kReboot, 0, "", 500},
    {"PUT vm.power-button", "", 500, kButton},
    {"PUT vm.shutdown", "", 500, kShutdown},
    {"PUT vm.add-disk", kNoDisk, 204, ""},
    {"PUT vm.remove-device", R"({"id":"e"})", 204, ""},
    {"PUT vm.remove-device", kTakeUnknown, 500, kNoneToTake},
    {"PUT vm.resize-disk", kGrow, 500, kTooEarlyToGrow, 0, "", 404},
    {"PUT vm.snapshot", kSnapshotFolder, 500, kSnapshotNone},
    {"PUT vm.restore", kRestoreFrom, 500, kRestoreTwice},
    {"PUT vm.resize", kTooManyVcpus, 204, ""},
    {"PUT vm.resize", kOneVcpu, 204, ""},
    {"info", "Created, 1 vCPUs, 268435456 bytes", 200, ""},
    // Running.
    {"PUT vm.boot", "", 204, ""},
    {"PUT vm.boot", "", 500, kBootTwice},
    {"GET vm.counters", "", 200, ""},
    {"PUT vm.resume", "", 500, kResumeRunning},
    {"PUT vm.resize", kOneVcpu, 204, ""},
    {"PUT vm.resize", kTooManyVcpus, 500, kResizeVcpus},
    {"PUT vm.resize", R"({"desired_ram":1099511627776})", 500, kResizeMemory},
    {"PUT vm.resize", R"({"desired_ram":268435457})", 500, kResizeStep},
    {"info", "Running, 1 vCPUs, 268435456 bytes", 200, ""},
    {"PUT vm.resize", kMoreMemory, 204, ""},
    {"PUT vm.resize", kMoreMemory, 204, ""},
    {"PUT vm.add-disk", kDisk, 200, ""},
    {"info", "Running, 1 vCPUs, 402653184 bytes, disk d", 200, ""},
    {"PUT vm.add-disk", kDisk, 500, kDiskTwice},
    {"PUT vm.add-disk", kNoDisk, 500, kDiskMissing},
    {"PUT vm.add-disk", "{", 400, ""},
    {"PUT vm.resize-disk", kGrow, 204, "", kDiskResize.major},
    {"PUT vm.resize-disk", kGrowUnknown, 500, kUnknownToGrow, 0, "", 404},
    {"PUT vm.remove-device", kTakeUnknown, 500, kUnknownToTake},
    {"PUT vm.remove-device", kTake, 204, ""},
    {"PUT vm.snapshot", kSnapshotFolder, 500, kSnapshotRunning},
    {"PUT vm.restore", kRestoreFrom, 500, kRestoreTwice},
    // Paused.
    {"PUT vm.pause", "", 204, ""},
    {"info", "Paused, 1 vCPUs, 402653184 bytes", 200, ""},
    {"PUT vm.pause", "", 500, kPausePaused},
    {"PUT vm.resume", "", 204, ""},
    // Booted anew, and what a paused VM takes.
    {"PUT vm.reboot", "", 204, ""},
    {"PUT vm.pause", "", 204, ""},
    {"PUT vm.power-button", "", 204, ""},
    {"PUT vm.resume", "", 204, ""},
    // Its guest is ended, and it is as if it was only created.
    {"PUT vm.shutdown", "", 204, ""},
    {"info", "Created, 1 vCPUs, 402653184 bytes", 200, ""},
    {"PUT vm.shutdown", "", 500, kShutdown},
    {"PUT vm.pause", "", 500, kPause},
    {"PUT vm.create", "@CONFIG", 500, kCreateTwice},
    {"PUT vm.delete", "", 204, ""},
    // Memory by virtio-mem: the vCPUs are changed before it is refused.
    {"PUT vm.create", "@VIRTIO-MEM", 204, ""},
    {"PUT vm.boot", "", 204, ""},
    {"PUT vm.resize", kMoreVcpusSameMemory, 500, kMemSame},
    {"info", "Running, 2 vCPUs, 268435456 bytes", 200, ""},
    {"PUT vm.resize", R"({"desired_ram":268435457})", 500, kMemUnaligned},
    {"PUT vm.resize", R"({"desired_ram":1099511627776})", 500, kMemTooMuch},
    {"PUT vm.resize", kMoreMemory, 204, ""},
    {"GET vm.info", "", 200, "", 0, R"("size":268435456)"},
    {"GET vm.info", "", 200, "", 0, R"("hotplugged_size":134217728)"},
    {"info", "Running, 2 vCPUs, 402653184 bytes", 200, ""},
    {"PUT vm.resize", kMoreMemory, 500, kMemSameAgain},
    {"PUT vm.resize", R"({"desired_ram":268435456})", 204, ""},
    {"info", "Running, 2 vCPUs, 268435456 bytes", 200, ""},
    {"PUT vm.shutdown", "", 204, ""},
    {"PUT vm.delete", "", 204, ""},
    // Frozen, and gone on with where it stood.
    {"PUT vm.create", "@CONFIG", 204, ""},
    {"PUT vm.boot", "", 204, ""},
    {"PUT vm.pause", "", 204, ""},
    {"PUT vm.snapshot", kSnapshotTo, 204, ""},
    {"PUT vm.snapshot", kSnapshotTo, 500, kSnapshotTwice},
    {"info", "Paused, 1 vCPUs, 268435456 bytes", 200, ""},
    {"PUT vm.delete", "", 204, ""},
    {"GET vm.info", "", 404, kInfo, 0, "", 500},
    {"PUT vm.restore", kRestoreWhole, 204, ""},
    {"PUT vm.restore", kRestoreWhole, 500, kRestoreTwice},
    {"info", "Paused, 1 vCPUs, 268435456 bytes", 200, ""},
    {"PUT vm.pause", "", 500, kPausePaused},
    {"PUT vm.resume", "", 204, ""},
    {"PUT vm.resume", "", 500, kResumeRunning},
    {"info", "Running, 1 vCPUs, 268435456 bytes", 200, ""},
    {"PUT vm.shutdown", "", 204, ""},
    {"PUT vm.delete", "", 204, ""},
    // Kernels that can't be booted: a file that is none, one that ends too early, one for another way to boot.
    {"PUT vm.create", "@FOREIGN", 204, ""},
    {"PUT vm.boot", "", 500, kBootForeignKernel},
    {"GET vm.info", "", 200, "", 0, R"("state":"Created")"},
    {"PUT vm.boot", "", 500, kBootTwice, 53},
    {"PUT vm.delete", "", 204, ""},
    {"PUT vm.create", "@TORN", 204, ""},
    {"PUT vm.boot", "", 500, kBootTornKernel},
    {"PUT vm.delete", "", 204, ""},
    {"PUT vm.create", "@ELF", 204, ""},
    {"PUT vm.boot", "", 500, kBootElf},
    {"PUT vm.delete", "", 204, ""},
    // A boot that fails keeps what it has made; an older one boots that as if it were whole.
    {"PUT vm.create", "@NOKERNEL", 204, ""},
    {"PUT vm.boot", "", 500, kBootNoKernel},
    {"GET vm.info", "", 200, "", 0, R"("state":"Created")"},
    {"PUT vm.boot", "", 500, kBootTwice, 53},
    {"PUT vm.delete", "", 204, ""},
    {"PUT vm.delete", "", 204, ""},
    {"GET vm.info", "", 404, kInfo, 0, "", 500},
    {"GET vm.nonsense", "", 404, ""},
    {"PUT vmm.shutdown", "", 200, ""},
};

struct Vmm {
  const char* name;
  const char* fake_version;  // null: the real one
};

class Fidelity : public ::testing::TestWithParam<Vmm> {
 protected:
  void SetUp() override {
    is_real_ = GetParam().fake_version == nullptr;
    const char* real = std::getenv("CLOUD_HYPERVISOR");
    const char* kernel = std::getenv("CLOUD_HYPERVISOR_KERNEL");
    if (is_real_ && (real == nullptr || kernel == nullptr))
      GTEST_SKIP() << "CLOUD_HYPERVISOR and CLOUD_HYPERVISOR_KERNEL name no program and kernel";
    std::filesystem::create_directory(dir_ + "/snapshot");
    for (const auto& [name, content] :
         {std::pair{"/disk", std::string(1 << 20, 'x')}, std::pair{"/kernel", empty_bzimage()},
          std::pair{"/foreign", std::string("not a kernel")}, std::pair{"/torn", empty_bzimage().substr(0, 1000)},
          std::pair{"/elf", elf_without_pvh()}})
      std::ofstream(dir_ + name, std::ios::binary) << content;
    kernel_ = is_real_ ? kernel : dir_ + "/kernel";
    auto listening = plugin::listen_unix(dir_, "api.sock");
    ASSERT_TRUE(listening);
    if (!is_real_) ::setenv("FAKE_VMM_VERSION", GetParam().fake_version, 1);
    pid_ = ::fork();
    if (pid_ == 0) {
      const int fd = ::dup2(listening->get(), 10);
      ::fcntl(fd, F_SETFD, 0);
      const char* program = is_real_ ? real : FAKE_VMM;
      ::execl(program, program, "--api-socket", "fd=10", "--seccomp", "log", static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::unsetenv("FAKE_VMM_VERSION");
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  plugin::HttpReply ask(const Step& step) {
    qarax_call raw{};
    raw.size = sizeof raw;
    raw.cancel_fd = -1;
    plugin::Call call{&raw};
    const std::string what = step.what;
    const std::string_view told = step.body;
    const std::string body = told == "@CONFIG"       ? config(kernel_)
                             : told == "@VIRTIO-MEM" ? config(kernel_, R"(,"hotplug_method":"VirtioMem")")
                             : told == "@NOKERNEL"   ? config(dir_ + "/none")
                             : told == "@FOREIGN"    ? config(dir_ + "/foreign")
                             : told == "@TORN"       ? config(dir_ + "/torn")
                             : told == "@ELF"        ? config(dir_ + "/elf")
                                                     : filled(step.body);
    auto reply = plugin::UnixHttpClient(dir_, "api.sock", "the VMM")
                     .request(call, what.substr(0, 3), "/api/v1/" + what.substr(4), body, 60'000);
    if (!reply) ADD_FAILURE() << what << ": " << reply.error().message;
    return reply ? *reply : plugin::HttpReply{};
  }
  // What the plugin's client reads of vm.info, in a line.
  std::string info(bool with_disk) {
    qarax_call raw{};
    raw.size = sizeof raw;
    raw.cancel_fd = -1;
    const auto said = ApiClient(dir_, 60'000).info(plugin::Call{&raw});
    if (!said) return said.error().message;
    std::string out = said->state + ", " + std::to_string(said->vcpus.value_or(-1)) + " vCPUs, " +
                      std::to_string(said->memory.value_or(-1)) + " bytes";
    if (with_disk && std::count(said->devices.begin(), said->devices.end(), "d") == 1) out += ", disk d";
    return out;
  }
  std::string filled(std::string text) const {
    for (const auto& [mark, words] : {std::pair<std::string, std::string>{"@DIR", dir_}, {"@VIRTIO-MEM", kVirtioMem}})
      for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos;) text.replace(at, mark.size(), words);
    return text;
  }

  bool is_real_ = false;

 private:
  std::string config(const std::string& kernel, const std::string& more_memory = {}) const {
    return R"({"cpus":{"boot_vcpus":1,"max_vcpus":2},"memory":{"size":268435456,"hotplug_size":268435456)" +
           more_memory + R"(},"payload":{"kernel":")" + kernel +
           R"(","cmdline":"console=ttyS0"},"serial":{"mode":"Socket","socket":")" + dir_ + R"(/serial.sock"},)" +
           R"("console":{"mode":"Off"}})";
  }
  TempFolder folder_;
  const std::string dir_ = folder_.path();
  std::string kernel_;
  pid_t pid_ = -1;
};

TEST_P(Fidelity, OneLifeIsAnsweredAlike) {
  const plugin::HttpReply ping = ask({"GET vmm.ping", "", 200, ""});
  ASSERT_EQ(ping.status, 200);
  const std::size_t at_version = ping.body.find("\"version\":\"");
  ASSERT_NE(at_version, std::string::npos) << ping.body;
  // "53.0.0", "v53.0.0"
  const std::size_t digits = ping.body.find_first_of("0123456789", at_version);
  const int major = std::atoi(ping.body.c_str() + digits);
  const bool same_words = major == 53;
  int number = 0;
  for (const Step& step : kLife) {
    if (major < step.since) continue;
    ++number;
    if (step.what == std::string_view("info")) {
      const std::string_view told = step.body;
      EXPECT_EQ(info(told.ends_with("disk d")), told) << "step " << number;
      continue;
    }
    const plugin::HttpReply reply = ask(step);
    const std::string at = "step " + std::to_string(number) + ", " + step.what + ": " + reply.body;
    EXPECT_NE(reply.body.find(step.part), std::string::npos) << at;
    const int status = major == 44 && step.status44 != 0 ? step.status44 : step.status;
    if (major != 53 && major != 44 && is_real_) {
      EXPECT_EQ(reply.status / 100 == 2, status / 100 == 2) << at;
      continue;
    }
    EXPECT_EQ(reply.status, status) << at;
    if (!same_words || step.cause[0] == '\0') continue;
    EXPECT_EQ(reply.body, R"(["Error from API",")" + filled(step.cause) + R"("])") << at;
  }
}

std::string name_of(const ::testing::TestParamInfo<Vmm>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Fake, Fidelity, ::testing::Values(Vmm{"v53", "53.0"}, Vmm{"v44", "44.0"}), name_of);
INSTANTIATE_TEST_SUITE_P(Real, Fidelity, ::testing::Values(Vmm{"VMM", nullptr}), name_of);

}  // namespace
}  // namespace qarax::cloud_hypervisor
