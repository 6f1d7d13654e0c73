#include "qarax/core/addresses.hpp"

#include <arpa/inet.h>

namespace qarax::core {

std::string bare_address(std::string address) {
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  return address;
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return address == "::1" || address == "[::1]" || address == "localhost";
}

std::string host_port(const std::string& address, std::int64_t port) {
  const bool bare_v6 = address.find(':') != std::string::npos && !address.starts_with('[');
  return (bare_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

}  // namespace qarax::core
