// The socket under a libpq connection.
#pragma once

#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

namespace qarax::server {

// Ends the connection for the database, which then rolls the open transaction back. libpq notices with its next read.
inline void cut(const PGconn* connection) { ::shutdown(PQsocket(connection), SHUT_RDWR); }

// False as well after cut(), although libpq may not have noticed yet.
inline bool is_connected(const PGconn* connection) {
  if (PQstatus(connection) != CONNECTION_OK) return false;
  pollfd link{PQsocket(connection), 0, 0};
  return ::poll(&link, 1, 0) >= 0 && (link.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

}  // namespace qarax::server
