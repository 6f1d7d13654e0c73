// JSON merge patches (RFC 7396) of what clients may write of an object. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/host.hpp"
#include "api/new_vm.hpp"

namespace qarax::api {

json::Value merge_patch(json::Value target, const json::Value& patch);
// The patch that makes `after` of `before`.
json::Value difference(const json::Value& before, const json::Value& after);

// `now` with the body's members in place, checked like a new one; null takes a member back to its default. Errors as
// decode_new_vm; a member that only the server writes is refused with its pointer.
Result<NewVm> patched(const NewVm& now, std::string_view body);
Result<NewHost> patched(const NewHost& now, std::string_view body);

// Names of the members that differ, in the table's order.
std::vector<std::string> changed_members(const NewVm& before, const NewVm& after);

// `frozen` was made of `before` once; what has changed from there to `after` is changed in it, and nothing else: a
// versioned machine type stays what it is when the memory grows.
Result<VmSpec> follow(const VmSpec& frozen, const VmSpec& before, const VmSpec& after);

}  // namespace qarax::api
