// The disks and NICs of fake_vmm's VM. As the real one does, it looks at nothing before there is a guest.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "fake_reply.hpp"

namespace fake {

class Devices {
 public:
  // `section`: disks or net. `fds` came beside the request; none and no tap either: the real one makes a tap of its
  // own.
  Reply add(const std::string& section, const std::string& body, std::size_t fds, bool has_guest) {
    const std::string outer = section == "disks" ? "The disk could not be added to the VM"
                                                 : "The network device could not be added to the VM";
    auto device = qarax::json::parse(body);
    if (!device || device->as_object() == nullptr) return no_json();
    const Value* named = device->find("id");
    const std::string id = named != nullptr ? *named->as_string() : "_device" + std::to_string(all_.size());
    if (all_.contains(id)) return refused({outer, "Failed to validate config", "Identifier " + id + " is not unique"});
    if (section == "net" && fds > 0) {
      const std::int64_t queues = device->find("num_queues") != nullptr ? *device->find("num_queues")->as_int() : 2;
      if (queues != static_cast<std::int64_t>(fds) * 2)
        return refused({outer, "Failed to validate config",
                        "Number of queues (" + std::to_string(queues) +
                            ") to virtio_net does not match the number of FDs (" + std::to_string(fds * 2) + ")"});
      // It says how many there were, and not which.
      qarax::json::Array none;
      for (std::size_t i = 0; i < fds; ++i) none.emplace_back(std::int64_t{-1});
      device->as_object()->emplace_back("fds", Value(std::move(none)));
    }
    if (section == "disks" && has_guest) {
      const std::string path = *device->find("path")->as_string();
      const Value* readonly = device->find("readonly");
      const bool writes = readonly == nullptr || !*readonly->as_bool();
      if (const int error = opens(path, writes); error != 0)
        return refused({outer, "Error from device manager", "Cannot open disk path",
                        "I/O error (path=" + path + " op=open)",
                        std::string(std::strerror(error)) + " (os error " + std::to_string(error) + ")"});
    }
    all_[id] = {section, *device};
    if (!has_guest) return {204, ""};
    return {200, "{\"id\":\"" + id + "\",\"bdf\":\"0000:00:05.0\"}"};
  }

  // A guest that runs lets go at once, unless it shall not.
  Reply remove(const std::string& body, bool has_guest, bool lets_go) {
    const std::string outer = "The device could not be removed from the VM";
    const auto asked = qarax::json::parse(body);
    const Value* id = asked ? asked->find("id") : nullptr;
    if (id == nullptr) return no_json();
    if (!all_.contains(*id->as_string())) {
      if (!has_guest) return refused({outer, "No device with id \"" + *id->as_string() + "\" to remove"});
      return refused({outer, "Error from device manager", unknown(*id->as_string())});
    }
    if (lets_go)
      all_.erase(*id->as_string());
    else
      leaving_.insert(*id->as_string());
    return {204, ""};
  }

  Reply resize_disk(const std::string& body, bool has_guest) {
    const std::string outer = "The disk could not be resized";
    const auto asked = qarax::json::parse(body);
    if (!asked || asked->find("id") == nullptr || asked->find("desired_size") == nullptr) return no_json();
    if (!has_guest) return refused({outer, "Failed resizing a disk image"});
    const auto disk = all_.find(*asked->find("id")->as_string());
    // One that the guest was asked to let go of is in its tree still, but no longer among its disks.
    if (disk == all_.end() || leaving_.contains(disk->first))
      return refused({outer, "Error from device manager", unknown(*asked->find("id")->as_string())});
    std::error_code error;
    std::filesystem::resize_file(*disk->second.config.find("path")->as_string(),
                                 static_cast<std::uintmax_t>(*asked->find("desired_size")->as_int()), error);
    return error ? refused({outer, "Error from device manager", "Failed resizing a disk image"}) : Reply{204, ""};
  }

  // As vm.info tells them: in the VM's config, and by name.
  void write_to(Value& config) const {
    std::erase_if(*config.as_object(), [](const auto& one) { return one.first == "disks" || one.first == "net"; });
    for (const char* section : {"disks", "net"}) {
      qarax::json::Array found;
      for (const auto& [id, device] : all_)
        if (device.section == section) found.push_back(device.config);
      if (!found.empty()) config.as_object()->emplace_back(section, Value(std::move(found)));
    }
  }
  void read_from(const Value& config) {
    all_.clear();
    leaving_.clear();
    for (const char* section : {"disks", "net"})
      if (const Value* found = config.find(section))
        for (const Value& one : *found->as_array()) all_[*one.find("id")->as_string()] = {section, one};
  }
  std::string tree() const {
    std::string out;
    for (const auto& [id, device] : all_)
      out += (out.empty() ? "\"" : ",\"") + id + "\":{\"id\":\"" + id + "\",\"resources\":[],\"children\":[]}";
    return "{" + out + "}";
  }

 private:
  struct Device {
    std::string section;  // of the VM's config
    Value config;
  };
  static int opens(const std::string& path, bool writes) {
    const int fd = ::open(path.c_str(), (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0) return errno;
    ::close(fd);
    return 0;
  }
  static std::string unknown(const std::string& id) {
    return "Failed to find device corresponding to the given identifier: " + id;
  }

  std::map<std::string, Device> all_;  // by id
  std::set<std::string> leaving_;
};

}  // namespace fake
