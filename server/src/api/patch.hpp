// JSON merge patches (RFC 7396) of the members that clients may write. Pure functions. What a patch leaves alone keeps
// its spelling (api/merge.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/host.hpp"
#include "api/new_vm.hpp"

namespace qarax::api {

// Applies the patch `body` to `now` and checks the result like a new object; null resets a member to its default.
// Errors as decode_new_vm; a member that only the server writes is refused with its pointer.
Result<NewVm> patched(const NewVm& now, std::string_view body);
Result<NewHost> patched(const NewHost& now, std::string_view body);

// Names of the members that differ, in the table's order.
std::vector<std::string> changed_members(const NewVm& before, const NewVm& after);

// Applies to `frozen`, which was once made from `before`, only what differs between `before` and `after`: e.g. a
// versioned machine type stays the same when the memory grows.
Result<VmSpec> follow(const VmSpec& frozen, const VmSpec& before, const VmSpec& after);

}  // namespace qarax::api
