// What every command works with.
#pragma once

#include <ostream>
#include <string>

#include "api_client.hpp"
#include "arguments.hpp"

namespace qarax::cli {

struct Context {
  const Arguments& arguments;
  ApiClient& api;
  std::ostream& out;   // what was asked for
  std::ostream& note;  // stderr: what happens meanwhile and what can be done next
  bool colour = false;
};

// The VM or host that a name or an id stands for; what is one's id and another's name is refused.
Result<Document> find_vm(ApiClient& api, const std::string& name_or_id);
Result<Document> find_host(ApiClient& api, const std::string& name_or_id);

inline std::string host_path(const json::Value& host, const std::string& rest = "") {
  return "/hosts/" + percent_encoded(text_of(host, "id")) + rest;
}

// False where the hypervisor of a VM that runs says that it has none: simulators and their like run no guest. True
// where that can't be had.
bool has_console(ApiClient& api, const json::Value& vm);

inline std::string vm_path(const json::Value& vm, const std::string& rest = "") {
  return "/vms/" + percent_encoded(text_of(vm, "id")) + rest;
}

}  // namespace qarax::cli
