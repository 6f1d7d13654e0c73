/* A whole hypervisor plugin in plain C. Its "VMM" is sleep(1), so that it runs anywhere: put yours in its place. It
 * spawns through the host, keeps a handle, offers pause/1, disks/1 and nics/1, and tells the host about itself in
 * create and destroy. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "qarax/plugin/c_helper.h"

struct instance {
  const qarax_host* host;
  const qarax_host_notify_1* notify;
  const qarax_host_process_1* process;
};

/* The members that each call's arguments may have: whatever else a newer host sends is refused in every call, since its
 * meaning isn't honoured here. */
#define VM_ARGS "vm", "incarnation", "run_dir", "handle"
static const char* const kVm[] = {VM_ARGS, 0};
static const char* const kStop[] = {VM_ARGS, "mode", "timeout_ms", 0};
static const char* const kDiskArgs[] = {VM_ARGS, "disk", 0};
static const char* const kNicArgs[] = {VM_ARGS, "nic", 0};
static const char* const kDetach[] = {VM_ARGS, "id", 0};
static const char* const kResize[] = {VM_ARGS, "id", "size", 0};
static const char* const kStart[] = {"vm", "name", "incarnation", "spec", "boot", "run_dir", 0};
static const char* const kBoot[] = {"kernel", "kernel_pvh", "initramfs", "cmdline", 0};
static const char* const kTopology[] = {"threads_per_core", "cores_per_die", "dies_per_package", "packages", 0};
static const char* const kSpec[] = {"boot_vcpus",
                                    "max_vcpus",
                                    "cpu_topology",
                                    "kvm_hyperv",
                                    "memory_size",
                                    "memory_hotplug_size",
                                    "memory_shared",
                                    "memory_prefault",
                                    "memory_mergeable",
                                    "memory_hugepages",
                                    "memory_hugepage_size",
                                    "memory_thp",
                                    "config",
                                    0};
static const char* const kDisk[] = {"id",     "path",   "fd",     "format",      "readonly",
                                    "direct", "serial", "queues", "rate_limits", 0};
static const char* const kNic[] = {"id", "mac", "tap", "fds", "queues", "mtu", "rate_limits", 0};
static const char* const kRates[] = {"bandwidth", "bandwidth_burst", "ops", "ops_burst", 0};

static int32_t known(const qarax_call* call, qarax_text object, const char* pointer, const char* const* names) {
  return qarax_refuse_unknown(call, "c_plugin", object, pointer, names);
}
static int32_t known_start(const qarax_call* call, qarax_text args) {
  const qarax_text spec = qarax_json_member(args, "spec");
  int32_t code = known(call, args, "", kStart);
  if (code == QARAX_OK) code = known(call, spec, "/spec", kSpec);
  if (code == QARAX_OK) code = known(call, qarax_json_member(spec, "cpu_topology"), "/spec/cpu_topology", kTopology);
  if (code == QARAX_OK) code = known(call, qarax_json_member(args, "boot"), "/boot", kBoot);
  return code;
}
/* For calls about a VM that was started: its handle is this plugin's, too. */
static int32_t known_vm(const qarax_call* call, qarax_text args, const char* const* names) {
  const int32_t code = known(call, args, "", names);
  return code == QARAX_OK ? qarax_check_handle(call, "c_plugin", args, 1) : code;
}

static int32_t put_state(const qarax_call* call, const char* state) {
  char document[128];
  snprintf(document, sizeof document, "{\"state\":\"%s\",\"can\":[\"pause\"]}", state);
  return call->put(call, qarax_text_of(document));
}
static int32_t about_process(struct instance* self, qarax_slot slot, const qarax_call* call, qarax_text args,
                             const char* more, struct qarax_answer* answer) {
  return qarax_ask_process(self->host, slot, call, args, more, 0, 0, answer);
}
static int is_alive(const struct qarax_answer* answer) {
  return qarax_text_is(qarax_json_member(qarax_answer_text(answer), "alive"), "true");
}

/* A paused VM has a file in its run folder, which is removed with the VM. */
static int paused_file(qarax_text args, char* out, size_t room) {
  char run_dir[PATH_MAX];
  return qarax_json_string(qarax_json_member(args, "run_dir"), run_dir, sizeof run_dir) && run_dir[0] == '/' &&
         (size_t)snprintf(out, room, "%s/paused", run_dir) < room;
}
static int is_paused(qarax_text args) {
  char path[PATH_MAX + 8];
  return paused_file(args, path, sizeof path) && access(path, F_OK) == 0;
}
static void set_paused(qarax_text args, int paused) {
  char path[PATH_MAX + 8];
  if (!paused_file(args, path, sizeof path)) return;
  if (paused) close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!paused) unlink(path);
}

/* Answers with the state of the VM's process, as the host knows it. */
static int32_t put_now(struct instance* self, const qarax_call* call, qarax_text args) {
  struct qarax_answer answer;
  const int32_t code = about_process(self, self->process->find, call, args, "", &answer);
  if (code != QARAX_OK) return qarax_pass_on(call, code, &answer);
  return put_state(call, !is_alive(&answer) ? "shutdown" : is_paused(args) ? "paused" : "running");
}
static int32_t kill_it(struct instance* self, const qarax_call* call, qarax_text args) {
  struct qarax_answer answer;
  const int32_t code = about_process(self, self->process->kill, call, args, "", &answer);
  set_paused(args, 0);
  return code == QARAX_OK ? put_state(call, "shutdown") : qarax_pass_on(call, code, &answer);
}
static int32_t start(void* instance, const qarax_call* call, qarax_text args) {
  struct instance* self = instance;
  struct qarax_answer answer, ignored;
  char more[80], handle[128];
  const qarax_text vm = qarax_json_member(args, "vm");
  int32_t code = known_start(call, args);
  if (code != QARAX_OK) return code;
  snprintf(more, sizeof more, ",\"vm\":%.*s", (int)vm.len, vm.ptr);
  if (!qarax_make_handle(handle, sizeof handle, "c_plugin", 1, more)) return QARAX_INVALID_ARGUMENT;
  code = call->keep(call, qarax_text_of(handle));
  if (code != QARAX_OK) return qarax_fail(call, code, "{\"message\":\"no handle, no start\"}");
  call->progress(call, qarax_text_of("spawn"), 1, 2);
  code = about_process(self, self->process->spawn, call, args, ",\"argv\":[\"/bin/sleep\",\"1d\"]", &answer);
  if (code == QARAX_OK) return put_state(call, "running");
  if (code == QARAX_ALREADY_EXISTS) return put_now(self, call, args); /* a repeated start; it may have been paused */
  /* Nothing of a failed start may remain: no parent, so that the kill isn't bound to this call's deadline. */
  about_process(self, self->process->kill, 0, args, "", &ignored);
  return qarax_pass_on(call, code, &answer);
}
static int32_t stop(void* instance, const qarax_call* call, qarax_text args) {
  int32_t code = known(call, args, "", kStop);
  if (code == QARAX_OK) code = qarax_check_stop(call, "c_plugin", args, 1);
  return code == QARAX_OK ? kill_it(instance, call, args) : code;
}
static int32_t inspect(void* instance, const qarax_call* call, qarax_text args) {
  const int32_t code = known_vm(call, args, kVm);
  return code == QARAX_OK ? put_now(instance, call, args) : code;
}
static int32_t recover(void* instance, const qarax_call* call, qarax_text args) {
  struct instance* self = instance;
  struct qarax_answer answer;
  const qarax_text handle = qarax_json_member(args, "handle");
  int32_t code = known(call, args, "", kVm);
  if (code != QARAX_OK) return code;
  /* Without a handle the start was interrupted before its process existed: remove whatever it left. */
  if (handle.len == 0 || qarax_text_is(handle, "null")) return kill_it(self, call, args);
  code = qarax_check_handle(call, "c_plugin", args, 1);
  if (code != QARAX_OK) return code;
  code = about_process(self, self->process->find, call, args, "", &answer);
  /* Nothing was spawned, or a supervisor was about to: the start was interrupted, too. */
  if (code == QARAX_NOT_FOUND || code == QARAX_UNAVAILABLE) return kill_it(self, call, args);
  return put_now(self, call, args);
}
static int32_t signal_it(struct instance* self, const qarax_call* call, qarax_text args, int paused) {
  struct qarax_answer answer;
  char more[32];
  int32_t code = known_vm(call, args, kVm);
  if (code != QARAX_OK) return code;
  code = about_process(self, self->process->find, call, args, "", &answer);
  /* Any other error says nothing about the VM, which may run well. */
  if (code != QARAX_OK && code != QARAX_NOT_FOUND) return qarax_pass_on(call, code, &answer);
  if (code == QARAX_NOT_FOUND || !is_alive(&answer))
    return qarax_fail(call, QARAX_FAILED_PRECONDITION, "{\"message\":\"the VM has ended\"}");
  snprintf(more, sizeof more, ",\"signal\":%d", paused ? SIGSTOP : SIGCONT);
  code = about_process(self, self->process->signal, call, args, more, &answer);
  if (code != QARAX_OK) return qarax_pass_on(call, code, &answer);
  set_paused(args, paused);
  return put_state(call, paused ? "paused" : "running");
}
static int32_t pause_vm(void* instance, const qarax_call* call, qarax_text args) {
  return signal_it(instance, call, args, 1);
}
static int32_t resume_vm(void* instance, const qarax_call* call, qarax_text args) {
  return signal_it(instance, call, args, 0);
}

/* Answers with a live document that repeats what the call said about the device. */
static int32_t device(const qarax_call* call, qarax_text args, qarax_text id) {
  char text[512];
  snprintf(text, sizeof text, "{\"state\":\"running\",\"live\":{\"id\":%.*s,\"size\":%lld,\"fds\":%zu}}", (int)id.len,
           id.ptr, (long long)qarax_json_int(qarax_json_member(args, "size"), 0), call->fd_count);
  return call->put(call, qarax_text_of(text));
}
static int32_t attach_disk(void* instance, const qarax_call* call, qarax_text args) {
  const qarax_text disk = qarax_json_member(args, "disk");
  int32_t code = known_vm(call, args, kDiskArgs);
  if (code == QARAX_OK) code = known(call, disk, "/disk", kDisk);
  if (code == QARAX_OK) code = known(call, qarax_json_member(disk, "rate_limits"), "/disk/rate_limits", kRates);
  (void)instance;
  return code == QARAX_OK ? device(call, args, qarax_json_member(disk, "id")) : code;
}
static int32_t attach_nic(void* instance, const qarax_call* call, qarax_text args) {
  const qarax_text nic = qarax_json_member(args, "nic");
  int32_t code = known_vm(call, args, kNicArgs);
  if (code == QARAX_OK) code = known(call, nic, "/nic", kNic);
  if (code == QARAX_OK) code = known(call, qarax_json_member(nic, "rate_limits"), "/nic/rate_limits", kRates);
  (void)instance;
  return code == QARAX_OK ? device(call, args, qarax_json_member(nic, "id")) : code;
}
static int32_t detach(void* instance, const qarax_call* call, qarax_text args) {
  const int32_t code = known_vm(call, args, kDetach);
  (void)instance;
  return code == QARAX_OK ? device(call, args, qarax_json_member(args, "id")) : code;
}
static int32_t resize_disk(void* instance, const qarax_call* call, qarax_text args) {
  const int32_t code = known_vm(call, args, kResize);
  (void)instance;
  return code == QARAX_OK ? device(call, args, qarax_json_member(args, "id")) : code;
}
static int32_t describe(void* instance, const qarax_call* call, qarax_text args) {
  (void)instance, (void)args;
  return call->put(call, qarax_text_of("{\"vmm_path\":\"/bin/sleep\",\"accelerator\":\"none\","
                                       "\"boot_modes\":[\"kernel\"],\"features\":[\"pause\"]}"));
}

static int32_t create(const qarax_host* host, const qarax_call* call, qarax_text args, void** out) {
  (void)args;
  struct instance* self = calloc(1, sizeof *self);
  if (self == 0) return qarax_fail(call, QARAX_RESOURCE_EXHAUSTED, "{\"message\":\"out of memory\"}");
  self->host = host;
  self->notify = host->query(host->self, qarax_text_of(QARAX_HOST_NOTIFY_1));
  self->process = host->query(host->self, qarax_text_of(QARAX_HOST_PROCESS_1));
  if (!QARAX_HAS(qarax_host_notify_1, self->notify, notify) || !QARAX_HAS(qarax_host_process_1, self->process, run)) {
    free(self);
    return qarax_fail(call, QARAX_FAILED_PRECONDITION, "{\"message\":\"this host starts no processes\"}");
  }
  self->notify->notify(host->self, qarax_text_of(""));
  *out = self;
  return QARAX_OK;
}
static void destroy(void* instance) {
  struct instance* self = instance;
  self->notify->notify(self->host->self, qarax_text_of("going"));
  free(self);
}

static const qarax_hypervisor_1 hypervisor = {sizeof hypervisor, 0, start, stop, inspect, recover};
static const qarax_hypervisor_pause_1 pausing = {sizeof pausing, pause_vm, resume_vm};
static const qarax_hypervisor_disks_1 disks = {sizeof disks, attach_disk, detach, resize_disk};
static const qarax_hypervisor_nics_1 nics = {sizeof nics, attach_nic, detach};
static const void* query(void* instance, qarax_text id) {
  (void)instance;
  if (qarax_text_is(id, QARAX_HYPERVISOR_1)) return &hypervisor;
  if (qarax_text_is(id, QARAX_HYPERVISOR_PAUSE_1)) return &pausing;
  if (qarax_text_is(id, QARAX_HYPERVISOR_DISKS_1)) return &disks;
  if (qarax_text_is(id, QARAX_HYPERVISOR_NICS_1)) return &nics;
  return 0;
}

#define CONFIG_SCHEMA                                                    \
  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" \
  "\"mode\":{\"type\":\"string\",\"enum\":[\"fast\",\"slow\"]},"         \
  "\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":8},"        \
  "\"label\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4},"     \
  "\"on\":{\"type\":\"boolean\"}}}"
QARAX_EXPORT const qarax_plugin_table qarax_plugin = {.magic = QARAX_ABI_MAGIC,
                                                      .abi_major = QARAX_ABI_MAJOR,
                                                      .abi_minor = QARAX_ABI_MINOR,
                                                      .size = sizeof(qarax_plugin_table),
                                                      .id = QARAX_TEXT("org.example.hypervisor.c_plugin"),
                                                      .name = QARAX_TEXT("c_plugin"),
                                                      .version = QARAX_TEXT("1.2.3"),
                                                      .config_schema = QARAX_TEXT(CONFIG_SCHEMA),
                                                      .create = create,
                                                      .destroy = destroy,
                                                      .query = query,
                                                      .describe = describe};
