// Addresses as configs and hosts have them: a name, an IPv4 or an IPv6 address, that one with or without its brackets.
#pragma once

#include <cstdint>
#include <string>

namespace qarax::core {

// Without brackets, so that one address has one spelling: configs and documents are read by it.
std::string bare_address(std::string address);

// What is sent there stays on this machine: 127.0.0.0/8, ::1 and localhost. A name is asked of nobody, so another one
// that leads here is none.
bool is_loopback(const std::string& address);

// "host:port", an IPv6 address in brackets.
std::string host_port(const std::string& address, std::int64_t port);

}  // namespace qarax::core
