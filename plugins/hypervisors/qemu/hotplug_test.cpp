// Resize, disks and NICs against a scripted QEMU: which commands are sent in which order, and what each failure leaves.
#include <algorithm>
#include <fstream>

#include "device_commands.hpp"
#include "test_plugin.hpp"

namespace qarax::qemu {
namespace {

using json::Value;
using testing::Words;

std::string text_of(const Value& object, const char* name) {
  const auto* value = object.find(name);
  return value != nullptr && value->as_string() != nullptr ? *value->as_string() : "";
}

// The part of QEMU that hotplug uses: two sockets of two cores, and a list of what is plugged in.
class Hotplug : public testing::PluginTest {
 protected:
  Hotplug() {
    host.on_command = [this](const std::string& command, const Value& arguments) -> std::optional<std::string> {
      if (command == "query-hotpluggable-cpus") return vcpu_list();
      if (command == "query-cpus-fast") return cpus_fast();
      if (command == "query-memory-devices") return dimm_list();
      if (command == "query-memory-size-summary")
        return R"({"base-memory":134217728,"plugged-memory":)" + std::to_string(plugged_memory()) + "}";
      if (command == "query-fdsets") return "[]";
      if (command == "add-fd") return R"({"fdset-id":7,"fd":12})";
      if (command == "qom-list") return children();
      if (command == "device_add" && refuses_vcpus)
        host.refuses = text_of(arguments, "driver") == "pc-dimm" ? "" : command;
      if (command == "device_add" && command != host.refuses) {
        add(arguments);
        when_added();
      }
      if (command == "device_del" && too_early-- > 0) {
        host.refuses = command;
        return std::nullopt;
      }
      if (command == "device_del" && host.refuses == command) host.refuses.clear();
      if (command == "device_del" && lets_go && !text_of(arguments, "id").ends_with(holds))
        remove(text_of(arguments, "id"));
      if (command == "query-named-block-nodes") return nodes;
      return std::nullopt;
    };
  }
  // on_command uses members of this fixture, which go before the host.
  ~Hotplug() override { host.end_and_wait(); }
  void start_growable() {
    auto args = start_args();
    args.spec.max_vcpus = 4;
    args.spec.memory_hotplug_size = 1 << 30;
    args.spec.config.text = R"({"machine":"pc-q35-7.2","hotplug":true})";
    start(args);
    accelerator("kvm");
    said = host.commands().size();
  }
  void accelerator(const std::string& name) {
    Handle handle = kept();
    handle.accelerator = name;
    call.kept = encode(handle);
  }
  Result<VmStatus> resize(std::optional<std::int32_t> vcpus, std::optional<std::int64_t> memory) {
    return plugin().resize(call.get(), {vm(), vcpus, memory});
  }
  std::string pointer_of(std::optional<std::int32_t> vcpus, std::optional<std::int64_t> memory) {
    const auto refused = resize(vcpus, memory);
    return refused ? "" : refused.error().details.at(0).pointer;
  }
  DiskSpec disk() const {
    DiskSpec out;
    out.id = "data";
    out.path = dir() + "/disk";
    out.format = DiskFormat::raw;
    std::ofstream(out.path) << "x";
    return out;
  }
  static NicSpec nic() {
    NicSpec out;
    out.id = "net0";
    out.mac = "52:54:00:12:34:56";
    out.tap = "tap7";
    return out;
  }
  Words since() const { return said_since(said); }
  Handle kept() const { return *read_handle(vm()); }

  std::size_t said = 0;  // number of commands sent until the VM ran
  // The members below are used by the thread that plays QEMU while a call waits for its answer.
  std::vector<std::string> there{"unattached-0"};  // vCPU 0
  std::vector<std::pair<std::string, std::int64_t>> dimms{};
  std::int64_t backend = 0;
  std::function<void()> when_added = [] {};
  bool lets_go = true;
  std::string holds = "nothing";  // the device that the guest never lets go of
  bool refuses_vcpus = false;
  int too_early = 0;  // number of device_dels still to be refused
  std::string nodes = "[]";

 private:
  std::string vcpu_list() const {
    std::string out;
    for (int i = 3; i >= 0; --i) {  // from the last to the first, as QEMU does
      const std::string path =
          i == 0 ? "/machine/unattached/unattached-0" : "/machine/peripheral/vcpu-" + std::to_string(i);
      const bool plugged = std::count(there.begin(), there.end(), path.substr(path.rfind('/') + 1)) > 0;
      out += (out.empty() ? "" : ",") +
             std::string(R"({"type":"max-x86_64-cpu","vcpus-count":1,"props":{"socket-id":)") + std::to_string(i / 2) +
             R"(,"core-id":)" + std::to_string(i % 2) + R"(,"thread-id":0})" +
             (plugged ? R"(,"qom-path":")" + path + "\"}" : "}");
    }
    return "[" + out + "]";
  }
  std::string cpus_fast() const {
    std::string out;
    for (const auto& name : there)
      if (name.starts_with("vcpu") || name.starts_with("unattached")) out += out.empty() ? "{}" : ",{}";
    return "[" + out + "]";
  }
  std::int64_t plugged_memory() const {
    std::int64_t sum = 0;
    for (const auto& [id, size] : dimms) sum += size;
    return sum;
  }
  std::string dimm_list() const {
    std::string out;
    for (const auto& [id, size] : dimms)
      out += (out.empty() ? "" : ",") + std::string(R"({"type":"dimm","data":{"id":")") + id +
             R"(","addr":4294967296,"size":)" + std::to_string(size) + "}}";
    return "[" + out + "]";
  }
  std::string children() const {
    std::string out;
    for (const auto& name : there)
      out += (out.empty() ? "" : ",") + std::string(R"({"name":")") + name + R"(","type":"child<x>"})";
    return "[" + out + "]";
  }
  void add(const Value& device) {
    there.push_back(text_of(device, "id"));
    if (text_of(device, "driver") == "pc-dimm") dimms.emplace_back(text_of(device, "id"), backend);
  }
  void remove(const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    there.erase(std::remove(there.begin(), there.end(), name), there.end());
    dimms.erase(std::remove_if(dimms.begin(), dimms.end(), [&](const auto& dimm) { return dimm.first == name; }),
                dimms.end());
  }
};

TEST_F(Hotplug, VcpusComeInOrderAndGoInReverse) {
  start_growable();
  ASSERT_TRUE(resize(3, std::nullopt));
  EXPECT_EQ(there, (Words{"unattached-0", "vcpu-1", "vcpu-2"}));
  ASSERT_TRUE(resize(2, std::nullopt));
  EXPECT_EQ(there, (Words{"unattached-0", "vcpu-1"}));
  const auto again = resize(2, std::nullopt);
  ASSERT_TRUE(again);
  EXPECT_NE(again->live.text.find(R"("vcpus":2)"), std::string::npos) << again->live.text;
}

TEST_F(Hotplug, AGuestThatHasNotBootedYetIsAskedForItsVcpuAgain) {
  start_growable();
  ASSERT_TRUE(resize(2, std::nullopt));
  too_early = 1;
  host.refusal = "acpi: device unplug request for not supported device type: host-x86_64-cpu";
  ASSERT_TRUE(resize(1, std::nullopt));
  EXPECT_EQ(there, Words{"unattached-0"});
  const auto words = since();
  EXPECT_EQ(std::count(words.begin(), words.end(), "device_del"), 2);
}

TEST_F(Hotplug, WithoutKvmNoVcpuIsTakenOut) {
  start_growable();
  accelerator("tcg");
  ASSERT_TRUE(resize(2, std::nullopt));
  const auto refused = resize(1, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_EQ(there, (Words{"unattached-0", "vcpu-1"}));
}

TEST_F(Hotplug, APausedGuestIsNotAskedToLetGo) {
  start_growable();
  ASSERT_TRUE(resize(2, std::nullopt));
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  EXPECT_EQ(resize(1, std::nullopt).error().code, Code::failed_precondition);
  const auto words = since();
  EXPECT_EQ(std::count(words.begin(), words.end(), "device_del"), 0);
}

TEST_F(Hotplug, MemoryGoesInThePiecesInWhichItCame) {
  start_growable();
  constexpr std::int64_t kMib = 1 << 20;
  backend = 256 * kMib;
  ASSERT_TRUE(resize(std::nullopt, 384 * kMib));
  const auto middle = resize(std::nullopt, 256 * kMib);
  ASSERT_FALSE(middle);
  EXPECT_EQ(middle.error().details.at(0).pointer, "/memory");
  EXPECT_NE(middle.error().message.find("of 268435456 bytes"), std::string::npos) << middle.error().message;
  ASSERT_TRUE(resize(std::nullopt, 128 * kMib));
  EXPECT_EQ(since().back(), "query-memory-size-summary");
  const auto words = since();
  EXPECT_EQ(std::count(words.begin(), words.end(), "object-del"), 2) << "before, in case; and after";
}

TEST_F(Hotplug, ThePiecesThatGoTogetherAreFoundBeforeTheFirstGoes) {
  start_growable();
  constexpr std::int64_t kMib = 1 << 20;
  std::int64_t memory = 128 * kMib;
  for (const std::int64_t size : {384, 256, 128}) {
    backend = size * kMib;
    memory += backend;
    ASSERT_TRUE(resize(std::nullopt, memory));
  }
  // The latest ones that fit one by one are 128 and 256; 512 are the first and the last.
  ASSERT_TRUE(resize(std::nullopt, memory - 512 * kMib));
  ASSERT_EQ(dimms.size(), 1u);
  EXPECT_EQ(dimms[0].second, 256 * kMib);
}

TEST_F(Hotplug, AResizeThatIsRefusedHasChangedNothing) {
  start_growable();
  constexpr std::int64_t kMib = 1 << 20;
  backend = 256 * kMib;
  ASSERT_TRUE(resize(2, 384 * kMib));
  const Words before = there;
  EXPECT_EQ(pointer_of(3, 256 * kMib), "/memory") << "a piece of it can't go";
  EXPECT_EQ(there, before);
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  EXPECT_EQ(resize(1, 512 * kMib).error().code, Code::failed_precondition) << "a paused guest lets go of nothing";
  EXPECT_EQ(there, before);
  ASSERT_TRUE(plugin().resume(call.get(), vm()));
  accelerator("tcg");
  EXPECT_EQ(resize(1, 512 * kMib).error().code, Code::failed_precondition);
  EXPECT_EQ(there, before);
}

TEST_F(Hotplug, MemoryThatTheHostDoesNotHaveLeavesTheVcpusAsTheyWere) {
  start_growable();
  ASSERT_TRUE(resize(2, std::nullopt));
  const Words before = there;
  host.refuses = "object-add";
  for (const std::int32_t vcpus : {1, 3}) {
    EXPECT_FALSE(resize(vcpus, 256 << 20)) << vcpus;
    EXPECT_EQ(there, before) << vcpus;
  }
}

TEST_F(Hotplug, PiecesThatWentBeforeOneThatTheGuestHoldsComeBack) {
  start_growable();
  constexpr std::int64_t kMib = 1 << 20;
  backend = 256 * kMib;
  ASSERT_TRUE(resize(std::nullopt, 384 * kMib));
  backend = 128 * kMib;
  ASSERT_TRUE(resize(std::nullopt, 512 * kMib));
  holds = dimms.at(0).first;
  call.set_deadline_ms(1'000);
  const auto held = resize(std::nullopt, 128 * kMib);
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Code::deadline_exceeded) << held.error().message;
  EXPECT_EQ(held.error().message.find("undone"), std::string::npos) << held.error().message;
  ASSERT_EQ(dimms.size(), 2u);
  EXPECT_EQ(dimms.at(1).second, 128 * kMib);
  const auto words = since();
  EXPECT_EQ(std::count(words.begin(), words.end(), "device_add"), 3) << "it went, and came back";
}

TEST_F(Hotplug, MemoryThatCameBeforeVcpusThatCantComeGoesAgain) {
  plugin(2'000);
  start_growable();
  const Words before = there;
  refuses_vcpus = true;
  backend = 256 << 20;
  const auto refused = resize(2, 384 << 20);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message.find("undone"), std::string::npos) << refused.error().message;
  EXPECT_EQ(there, before);
  EXPECT_TRUE(dimms.empty());
  host.refuses.clear();
  holds = "dimm-0";
  const auto left = resize(2, 384 << 20);
  ASSERT_FALSE(left);
  EXPECT_NE(left.error().message.find("memory were added, which could not be undone"), std::string::npos)
      << left.error().message;
}

TEST_F(Hotplug, WhatTheMachineHasNoRoomForIsRefusedBeforeItIsTried) {
  start_growable();
  EXPECT_EQ(pointer_of(5, std::nullopt), "/vcpus");
  EXPECT_EQ(pointer_of(0, std::nullopt), "/vcpus");
  EXPECT_EQ(pointer_of(std::nullopt, 64 << 20), "/memory") << "below what it was started with";
  EXPECT_EQ(pointer_of(std::nullopt, 2LL << 30), "/memory");
  EXPECT_EQ(pointer_of(std::nullopt, (128 << 20) + 4096), "/memory") << "no whole block of the guest's";
  EXPECT_EQ(since(), Words{});
}

TEST_F(Hotplug, AGuestThatHoldsOnIsToldAndTheTruthStays) {
  start_growable();
  ASSERT_TRUE(resize(2, std::nullopt));
  lets_go = false;
  call.set_deadline_ms(60);
  const auto held = resize(1, std::nullopt);
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Code::deadline_exceeded) << held.error().message;
  call.set_deadline_ms(10'000);
  const auto seen = plugin().inspect(call.get(), vm());
  EXPECT_NE(seen->live.text.find(R"("vcpus":2)"), std::string::npos);
}

TEST_F(Hotplug, AHandleWithoutASpecSaysWhatToDo) {
  start_growable();
  call.kept = R"({"format":1,"vmm":"qemu","accelerator":"tcg","machine":"pc-q35-7.2"})";
  const auto refused = resize(2, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_NE(refused.error().message.find("stop and start"), std::string::npos);
  EXPECT_TRUE(plugin().inspect(call.get(), vm())) << "it is looked after as before";
}

TEST_F(Hotplug, ADiskIsKeptBeforeItIsMadeAndForgottenWhenItIsGone) {
  start_growable();
  bool made_before = false;
  call.on_keep = [&] { made_before = made_before || std::count(there.begin(), there.end(), "disk-data") > 0; };
  const auto attached = plugin().attach_disk(call.get(), {vm(), disk()});
  ASSERT_TRUE(attached) << attached.error().message;
  EXPECT_FALSE(made_before);
  EXPECT_NE(attached->live.text.find(R"("disks":["data"])"), std::string::npos);
  EXPECT_EQ(kept().disks.at(0).path, disk().path);
  const auto words = since();
  const auto blockdev = std::find(words.begin(), words.end(), "blockdev-add");
  ASSERT_NE(blockdev, words.end());
  EXPECT_EQ(*(blockdev + 1), "device_add");

  auto other = disk();
  other.readonly = true;
  EXPECT_EQ(plugin().attach_disk(call.get(), {vm(), other}).error().code, Code::already_exists);
  call.on_keep = [] {};
  ASSERT_TRUE(plugin().detach_disk(call.get(), {vm(), "data"}));
  EXPECT_TRUE(kept().disks.empty());
  EXPECT_EQ(std::count(there.begin(), there.end(), "disk-data"), 0);
}

TEST_F(Hotplug, ADiskThatCanNotBeMadeLeavesNothing) {
  start_growable();
  host.refuses = "device_add";
  auto limited = disk();
  limited.rate_limits = RateLimits{.ops = 5};
  const auto refused = plugin().attach_disk(call.get(), {vm(), limited});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("not today"), std::string::npos);
  EXPECT_TRUE(kept().disks.empty());
  const auto words = since();
  EXPECT_EQ(Words(words.end() - 4, words.end()), (Words{"device_add", "qom-list", "blockdev-del", "object-del"}));
}

TEST_F(Hotplug, ADiskThatAnUnansweredCommandMadeStaysInTheHandle) {
  start_growable();
  host.delay("device_add");
  when_added = [this] { call.cancel(); };
  const auto attached = plugin().attach_disk(call.get(), {vm(), disk()});
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code, Code::cancelled);
  EXPECT_NE(attached.error().hint.find("detach it"), std::string::npos);
  EXPECT_EQ(std::count(there.begin(), there.end(), "disk-data"), 1);
  ASSERT_EQ(kept().disks.size(), 1u) << "the guest has it";
  host.delay("");
  testing::TestCall next;
  ASSERT_TRUE(plugin().attach_disk(next.get(), {vm(), disk()})) << "it is found there";
  EXPECT_EQ(std::count(there.begin(), there.end(), "disk-data"), 1);
}

TEST_F(Hotplug, ADiskWhoseCommandsAreNotAnsweredInTimeIsTakenBack) {
  start_growable();
  host.ignore("blockdev-add");
  call.set_deadline_ms(100);
  const auto late = plugin().attach_disk(call.get(), {vm(), disk()});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
  EXPECT_TRUE(kept().disks.empty());
  const auto words = since();
  EXPECT_EQ(Words(words.end() - 4, words.end()),
            (Words{"blockdev-add", "qmp_capabilities", "qom-list", "blockdev-del"}));
}

TEST_F(Hotplug, MemoryIsNotAddedOnAnAnswerToWhatWasAskedBefore) {
  plugin(200);
  start_growable();
  host.delay("object-del");
  call.set_deadline_ms(100);
  const auto late = resize(std::nullopt, 256 << 20);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
  const auto words = since();
  EXPECT_EQ(std::count(words.begin(), words.end(), "object-add"), 0);
}

TEST_F(Hotplug, ADiskOfABrokenOffAttachIsMadeByTheNextOne) {
  start_growable();
  Handle handle = kept();
  handle.disks.push_back(disk());
  call.kept = encode(handle);
  ASSERT_TRUE(plugin().attach_disk(call.get(), {vm(), disk()}));
  EXPECT_EQ(kept().disks.size(), 1u);
  EXPECT_EQ(std::count(there.begin(), there.end(), "disk-data"), 1);
}

TEST_F(Hotplug, AMachineWithoutAPlaceRefusesBeforeAnythingIsKept) {
  start();
  const auto refused = plugin().attach_disk(call.get(), {vm(), disk()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_NE(refused.error().message.find("hotplug"), std::string::npos);
  EXPECT_TRUE(kept().disks.empty());
}

TEST_F(Hotplug, DisksOnlyGrow) {
  start_growable();
  ASSERT_TRUE(plugin().attach_disk(call.get(), {vm(), disk()}));
  const auto node = text_of(Value(disk_backend(disk(), {}, "")), "node-name");
  nodes = R"([{"node-name":")" + node + R"(","image":{"virtual-size":8192}}])";
  EXPECT_EQ(plugin().resize_disk(call.get(), {vm(), "data", 4096}).error().code, Code::invalid_argument);
  ASSERT_TRUE(plugin().resize_disk(call.get(), {vm(), "data", 16384}));
  EXPECT_EQ(plugin().resize_disk(call.get(), {vm(), "none", 16384}).error().code, Code::not_found);
}

TEST_F(Hotplug, ANicIsMadeAndTakenOut) {
  start_growable();
  ASSERT_TRUE(plugin().attach_nic(call.get(), {vm(), nic()}));
  EXPECT_EQ(since().at(1), "netdev_add");
  EXPECT_EQ(kept().nics.at(0).mac, nic().mac);
  ASSERT_TRUE(plugin().detach_nic(call.get(), {vm(), "net0"}));
  EXPECT_TRUE(kept().nics.empty());
  auto limited = nic();
  limited.rate_limits = RateLimits{.bandwidth = 5};
  const auto refused = plugin().attach_nic(call.get(), {vm(), limited});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().details.at(0).pointer, "/nic/rate_limits");
}

}  // namespace
}  // namespace qarax::qemu
