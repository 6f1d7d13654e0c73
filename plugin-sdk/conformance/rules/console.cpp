// CONSOLE: qarax.hypervisor.console/1, for VMMs whose console the host doesn't serve itself.
#include <fcntl.h>
#include <sys/socket.h>

#include "rules.hpp"

namespace qarax::conformance {
namespace {

Status is_stream(const Result<core::Fd>& fd) {
  if (!fd) return broken("open failed: " + fd.error().message);
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd->get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) return broken("what open gives isn't a socket");
  QARAX_CHECK(expect(type == SOCK_STREAM, "what open gives is a socket, but not a stream"));
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  return expect(::getpeername(fd->get(), reinterpret_cast<sockaddr*>(&peer), &length) == 0,
                "what open gives is a socket with nobody at its other end");
}

Status opens(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  QARAX_CHECK(is_stream(vm.call(&Hypervisor::open_console)));
  const auto again = vm.call(&Hypervisor::open_console);
  if (!again) return broken("a second open, the first closed, failed: " + again.error().message);
  return is_stream(again);
}

Status console_refuses_what_has_ended(Agent& agent) {
  QARAX_TRY(Vm vm, agent.ended());
  return expect_failed_precondition(vm.call(&Hypervisor::open_console), "open of the console of a VM that has ended");
}

}  // namespace

Rules console_rules() {
  constexpr auto kId = QARAX_HYPERVISOR_CONSOLE_1;
  return {
      {"CONSOLE-01", kId, "open gives a connected stream socket, again after it was closed", opens},
      {"CONSOLE-02", kId, "a VM that has ended is failed_precondition", console_refuses_what_has_ended},
  };
}

}  // namespace qarax::conformance
