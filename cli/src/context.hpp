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
  std::ostream& out;   // stdout: the requested result
  std::ostream& note;  // stderr: progress, and what can be done next
  bool colour = false;
};

// The VM or host with this name or id; refused if it is the id of one and the name of another.
Result<Document> find_vm(ApiClient& api, const std::string& name_or_id);
Result<Document> find_host(ApiClient& api, const std::string& name_or_id);

inline std::string host_path(const json::Value& host, const std::string& rest = "") {
  return "/hosts/" + percent_encoded(text_of(host, "id")) + rest;
}

// False if the hypervisor of a running VM reports that it has no console, e.g. a simulator, which runs no guest. True
// if that can't be determined.
bool has_console(ApiClient& api, const json::Value& vm);

inline std::string vm_path(const json::Value& vm, const std::string& rest = "") {
  return "/vms/" + percent_encoded(text_of(vm, "id")) + rest;
}

}  // namespace qarax::cli
