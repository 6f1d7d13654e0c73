/*
 * The qarax plugin ABI, version 0.9: everything that crosses the border between a host (the node agent, or the
 * conformance checker) and a plugin. C11, standard headers only. Bytes, function tables and file descriptors cross;
 * nothing allocated on one side is freed on the other; nothing throws or unwinds across.
 *
 * Reading aid. Every entry has a thread tag:
 *   [main]    one call at a time per plugin file, before or after all other calls; from any thread, which may end
 *             afterwards: create and destroy are called on different threads
 *   [object]  serialised per object (VM, volume, port); different objects run in parallel on different threads
 *   [any]     from any thread, at any time between create's first and destroy's last instruction
 * Every field is pointer-sized, so that a table has no padding that a later field could hide in; static asserts below
 * hold that. Tables only ever grow at the end: a slot exists if `size` covers it and it isn't null.
 */
#ifndef QARAX_PLUGIN_ABI_H
#define QARAX_PLUGIN_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define QARAX_NOEXCEPT noexcept
extern "C" {
#else
#define QARAX_NOEXCEPT
#endif

/* Marks the one exported constant of a plugin file; every other symbol stays hidden. */
#define QARAX_EXPORT __attribute__((visibility("default")))

/* "QARAXPLG" read as a little-endian number; never changes, in any major. */
#define QARAX_ABI_MAGIC UINT64_C(0x474c505841524151)
#define QARAX_ABI_MAJOR 0
#define QARAX_ABI_MINOR 9

/* gRPC's canonical status codes. A host clamps a number it doesn't know to QARAX_UNKNOWN. */
enum qarax_code {
  QARAX_OK = 0,
  QARAX_CANCELLED = 1,
  QARAX_UNKNOWN = 2,
  QARAX_INVALID_ARGUMENT = 3,
  QARAX_DEADLINE_EXCEEDED = 4,
  QARAX_NOT_FOUND = 5,
  QARAX_ALREADY_EXISTS = 6,
  QARAX_PERMISSION_DENIED = 7,
  QARAX_RESOURCE_EXHAUSTED = 8,
  QARAX_FAILED_PRECONDITION = 9,
  QARAX_ABORTED = 10,
  QARAX_OUT_OF_RANGE = 11,
  QARAX_UNIMPLEMENTED = 12,
  QARAX_INTERNAL = 13,
  QARAX_UNAVAILABLE = 14,
  QARAX_DATA_LOSS = 15,
  QARAX_UNAUTHENTICATED = 16
};

/* UTF-8, not terminated, borrowed for the call unless an entry says otherwise. ptr may be null only if len is 0. */
typedef struct qarax_text {
  const char* ptr;
  size_t len;
} qarax_text;

typedef struct qarax_call qarax_call;

/*
 * The context of one call, owned by the caller, valid until the callee returns. The callee uses it only from the thread
 * that was called, or from threads that it joins before it returns. A field exists if `size` covers it.
 */
struct qarax_call {
  size_t size;
  int64_t deadline_ns; /* CLOCK_MONOTONIC in nanoseconds; 0: none. The callee gives up by itself at that time. */
  /* Becomes readable when the caller wants the call to end early; poll it, never read from it. -1: the call can't be
     cancelled; it must be set, since the 0 of a zeroed struct is stdin. */
  intptr_t cancel_fd;
  qarax_text request_id; /* for logs; may be empty */
  const int* fds;        /* borrowed for the call; dup (CLOEXEC) to keep. Documents name one by its index here. */
  size_t fd_count;
  void* context; /* private to the caller; the callee only passes `call` to the functions below */
  /* The callee's way to answer. Each function copies its argument before it returns, and returns a qarax_code:
     RESOURCE_EXHAUSTED for a document of more than 1 MiB. An answer that nests deeper than 56 levels is refused after
     the call, as one that can't be read: the host puts it into documents of its own. */
  int32_t (*put)(const qarax_call* call, qarax_text document) QARAX_NOEXCEPT; /* the result; the last one counts */
  /* Gives an open descriptor to the host, which owns it even if it refuses it; *index: its position among those put.
     Only in slots that say so: elsewhere the host closes the descriptor and refuses it. INVALID_ARGUMENT, and nothing
     is closed: it isn't open, was put before, or is one that the call lends; dup those. */
  int32_t (*put_fd)(const qarax_call* call, intptr_t fd, size_t* index) QARAX_NOEXCEPT;
  /*
   * Stores the object's handle: JSON in a versioned format of the plugin's own, kept byte for byte and durable on disk
   * when this returns OK. Later calls carry it as a member of their arguments, so it may nest at most 63 levels deep.
   * Refused in create, describe and resolve, in which nothing of a VM is made.
   */
  int32_t (*keep)(const qarax_call* call, qarax_text handle) QARAX_NOEXCEPT;
  /*
   * Reports how far a step is, for people: the call's job shows it while it runs. `step` is a short name, cut after 256
   * bytes. `done` and `total` have the unit of that step, by convention bytes; a total of 0 is unknown. It may be
   * called often: the host passes on four a second.
   */
  int32_t (*progress)(const qarax_call* call, qarax_text step, uint64_t done, uint64_t total) QARAX_NOEXCEPT;
  /*
   * The error document (type Error of the SDK) to go with a code other than QARAX_OK; the last one counts. `reason` is
   * a slug of the plugin's own choice. The host drops those by which it steers itself: still-running, recovering,
   * node-unreachable, plugin-loading, stale-session, stale-revision, stale-term, other-cluster, vm-not-found,
   * no-console.
   */
  int32_t (*error)(const qarax_call* call, qarax_text document) QARAX_NOEXCEPT;
};

/* The one shape of every callable slot, in both directions. Returns a qarax_code. */
typedef int32_t (*qarax_slot)(void* self, const qarax_call* call, qarax_text args);

/* What a host offers. Valid from create's first to destroy's last instruction. [any] */
typedef struct qarax_host {
  size_t size;
  void* self; /* the first argument of every host slot */
  /* The table of that interface id; null: this host is too old to have it. The pointer never changes for an instance.
   */
  const void* (*query)(void* self, qarax_text interface_id)QARAX_NOEXCEPT;
} qarax_host;

/*
 * The one exported symbol of a plugin file, a constant of this type, named by QARAX_PLUGIN_SYMBOL. The first four
 * fields never move, in any major, so that a host can always say why it refuses a file.
 */
typedef struct qarax_plugin_table {
  uint64_t magic;     /* QARAX_ABI_MAGIC */
  uint64_t abi_major; /* must equal the host's */
  uint64_t abi_minor; /* of the SDK that the plugin was built against; for messages only, never compared */
  uint64_t size;      /* sizeof this struct as the plugin knows it */
  qarax_text id;      /* reverse-DNS, e.g. "org.example.hypervisor.foo"; static */
  qarax_text name;    /* short name that people and REST use, [a-z][a-z0-9_]{0,31}; static */
  qarax_text version; /* the plugin's own; static */
  /*
   * JSON Schema (an object of scalar properties) against which the host checks the config before create; static. Set
   * "additionalProperties" to false, so that unknown options are refused. Allowed keywords: type, properties, required,
   * additionalProperties; in a property type, enum, minimum, maximum, minLength, maxLength; anywhere title,
   * description, default, examples, format, $schema. The host refuses a file whose schema has any other keyword.
   * Two properties have a meaning of the host's: `probe_kernel` and `probe_initramfs`. Where the schema has one as a
   * string and the node's config doesn't set it, the host sets it to the path of the file that the node's VMs boot by
   * default, if there is one, for a guest by which the plugin tries its VMM. Give options of other meanings other
   * names.
   */
  qarax_text config_schema;
  /* [main] args: CreateArgs. On OK *instance is set (may be any non-null value); on failure it isn't touched. */
  int32_t (*create)(const qarax_host* host, const qarax_call* call, qarax_text args, void** instance);
  /* [main] no call is in flight; joins all the plugin's threads; can't fail. */
  void (*destroy)(void* instance);
  /* [any] a table by interface id or null; the answer never changes for an instance. */
  const void* (*query)(void* instance, qarax_text interface_id);
  /*
   * [any] no args; puts a Description. May run during any other call. Of the optional interfaces that query returns,
   * `features` lists those that this VMM supports on this host, by the names "pause", "reboot", "resize", "snapshot",
   * "disks", "nics", "console", "counters". If none of these names is listed, all of the interfaces are supported.
   * Other words in `features` are for people. A healthy plugin names its accelerator, with evidence if that is "kvm" or
   * "tcg"; an unhealthy one gives the reason.
   */
  qarax_slot describe;
} qarax_plugin_table;

#define QARAX_PLUGIN_SYMBOL "qarax_plugin"

/*
 * Sizes in bytes of the three structs in version 0.9: the most that either side may demand of the other, whatever
 * version it was built against itself. A later field is used only if the other side's `size` covers it.
 */
#define QARAX_CALL_SIZE_0_9 104
#define QARAX_HOST_SIZE_0_9 24
#define QARAX_PLUGIN_TABLE_SIZE_0_9 128

/* ---- interfaces of plugins: looked up with query; args and result are documents of the SDK's types ---- */
/* Documents omit members that have their default value; share/qarax/plugin-sdk/documents.json lists the defaults. */

#define QARAX_HYPERVISOR_1 "qarax.hypervisor/1"
/*
 * All slots are idempotent. [object], but inspect may run during any other call. An action that needs a live VM (pause,
 * resume, reboot, resize, snapshot, opening a console) is FAILED_PRECONDITION once the VM has ended. So is any call
 * with a handle that a newer version of the plugin kept, but for a stop with force, which ends the VM by the process
 * that the host started and needs no handle at all. VmStatus.can is for people, no host acts on it: the actions that
 * the VM accepts now, by the names "pause", "resume", "reboot", "resize", "snapshot", "stop".
 */
typedef struct qarax_hypervisor_1 {
  size_t size;
  /*
   * Optional. args ResolveArgs → VmSpec with every default made explicit; pure. The vCPUs, the memory and whatever else
   * the spec asks for stay as they are: an answer that changes them is the plugin's error.
   */
  qarax_slot resolve;
  qarax_slot start;   /* args StartArgs → VmStatus; call keep before anything is spawned */
  qarax_slot stop;    /* args StopArgs → VmStatus; stopping a stopped VM is success */
  qarax_slot inspect; /* args VmArgs → VmStatus; NOT_FOUND for a handle that this plugin never made */
  qarax_slot recover; /* args VmArgs → VmStatus; null handle: adopt or remove what an interrupted start left */
} qarax_hypervisor_1;

#define QARAX_HYPERVISOR_PAUSE_1 "qarax.hypervisor.pause/1"
typedef struct qarax_hypervisor_pause_1 { /* [object] args VmArgs → VmStatus; pausing a paused VM is success */
  size_t size;
  qarax_slot pause;
  qarax_slot resume;
} qarax_hypervisor_pause_1;

#define QARAX_HYPERVISOR_REBOOT_1 "qarax.hypervisor.reboot/1"
typedef struct qarax_hypervisor_reboot_1 { /* [object] args VmArgs → VmStatus */
  size_t size;
  qarax_slot reboot;
} qarax_hypervisor_reboot_1;

#define QARAX_HYPERVISOR_RESIZE_1 "qarax.hypervisor.resize/1"
typedef struct qarax_hypervisor_resize_1 { /* [object] args ResizeArgs → VmStatus with an updated live document */
  size_t size;
  qarax_slot resize;
} qarax_hypervisor_resize_1;

#define QARAX_HYPERVISOR_SNAPSHOT_1 "qarax.hypervisor.snapshot/1"
typedef struct qarax_hypervisor_snapshot_1 { /* [object] fds[0] is the folder to write to or read from */
  size_t size;
  qarax_slot snapshot; /* args SnapshotArgs → VmStatus; the VM is paused while the snapshot is written */
  qarax_slot restore;  /* args StartArgs → VmStatus */
} qarax_hypervisor_snapshot_1;

#define QARAX_HYPERVISOR_CONSOLE_1 "qarax.hypervisor.console/1"
typedef struct qarax_hypervisor_console_1 { /* [any]; in this version only the conformance kit calls it */
  size_t size;
  /* args VmArgs → put_fd: a stream socket, both directions; for VMMs without SpawnArgs.console_connect */
  qarax_slot open;
} qarax_hypervisor_console_1;

#define QARAX_HYPERVISOR_COUNTERS_1 "qarax.hypervisor.counters/1"
typedef struct qarax_hypervisor_counters_1 { /* [any] args VmArgs → Counters */
  size_t size;
  qarax_slot counters;
} qarax_hypervisor_counters_1;

#define QARAX_HYPERVISOR_DISKS_1 "qarax.hypervisor.disks/1"
/*
 * [object] → VmStatus with an updated live document. Keep the handle before the device exists. Paths and descriptors
 * come from the host's storage plugins, never from a user; DiskSpec.fd is an index into fds. Attaching an id that is
 * attached with the same spec is success, and so is detaching an id that isn't attached. A detach is done when the
 * guest has released the disk; if it doesn't: DEADLINE_EXCEEDED, and the disk still counts as attached.
 */
typedef struct qarax_hypervisor_disks_1 {
  size_t size;
  qarax_slot attach; /* args DiskArgs */
  qarax_slot detach; /* args DetachArgs */
  qarax_slot resize; /* args DiskResizeArgs: tells the guest the new size of the volume */
} qarax_hypervisor_disks_1;

#define QARAX_HYPERVISOR_NICS_1 "qarax.hypervisor.nics/1"
/* [object] rules as for disks/1; taps and fds come from the host's network plugins */
typedef struct qarax_hypervisor_nics_1 {
  size_t size;
  qarax_slot attach; /* args NicArgs */
  qarax_slot detach; /* args DetachArgs */
} qarax_hypervisor_nics_1;

/* ---- services of the host: looked up with qarax_host.query; self is qarax_host.self ---- */

#define QARAX_HOST_LOG_1 "qarax.host.log/1"
enum qarax_log_level { QARAX_LOG_DEBUG = 0, QARAX_LOG_INFO = 1, QARAX_LOG_WARN = 2, QARAX_LOG_ERROR = 3 };
typedef struct qarax_host_log_1 { /* [any] only enqueues; a message ends in key=value pairs and is cut after 8 KiB */
  size_t size;
  void (*log)(void* self, intptr_t level, qarax_text message) QARAX_NOEXCEPT;
} qarax_host_log_1;

#define QARAX_HOST_NOTIFY_1 "qarax.host.notify/1"
/* [any] only enqueues. Asks the host to inspect the VM `object`; an empty id asks it to call describe again. */
typedef struct qarax_host_notify_1 {
  size_t size;
  void (*notify)(void* self, qarax_text object) QARAX_NOEXCEPT;
} qarax_host_notify_1;

#define QARAX_HOST_PROCESS_1 "qarax.host.process/1"
/*
 * Plugins never fork; the host starts processes for them. [any]. The plugin fills in the qarax_call itself, with put
 * and error of its own to receive the answer. A call carries at most 64 descriptors.
 *   spawn   args SpawnArgs, fds as SpawnArgs.fd_targets says → Process. Runs under the per-VM supervisor, in an
 *           agent-owned session and cgroup, with signal mask and dispositions reset, in the run folder. Recorded before
 *           the process exists. One live process per VM: a second spawn is ALREADY_EXISTS, or FAILED_PRECONDITION if
 *           the live process is of another incarnation.
 *   find    args ProcessArgs → Process of that VM; NOT_FOUND when none was ever spawned for the incarnation;
 *           UNAVAILABLE when a supervisor is up that never recorded a VMM: a start that was broken off before anything
 *           of the guest ran, so that recover treats it like NOT_FOUND. With any other error nothing is known, and the
 *           VM may run well: DEADLINE_EXCEEDED when it has ended and how isn't on record yet, or the call's time is up
 *           (ask again); FAILED_PRECONDITION when what is there contradicts the record, or lives where the host can't
 *           see it; DATA_LOSS when the record can't be read
 *   signal  args SignalArgs to the VMM itself
 *   kill    args ProcessArgs: SIGKILL to the whole cgroup; waits until reaped; OK once no process is left
 *   wait    args ProcessArgs: until the VMM has ended or the call's deadline → Process with `exit` set
 *   claim   args ClaimArgs: records that this VM owns (kind, name); call it before making the object, so that nothing
 *           is without an owner. INVALID_ARGUMENT for a kind that ClaimArgs doesn't list
 *   release args ClaimArgs: records that the object is gone
 *   run     args RunArgs → RunResult: a short helper (`--version`) with its output, killed at the deadline
 */
typedef struct qarax_host_process_1 {
  size_t size;
  qarax_slot spawn;
  qarax_slot find;
  qarax_slot signal;
  qarax_slot kill;
  qarax_slot wait;
  qarax_slot claim;
  qarax_slot release;
  qarax_slot run;
} qarax_host_process_1;

#ifdef __cplusplus
}
#define QARAX_STATIC_ASSERT static_assert
#else
#define QARAX_STATIC_ASSERT _Static_assert
#endif

/* This layout is frozen: fields are only added at the end. Changing a line below requires a new major. LP64 only. */
QARAX_STATIC_ASSERT(sizeof(void*) == 8, "qarax plugins are 64-bit");
QARAX_STATIC_ASSERT(sizeof(qarax_text) == 16, "layout");
QARAX_STATIC_ASSERT(sizeof(qarax_call) >= QARAX_CALL_SIZE_0_9, "layout");
QARAX_STATIC_ASSERT(sizeof(qarax_host) >= QARAX_HOST_SIZE_0_9, "layout");
QARAX_STATIC_ASSERT(sizeof(qarax_plugin_table) >= QARAX_PLUGIN_TABLE_SIZE_0_9, "layout");
QARAX_STATIC_ASSERT(offsetof(qarax_call, error) + sizeof(void*) == QARAX_CALL_SIZE_0_9, "layout");
QARAX_STATIC_ASSERT(offsetof(qarax_host, query) + sizeof(void*) == QARAX_HOST_SIZE_0_9, "layout");
QARAX_STATIC_ASSERT(offsetof(qarax_plugin_table, describe) + sizeof(void*) == QARAX_PLUGIN_TABLE_SIZE_0_9, "layout");
QARAX_STATIC_ASSERT(offsetof(qarax_plugin_table, size) == 24, "the first four fields never move");

#endif
