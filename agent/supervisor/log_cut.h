// How a vmm.log that has become too long is cut: by its supervisor, and by the agent where that is gone. Both are built
// with this file, which uses libc and nothing else of the supervisor.
#pragma once

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { kVmmLogMax = 1 << 20 };  // bytes; a longer log is to be cut

// `log`: the file, of `size` bytes, which are more than kVmmLogMax, open for reading and for appending, as its VMM has
// it open. Copies the last kVmmLogMax bytes to the file `older`, with what comes meanwhile up to a limit, empties the
// log and writes into it what could be kept.
void vmm_log_cut(int log, off_t size, const char* older);

#ifdef __cplusplus
}
#endif
