// Lets the kernel notice that the host at the other end of a connection is gone. A host that loses its power ends no
// connection, and whoever only listens would wait for ever.
#pragma once

#include <chrono>

namespace qarax::cli {

// The time without a sign of life after which a host counts as gone.
constexpr std::chrono::seconds kHostGone{45};

// Breaks the connection off with ETIMEDOUT once its other end hasn't answered for kHostGone while nothing is sent.
void notice_dead_host(int fd);
// The same while something is sent that isn't acknowledged. Not for a connection whose other end may rightly take
// nothing for longer: Linux counts a closed window, too.
void notice_dead_receiver(int fd);

}  // namespace qarax::cli
