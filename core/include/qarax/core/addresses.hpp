// Addresses as configs and hosts give them: a name, an IPv4 address, or an IPv6 address with or without brackets.
#pragma once

#include <cstdint>
#include <string>

namespace qarax::core {

// Removes the brackets of an IPv6 address, so that it is spelled alike wherever configs and documents give it.
std::string bare_address(std::string address);

// True if traffic to this address never leaves the machine: 127.0.0.0/8, ::1 and the name localhost. Names aren't
// resolved, so any other name gives false, even if it resolves to loopback.
bool is_loopback(const std::string& address);

// "host:port"; brackets are put around an IPv6 address.
std::string host_port(const std::string& address, std::int64_t port);

}  // namespace qarax::core
