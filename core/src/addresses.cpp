#include "qarax/core/addresses.hpp"

#include <arpa/inet.h>

namespace qarax::core {

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return address == "::1" || address == "[::1]" || address == "localhost";
}

}  // namespace qarax::core
