// What a VM's `config` may add: members of Cloud Hypervisor's own VmConfig, as its API names them, that name no file,
// socket or device of the host. Pure.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "program.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/json.hpp"

namespace qarax::cloud_hypervisor {

constexpr std::int32_t kMaxVcpus = 254;

// The options that this version has, as a JSON Schema.
std::string vm_options_schema(const Version& version);

// Adds the problems of the spec's `config` for that version, each with its pointer.
void check_options(std::vector<ErrorDetail>& out, const VmSpec& spec, const Version& version);

// Adds what `config`, which has passed check_options(), says of a section of VmConfig; "": of VmConfig itself.
void add_options(json::Object& to, const json::Value& config, std::string_view section);

// The host's CPUs that `spec`, which has passed check_options(), keeps its vCPUs on.
std::set<int> pinned_to(const VmSpec& spec);

// Whether memory that was plugged into such a VM can be taken away again.
bool can_shrink(const VmSpec& spec);

}  // namespace qarax::cloud_hypervisor
