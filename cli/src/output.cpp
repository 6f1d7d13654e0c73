#include "output.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace qarax::cli {

OutputBuffer::int_type OutputBuffer::overflow(int_type byte) {
  if (!write_out()) return traits_type::eof();
  if (!traits_type::eq_int_type(byte, traits_type::eof())) sputc(traits_type::to_char_type(byte));
  return traits_type::not_eof(byte);
}

bool OutputBuffer::write_out() {
  for (const char* at = pbase(); failure_ == 0 && at != pptr();) {
    const ssize_t written = ::write(fd_, at, static_cast<std::size_t>(pptr() - at));
    if (written >= 0)
      at += written;
    else if (errno != EINTR)
      failure_ = errno;
  }
  empty();
  return failure_ == 0;
}

Error output_lost(int failure) {
  Error error =
      make_error(Code::internal, "standard output can't be written, so some of what it was to show is lost: " +
                                     std::generic_category().message(failure));
  error.hint = "What was asked for may be done all the same. Send the output where there is room for it.";
  return error;
}

}  // namespace qarax::cli
