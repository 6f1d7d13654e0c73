/*
 * DRAFT: qarax.storage/1 and its optional interfaces. Same rules as qarax/plugin/abi.h: one slot shape, sized tables
 * that only grow at the end, documents in UTF-8 JSON, descriptors named by their index, thread tags per entry. A host
 * offers drafts only where its config opts in; an incompatible change of a draft raises its revision. Promotion moves
 * this file beside abi.h and changes nothing else.
 *
 * Objects. A volume is named by its UUID; `handle` is the plugin's own versioned JSON, given with `keep` and kept by
 * the host byte for byte. Every call is idempotent: a repeated one with the same arguments is success with the same
 * answer, so that a caller who lost the answer may ask again.
 *
 * Ownership. The plugin touches only the pool that its config names and the folder that the host gave it. It never
 * mounts or maps anything without `claim` (kinds "mount", "file", "volume"), so that everything has an owner.
 */
#ifndef QARAX_PLUGIN_DRAFT_STORAGE_1_H
#define QARAX_PLUGIN_DRAFT_STORAGE_1_H

#include "qarax/plugin/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QARAX_STORAGE_1 "qarax.storage/1"
/* clang-format off */
/*
 * [object] the volume; list and stat are [any]. All required.
 *
 *   create_volume  args {volume, name, size, labels, options} → {size, format, handle}
 *                  `size` in bytes; the answer's size is at least that. Call keep before making anything.
 *                  RESOURCE_EXHAUSTED: the pool is full; the message says how much is free. ALREADY_EXISTS: the UUID
 *                  has another size or options.
 *
 *   delete_volume  args {volume, handle} → nothing
 *                  A volume that doesn't exist is success. FAILED_PRECONDITION while it is attached anywhere that the
 *                  plugin knows of. Never deletes what the plugin didn't make.
 *
 *   attach         args {volume, handle, vm, incarnation, readonly} → exactly one of
 *                    {path, format}       a file or block device on this host
 *                    {uri, format}        for VMMs that speak the protocol themselves
 *                    {fd: index, format}  put_fd; for VMMs that take descriptors
 *                  `describe.features` says which kinds the plugin gives. What is handed over must enforce `readonly`
 *                  itself. FAILED_PRECONDITION: attached read-write elsewhere and not shareable; the message names
 *                  the VM.
 *
 *   detach         args {volume, handle, vm, incarnation} → nothing
 *                  A volume that isn't attached is success. Its data is on stable storage when this returns.
 *
 *   stat           args {volume, handle} → {size, allocated, format, attached: [{vm, incarnation, readonly}], health,
 *                  health_reason}
 *                  NOT_FOUND only if the volume certainly doesn't exist; UNAVAILABLE if the pool can't be reached.
 *
 *   list           args {after, limit} → {volumes: [{volume, handle, size}], next, capacity: {total, free}}
 *                  Everything in the pool, whoever made it; entries that aren't the plugin's have no `volume`.
 */
/* clang-format on */
typedef struct qarax_storage_1 {
  size_t size;
  qarax_slot create_volume;
  qarax_slot delete_volume;
  qarax_slot attach;
  qarax_slot detach;
  qarax_slot stat;
  qarax_slot list;
} qarax_storage_1;

#define QARAX_STORAGE_RESIZE_1 "qarax.storage.resize/1"
typedef struct qarax_storage_resize_1 { /* [object] */
  size_t size;
  /* args {volume, handle, size} → {size, online}. Only grows: a smaller size is INVALID_ARGUMENT. `online`: an attached
   * VM can see the new size without a detach; the host calls the hypervisor plugin's disk resize afterwards. */
  qarax_slot resize;
} qarax_storage_resize_1;

#define QARAX_STORAGE_CLONE_1 "qarax.storage.clone/1"
typedef struct qarax_storage_clone_1 { /* [object] the new volume */
  size_t size;
  /* args {volume, name, source, source_handle, snapshot} → as create_volume. To a caller the clone is independent of
   * its source: deleting the source never breaks the clone. */
  qarax_slot clone;
} qarax_storage_clone_1;

#define QARAX_STORAGE_SNAPSHOT_1 "qarax.storage.snapshot/1"
typedef struct qarax_storage_snapshot_1 { /* [object] the volume */
  size_t size;
  qarax_slot create_snapshot; /* args {volume, handle, snapshot} → {handle}; a point in time, crash-consistent */
  qarax_slot delete_snapshot; /* args {volume, handle, snapshot} → nothing; one that doesn't exist is success */
  qarax_slot revert;          /* args {volume, handle, snapshot} → nothing; FAILED_PRECONDITION while attached */
  qarax_slot list_snapshots;  /* args {volume, handle} → {snapshots: [{snapshot, size, at}]} */
} qarax_storage_snapshot_1;

#define QARAX_STORAGE_IMPORT_1 "qarax.storage.import/1"
typedef struct qarax_storage_import_1 { /* [object] the volume */
  size_t size;
  /* args {volume, handle, format, size}, fds[0] the source, read from its current offset to its end → {size, digest}.
   * The plugin opens no path or URL of its own accord. Reports progress in bytes. After an interrupted import the
   * volume can't be attached until a repeated import has ended: it is never attachable half-written. */
  qarax_slot import;
  /* args {volume, handle, format}, fds[0] the target → {size, digest} */
  qarax_slot export_to;
} qarax_storage_import_1;

#ifdef __cplusplus
}
#endif

#endif
