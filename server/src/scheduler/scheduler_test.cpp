#include "scheduler.hpp"

#include <gtest/gtest.h>

namespace qarax::server {
namespace {

constexpr std::int64_t kGiB = 1LL << 30;

HostRecord host(const std::string& name, std::int64_t memory) {
  HostRecord h;
  h.id = "id-" + name;
  h.name = name;
  h.status = HostStatus::up;
  core::PluginInfo qemu;
  qemu.name = "qemu";
  qemu.state = core::PluginState::loaded;
  qemu.description.emplace();
  qemu.description->limits.vmm_overhead = 0;
  core::NodeInfo info;
  info.memory = memory;
  info.default_hypervisor = "qemu";
  info.plugins.push_back(qemu);
  h.info = info;
  return h;
}
Candidate candidate(HostRecord h, std::int64_t reserved = 0) {
  return {std::make_shared<const HostRecord>(std::move(h)), reserved, true};
}
PlacementRequest ask(std::int64_t memory, std::string hypervisor = {}) {
  PlacementRequest request{"web", std::move(hypervisor), {}};
  request.spec.memory_size = memory;
  return request;
}

TEST(Place, TakesTheHostWithTheMostFreeMemory) {
  const auto placed = place(ask(kGiB), {candidate(host("a", 8 * kGiB), 5 * kGiB), candidate(host("b", 4 * kGiB))});
  ASSERT_TRUE(placed);
  EXPECT_EQ(placed->host_id, "id-b");
  EXPECT_EQ(placed->hypervisor, "qemu");
}

TEST(Place, NothingIsStartedOnAHostThatGoesDown) {
  auto going = host("going", 8 * kGiB);
  going.info->stopping = true;
  EXPECT_EQ(place(ask(kGiB), {candidate(going), candidate(host("b", 4 * kGiB))})->host_id, "id-b");
  EXPECT_EQ(place(ask(kGiB), {candidate(going)}).error().details[0].detail, "host going: it is being shut down");
  EXPECT_TRUE(could_fit(ask(kGiB), {std::make_shared<const HostRecord>(going)})) << "it will be back";
}

TEST(Place, ReservesTheVmmsOverheadToo) {
  auto h = host("a", 2 * kGiB);
  h.info->plugins[0].description->limits.vmm_overhead = kGiB;
  EXPECT_EQ(place(ask(kGiB), {candidate(h)})->memory, 2 * kGiB);
  EXPECT_FALSE(place(ask(kGiB + 1), {candidate(h)}));
}

TEST(Place, AConfigThatThePluginsSchemaRefusesNeedsNoStart) {
  auto strict = host("strict", 8 * kGiB);
  strict.info->plugins[0].description->options_schema.text =
      R"({"type":"object","additionalProperties":false,"properties":{"cpu":{"type":"string"}}})";
  auto request = ask(kGiB);
  request.spec.config.text = R"({"cpu":"host"})";
  EXPECT_TRUE(place(request, {candidate(strict)}));
  request.spec.config.text = R"({"cpo":"host"})";
  const Error error = could_fit(request, {std::make_shared<const HostRecord>(strict)}).error();
  EXPECT_EQ(error.code, Code::invalid_argument);
  EXPECT_EQ(error.reason, "validation");
  ASSERT_EQ(error.details.size(), 1u);
  EXPECT_EQ(error.details[0].pointer, "/config/cpo");
  EXPECT_EQ(error.details[0].detail,
            "host strict: hypervisor qemu doesn't take /config/cpo: unknown option; it knows cpu");
  // Another version of the plugin, on another host, may accept it.
  EXPECT_EQ(place(request, {candidate(strict), candidate(host("other", 4 * kGiB))})->host_id, "id-other");
}

TEST(Place, SaysOfEveryHostWhyNot) {
  auto down = host("down", kGiB);
  down.status = HostStatus::down;
  down.status_reason = "connection refused";
  auto sick = host("sick", kGiB);
  sick.info->plugins[0].description->healthy = false;
  sick.info->plugins[0].description->health_reason = "qemu isn't installed";
  auto refused = host("refused", kGiB);
  refused.info->plugins[0].state = core::PluginState::refused;
  refused.info->plugins[0].reason = "wrong ABI";
  auto few = host("few", 8 * kGiB);
  few.info->plugins[0].description->limits.max_vcpus = 1;
  auto request = ask(2 * kGiB);
  request.spec.max_vcpus = 2;
  const auto placed = place(request, {candidate(down), candidate(sick), candidate(refused), candidate(few),
                                      candidate(host("full", 4 * kGiB), 3 * kGiB)});
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().reason, "no-host-fits");
  ASSERT_EQ(placed.error().details.size(), 5u);
  EXPECT_EQ(placed.error().details[0].detail, "host down: it is down: connection refused");
  EXPECT_EQ(placed.error().details[1].detail, "host sick: hypervisor qemu can't be used: qemu isn't installed");
  EXPECT_EQ(placed.error().details[2].detail, "host refused: hypervisor qemu was refused: wrong ABI");
  EXPECT_EQ(placed.error().details[3].detail, "host few: qemu takes at most 1 vCPUs, the VM asks for 2");
  EXPECT_EQ(placed.error().details[3].pointer, "/max_vcpus");
  EXPECT_EQ(placed.error().details[4].detail, "host full: it has 1024 MiB of memory left, the VM takes 2048 MiB");
}

TEST(Place, AnUnknownHypervisorListsThoseThatExist) {
  auto h = host("a", 8 * kGiB);
  core::PluginInfo refused;
  refused.name = "cloud_hv";
  refused.state = core::PluginState::refused;
  refused.reason = "it exports no symbol qarax_plugin";
  core::PluginInfo ill = h.info->plugins[0];
  ill.name = "firecracker";
  ill.description->healthy = false;
  ill.description->health_reason = "there is no KVM";
  h.info->plugins.push_back(refused);
  h.info->plugins.push_back(ill);
  const auto placed = place(ask(kGiB, "vaporware"), {candidate(h)});
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().reason, "hypervisor-unavailable");
  EXPECT_EQ(placed.error().message,
            "no host can take VM web with hypervisor vaporware: a: it has no hypervisor vaporware; it has: qemu, "
            "cloud_hv (refused: it exports no symbol qarax_plugin), firecracker (can't be used: there is no KVM)");
}

TEST(Place, APluginThatIsStillBeingLoadedIsWaitedForAndNoReasonForAFallback) {
  auto h = host("a", 8 * kGiB);
  core::PluginInfo loading = h.info->plugins[0];
  loading.name = "cloud_hv";
  loading.state = core::PluginState::loading;
  loading.reason = "create hasn't returned yet";
  h.info->plugins.push_back(loading);
  h.info->fallback["cloud_hv"] = "qemu";
  for (const char* name : {"cloud_hv", "read_later"}) {
    const auto placed = place(ask(kGiB, name), {candidate(h)});
    ASSERT_FALSE(placed) << name;
    EXPECT_EQ(placed.error().code, Code::unavailable) << name;
    EXPECT_EQ(placed.error().reason, "plugin-loading") << name;
    EXPECT_NE(placed.error().message.find("create hasn't returned yet"), std::string::npos) << placed.error().message;
    EXPECT_TRUE(could_fit(ask(kGiB, name), {std::make_shared<const HostRecord>(h)})) << name;
  }
  EXPECT_TRUE(place(ask(kGiB, "qemu"), {candidate(h)}));
  h.info->default_hypervisor = "";
  EXPECT_EQ(place(ask(kGiB, ""), {candidate(h)}).error().reason, "plugin-loading");
}

TEST(Place, AHostWithoutADefaultSaysOfEachPluginWhyNot) {
  auto h = host("a", 8 * kGiB);
  h.info->default_hypervisor = "";
  h.info->plugins[0].state = core::PluginState::refused;
  h.info->plugins[0].reason = "it exports no symbol qarax_plugin";
  core::PluginInfo simulator = host("b", kGiB).info->plugins[0];
  simulator.name = "simulator";
  h.info->plugins.push_back(simulator);
  const auto placed = place(ask(kGiB), {candidate(h)});
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().reason, "hypervisor-unavailable");
  EXPECT_EQ(
      placed.error().message,
      "no host can take VM web: a: it has no hypervisor for VMs that name none; it has: qemu (refused: it exports "
      "no symbol qarax_plugin), simulator");
}

TEST(Place, WhatNeedsKvmWaitsForItsTrialAndNothingElseDoes) {
  auto h = host("a", 8 * kGiB);
  core::PluginInfo on_trial = h.info->plugins[0];
  on_trial.name = "cloud_hv";
  on_trial.description->accelerator = "probing";
  on_trial.description->health_reason = "Cloud Hypervisor needs KVM: a trial guest is being run under KVM";
  h.info->plugins.push_back(on_trial);
  h.info->default_hypervisor = "cloud_hv";
  h.info->fallback["cloud_hv"] = "qemu";
  for (const char* name : {"cloud_hv", ""}) {
    const auto placed = place(ask(kGiB, name), {candidate(h)});
    ASSERT_FALSE(placed) << "a VM keeps the hypervisor that it was given first: " << name;
    EXPECT_EQ(placed.error().code, Code::unavailable) << name;
    EXPECT_EQ(placed.error().reason, "plugin-loading") << name;
    EXPECT_NE(placed.error().message.find("a trial guest is being run"), std::string::npos) << placed.error().message;
    EXPECT_TRUE(could_fit(ask(kGiB, name), {std::make_shared<const HostRecord>(h)})) << name;
  }
  // Without KVM it has TCG, and waits for the trial by itself.
  h.info->plugins[0].description->accelerator = "probing";
  EXPECT_TRUE(place(ask(kGiB, "qemu"), {candidate(h)}));
  h.info->plugins[1].description->accelerator = "kvm";
  h.info->plugins[1].description->health_reason = "";
  EXPECT_EQ(place(ask(kGiB), {candidate(h)})->hypervisor, "cloud_hv");
}

TEST(Place, APluginWhoseStateOnlyANewerNodeKnowsTakesNoVm) {
  auto h = host("a", 8 * kGiB);
  h.info->plugins[0].state = core::PluginState::unknown;
  h.info->plugins[0].reason = "draining";
  const auto placed = place(ask(kGiB), {candidate(h)});
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().reason, "hypervisor-unavailable");
  EXPECT_NE(placed.error().message.find("draining"), std::string::npos) << placed.error().message;
}

TEST(Place, WithoutHostsItSaysHowToAddOne) {
  EXPECT_NE(place(ask(kGiB), {}).error().message.find("POST /hosts"), std::string::npos);
}

TEST(CouldFit, OnlyWhatNoWaitingWouldChangeIsRefused) {
  auto down = host("down", 8 * kGiB);
  down.status = HostStatus::down;
  EXPECT_TRUE(could_fit(ask(kGiB), {std::make_shared<const HostRecord>(down)}));
  EXPECT_FALSE(could_fit(ask(16 * kGiB), {std::make_shared<const HostRecord>(down)}));
  down.info.reset();
  EXPECT_TRUE(could_fit(ask(16 * kGiB), {std::make_shared<const HostRecord>(down)}));
  EXPECT_TRUE(could_fit(ask(kGiB), {}));
}

TEST(CouldHaveSize, IsAskedOfTheSizeAlone) {
  auto sick = host("sick", 8 * kGiB);
  sick.info->plugins[0].description->healthy = false;
  sick.info->plugins[0].description->limits.max_memory = 4 * kGiB;
  const std::vector<HostPtr> hosts{std::make_shared<const HostRecord>(sick)};
  EXPECT_TRUE(could_have_size(ask(kGiB), hosts)) << "what runs there is resized by its VMM";
  EXPECT_FALSE(could_fit(ask(kGiB), hosts));
  const auto too_much = could_have_size(ask(5 * kGiB), hosts);
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error().reason, "no-host-fits");
  EXPECT_EQ(too_much.error().details.at(0).pointer, "/memory_size");
  EXPECT_TRUE(could_have_size(ask(5 * kGiB, "another"), hosts)) << "whose limits aren't known";
  EXPECT_FALSE(could_have_size(ask(9 * kGiB, "another"), hosts));
}

// Its qemu is healthy, its cloud_hv isn't.
HostRecord host_without_kvm() {
  auto h = host("a", 8 * kGiB);
  core::PluginInfo ill = h.info->plugins[0];
  ill.name = "cloud_hv";
  ill.description->healthy = false;
  ill.description->health_reason = "there is no KVM";
  h.info->plugins.push_back(ill);
  return h;
}

TEST(Place, AFallbackIsTakenOnlyWhereTheNodeSaysSoAndIsTold) {
  auto h = host_without_kvm();
  const auto refused = place(ask(kGiB, "cloud_hv"), {candidate(h)});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("there is no KVM"), std::string::npos);
  h.info->fallback["cloud_hv"] = "qemu";
  const auto placed = place(ask(kGiB, "cloud_hv"), {candidate(h)});
  ASSERT_TRUE(placed) << placed.error().message;
  EXPECT_EQ(placed->hypervisor, "qemu");
  EXPECT_NE(placed->fallback_reason.find("there is no KVM"), std::string::npos);
  h.info->plugins[0].state = core::PluginState::refused;
  EXPECT_FALSE(place(ask(kGiB, "cloud_hv"), {candidate(h)}));
}

// Runs only qemu, which stands in for cloud_hv there.
HostRecord host_with_fallback(const std::string& name, std::int64_t memory) {
  auto h = host_without_kvm();
  h.id = "id-" + name;
  h.name = name;
  h.info->memory = memory;
  h.info->fallback["cloud_hv"] = "qemu";
  return h;
}
// Its cloud_hv is on trial.
HostRecord host_on_trial(const std::string& name) {
  auto h = host(name, 8 * kGiB);
  core::PluginInfo on_trial = h.info->plugins[0];
  on_trial.name = "cloud_hv";
  on_trial.description->accelerator = "probing";
  on_trial.description->health_reason = "Cloud Hypervisor needs KVM: a trial guest is being run under KVM";
  h.info->plugins.push_back(on_trial);
  return h;
}

TEST(Place, AHostWithWhatWasAskedForComesBeforeAnyFallback) {
  auto real = host_on_trial("real");
  real.info->memory = 2 * kGiB;
  real.info->plugins[1].description->accelerator = "kvm";
  real.info->plugins[1].description->health_reason = "";
  const auto other = host_with_fallback("other", 64 * kGiB);
  for (const auto& candidates : {std::vector{candidate(real), candidate(other)}, {candidate(other), candidate(real)}}) {
    const auto placed = place(ask(kGiB, "cloud_hv"), candidates);
    ASSERT_TRUE(placed) << placed.error().message;
    EXPECT_EQ(placed->host_id, "id-real");
    EXPECT_EQ(placed->hypervisor, "cloud_hv");
    EXPECT_EQ(placed->fallback_reason, "");
    EXPECT_EQ(place(ask(kGiB, "qemu"), candidates)->host_id, "id-other") << "memory decides among equals";
  }
  const auto more = host_with_fallback("more", 65 * kGiB);
  EXPECT_EQ(place(ask(4 * kGiB, "cloud_hv"), {candidate(other), candidate(more), candidate(real)})->host_id, "id-more");
}

TEST(Place, WhatAnotherHostMayHaveSoonIsWaitedForBeforeAFallback) {
  const auto other = host_with_fallback("other", 64 * kGiB);
  auto real = host_on_trial("real");
  auto loading = real;
  loading.info->plugins[1].state = core::PluginState::loading;
  loading.info->plugins[1].reason = "create hasn't returned yet";
  for (const auto& soon : {real, loading}) {
    const auto placed = place(ask(kGiB, "cloud_hv"), {candidate(other), candidate(soon)});
    ASSERT_FALSE(placed) << placed->hypervisor;
    EXPECT_EQ(placed.error().code, Code::unavailable);
    EXPECT_EQ(placed.error().reason, "plugin-loading");
    ASSERT_EQ(placed.error().details.size(), 2u);
    EXPECT_EQ(placed.error().details[0].detail.find("host real: hypervisor cloud_hv can't be used yet"), 0u);
    EXPECT_NE(placed.error().details[1].detail.find("host other: the node's config says fallback.cloud_hv: qemu"),
              std::string::npos)
        << placed.error().message;
    EXPECT_EQ(place(ask(kGiB, "qemu"), {candidate(other), candidate(soon)})->host_id, "id-other");
  }
  // Waiting would be of no use: the host couldn't take the VM then, either.
  EXPECT_EQ(place(ask(9 * kGiB, "cloud_hv"), {candidate(real), candidate(other)})->hypervisor, "qemu");
  EXPECT_EQ(place(ask(kGiB, "cloud_hv"), {candidate(real, 8 * kGiB), candidate(other)})->hypervisor, "qemu");
  real.info->stopping = true;
  EXPECT_EQ(place(ask(kGiB, "cloud_hv"), {candidate(real), candidate(other)})->hypervisor, "qemu");
}

TEST(Place, WhereTheFallbackCanNotRunItEitherTheRefusalSaysBoth) {
  auto h = host_with_fallback("a", 8 * kGiB);
  h.info->plugins[0].description->limits.max_vcpus = 1;
  h.info->plugins[0].description->options_schema.text =
      R"({"type":"object","additionalProperties":false,"properties":{"cpu":{"type":"string"}}})";
  auto large = ask(kGiB, "cloud_hv");
  large.spec.max_vcpus = 2;
  auto tuned = ask(kGiB, "cloud_hv");
  tuned.spec.config.text = R"({"rng":{}})";
  const std::string why =
      "host a: the node's config says fallback.cloud_hv: qemu, because hypervisor cloud_hv can't be used: there is no "
      "KVM; but ";
  const auto refused = [&](const PlacementRequest& request) { return place(request, {candidate(h)}).error(); };
  EXPECT_EQ(refused(large).details.at(0).detail, why + "qemu takes at most 1 vCPUs, the VM asks for 2");
  EXPECT_EQ(refused(large).details.at(0).pointer, "/max_vcpus");
  EXPECT_EQ(refused(tuned).details.at(0).detail,
            why + "hypervisor qemu doesn't take /config/rng: unknown option; it knows cpu");
  EXPECT_EQ(refused(tuned).details.at(0).pointer, "/config/rng");
  for (const auto& request : {large, tuned}) {
    EXPECT_NE(refused(request).hint.find("usable on the host"), std::string::npos) << refused(request).hint;
    EXPECT_EQ(could_fit(request, {std::make_shared<const HostRecord>(h)}).error().message, refused(request).message);
  }
  tuned.hypervisor = "qemu";
  EXPECT_EQ(refused(tuned).hint, "") << "nothing stands in for it";
}

TEST(Place, AMachineThatIsFrozenHasNoFallback) {
  auto h = host_without_kvm();
  h.info->fallback["cloud_hv"] = "qemu";
  auto request = ask(kGiB, "cloud_hv");
  request.frozen = true;
  const auto refused = place(request, {candidate(h)});
  ASSERT_FALSE(refused) << refused->hypervisor;
  EXPECT_EQ(refused.error().reason, "hypervisor-unavailable");
  EXPECT_EQ(refused.error().message,
            "no host can take VM web with hypervisor cloud_hv: a: hypervisor cloud_hv can't be used: there is no KVM");
  EXPECT_NE(refused.error().hint.find("made for hypervisor cloud_hv"), std::string::npos) << refused.error().hint;
  EXPECT_EQ(could_fit(request, {std::make_shared<const HostRecord>(h)}).error().hint, refused.error().hint);
  h.info->plugins[1].description->healthy = true;
  EXPECT_EQ(place(request, {candidate(h)})->hypervisor, "cloud_hv");
  // What passes by itself is waited for, as by any other VM.
  h.info->plugins[1].state = core::PluginState::loading;
  EXPECT_EQ(place(request, {candidate(h)}).error().reason, "plugin-loading");
  EXPECT_EQ(place(request, {candidate(h)}).error().hint, "");
}

TEST(AssumedHypervisor, IsTheDefaultOfTheFirstHostThatIsUp) {
  const auto up = [](const char* name, const char* hypervisor) {
    HostRecord h = host(name, kGiB);
    h.info->default_hypervisor = hypervisor;
    return h;
  };
  const auto assumed = [](const std::vector<HostRecord>& hosts) {
    std::vector<HostPtr> all;
    for (const HostRecord& one : hosts) all.push_back(std::make_shared<const HostRecord>(one));
    return assumed_hypervisor(all);
  };
  EXPECT_EQ(assumed({}), "cloud_hv");
  EXPECT_EQ(assumed({up("a", "third"), up("b", "qemu")}), "third");
  EXPECT_EQ(assumed({up("loading", ""), up("b", "qemu")}), "qemu");
  HostRecord down = up("down", "third");
  down.status = HostStatus::down;
  EXPECT_EQ(assumed({down, up("b", "qemu")}), "qemu");
  EXPECT_EQ(assumed({down}), "cloud_hv");
  HostRecord unheard = up("unheard", "");
  unheard.info.reset();
  EXPECT_EQ(assumed({unheard}), "cloud_hv");
}

TEST(ShownHypervisor, IsTheFirstKnownOneInPlaceOfWhatIsntKnown) {
  EXPECT_EQ(shown_hypervisor("qemu", {}), "qemu");
  EXPECT_EQ(shown_hypervisor("qemu", {"cloud_hv", "qemu"}), "qemu");
  EXPECT_EQ(shown_hypervisor("qemu", {"cloud_hv", "firecracker"}), "cloud_hv");
}

}  // namespace
}  // namespace qarax::server
