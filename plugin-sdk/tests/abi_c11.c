/* abi.h is plain C11: this file is compiled with -std=c11 -pedantic-errors and uses one of each declaration. */
#include <stdio.h>

#include "network_1.h"
#include "qarax/plugin/abi.h"
#include "storage_1.h"

static int32_t count(void* self, const qarax_call* call, qarax_text args) {
  (void)self;
  return call != 0 && args.len == 2 ? QARAX_OK : QARAX_INVALID_ARGUMENT;
}

int main(void) {
  const qarax_hypervisor_1 hypervisor = {sizeof hypervisor, 0, count, count, count, count};
  const qarax_hypervisor_pause_1 pausing = {sizeof pausing, count, count};
  const qarax_hypervisor_reboot_1 reboot = {sizeof reboot, count};
  const qarax_hypervisor_resize_1 resize = {sizeof resize, count};
  const qarax_hypervisor_snapshot_1 snapshot = {sizeof snapshot, count, count};
  const qarax_hypervisor_console_1 console = {sizeof console, count};
  const qarax_hypervisor_counters_1 counters = {sizeof counters, count};
  const qarax_call call = {.size = sizeof call, .cancel_fd = -1};
  const qarax_text args = {"{}", 2};
  int bad = 0;
  bad += hypervisor.start(0, &call, args) != QARAX_OK;
  bad += hypervisor.size != 6 * sizeof(void*) || pausing.size != 3 * sizeof(void*);
  bad += reboot.size != 16 || resize.size != 16 || snapshot.size != 24 || console.size != 16 || counters.size != 16;
  bad += sizeof(qarax_hypervisor_disks_1) != 4 * sizeof(void*) || sizeof(qarax_hypervisor_nics_1) != 3 * sizeof(void*);
  bad += sizeof(qarax_host_process_1) != 9 * sizeof(void*) || sizeof(qarax_host) != 3 * sizeof(void*);
  bad += sizeof(qarax_storage_1) != 7 * sizeof(void*) || sizeof(qarax_network_1) != 6 * sizeof(void*);
  /* the text of the magic number, as a hex dump of the file shows it */
  const uint64_t magic = QARAX_ABI_MAGIC;
  const unsigned char* bytes = (const unsigned char*)&magic;
  const char expected[] = "QARAXPLG";
  for (int i = 0; i < 8; ++i) bad += bytes[i] != (unsigned char)expected[i];
  if (bad != 0) printf("%d checks failed\n", bad);
  return bad != 0;
}
