/*
 * Helpers for plugins in C, on top of abi.h. C11, standard headers only, nothing to link, no heap, no state: every
 * function is thread-safe and may be called on any thread of the plugin's. Those that ask the host need stack: 64 KiB
 * for a struct qarax_answer, and 64 KiB more in qarax_ask_process and qarax_ask_run.
 */
#ifndef QARAX_PLUGIN_C_HELPER_H
#define QARAX_PLUGIN_C_HELPER_H

#include <stdio.h>
#include <string.h>

#include "qarax/plugin/abi.h"
#include "qarax/plugin/c_json.h"

/* Initialiser of a qarax_text from a string literal; may be used in constants. */
#define QARAX_TEXT(literal) \
  { literal, sizeof(literal) - 1 }
/* True if the other side's table has that slot; a side that is older than this SDK may lack it. */
#define QARAX_HAS(type, table, slot) \
  ((table) != 0 && (table)->size >= offsetof(type, slot) + sizeof(void*) && (table)->slot != 0)

/* ---- answering ---- */

/* Gives the caller an error document (JSON) and returns `code`. */
static inline int32_t qarax_fail(const qarax_call* call, int32_t code, const char* document) {
  call->error(call, qarax_text_of(document));
  return code;
}

/*
 * A plugin must refuse members that it doesn't know: a newer host's member has a meaning that the plugin would
 * otherwise ignore. Returns OK if every member of `object` is in the null-terminated list `known`; an absent object is
 * OK too. Otherwise reports INVALID_ARGUMENT with the member's JSON pointer below `pointer` ("/spec"; "" for the
 * arguments themselves).
 */
static inline int32_t qarax_refuse_unknown(const qarax_call* call, const char* plugin, qarax_text object,
                                           const char* pointer, const char* const* known) {
  qarax_text name, value;
  size_t at = 0;
  while (qarax_json_next(object, &at, &name, &value)) {
    char document[1024];
    size_t n = 0;
    while (known[n] != 0 && !qarax_json_name_is(name, known[n])) ++n;
    if (known[n] != 0) continue;
    if (name.len > 128) name.len = 0; /* too long for the message */
    snprintf(document, sizeof document,
             "{\"message\":\"plugin %.64s doesn't know %.256s/%.*s\",\"details\":[{\"pointer\":\"%.256s/%.*s\","
             "\"detail\":\"unknown member\"}]}",
             plugin, pointer, (int)name.len, name.len > 0 ? name.ptr : "", pointer, (int)name.len,
             name.len > 0 ? name.ptr : "");
    return qarax_fail(call, QARAX_INVALID_ARGUMENT, document);
  }
  return QARAX_OK;
}

/* Writes a minimal handle, for keep. `more`: further members, each with a comma before it (",\"vm\":\"…\""); "" for
 * none. Returns 0 if it doesn't fit into `room` bytes, else 1. */
static inline int qarax_make_handle(char* out, size_t room, const char* plugin, int64_t format, const char* more) {
  const int size = snprintf(0, 0, "{\"format\":%lld,\"plugin\":\"%s\"%s}", (long long)format, plugin, more);
  if (size < 0 || (size_t)size >= room) return 0;
  return snprintf(out, room, "{\"format\":%lld,\"plugin\":\"%s\"%s}", (long long)format, plugin, more) == size;
}

/* The `format` of the handle in `args` if it is this plugin's, see below; 0: it isn't, or there is none. */
static inline int64_t qarax_handle_format(const char* plugin, qarax_text args) {
  const qarax_text handle = qarax_json_member(args, "handle");
  char whose[64];
  const int own =
      qarax_json_string(qarax_json_member(handle, "plugin"), whose, sizeof whose) && strcmp(whose, plugin) == 0;
  return own ? qarax_json_int(qarax_json_member(handle, "format"), 0) : 0;
}

/*
 * For calls about a VM that was started. OK if the handle in `args` is this plugin's: an object with the plugin's name
 * as `plugin` and an integer `format` from 1 to `newest`, as qarax_make_handle writes it. Otherwise reports NOT_FOUND,
 * or FAILED_PRECONDITION if a newer version of the plugin kept it.
 */
static inline int32_t qarax_check_handle(const qarax_call* call, const char* plugin, qarax_text args, int64_t newest) {
  const int64_t format = qarax_handle_format(plugin, args);
  char document[128];
  if (format >= 1 && format <= newest) return QARAX_OK;
  snprintf(document, sizeof document,
           format < 1 ? "{\"message\":\"this handle isn't %.64s's\"}"
                      : "{\"message\":\"this handle is a newer %.64s's; upgrade\"}",
           plugin);
  return qarax_fail(call, format < 1 ? QARAX_NOT_FOUND : QARAX_FAILED_PRECONDITION, document);
}

/*
 * For stop. Reports FAILED_PRECONDITION for a graceful stop of a VM that a newer version of the plugin started: how to
 * reach its guest may have changed, and a guest that can't be asked to power off is killed. Without a handle, or by
 * force, any VM can be stopped: OK.
 */
static inline int32_t qarax_check_stop(const qarax_call* call, const char* plugin, qarax_text args, int64_t newest) {
  char mode[16];
  const int is_graceful =
      qarax_json_string(qarax_json_member(args, "mode"), mode, sizeof mode) && strcmp(mode, "force") != 0;
  if (!is_graceful || qarax_handle_format(plugin, args) <= newest) return QARAX_OK;
  return qarax_check_handle(call, plugin, args, newest);
}

/* ---- asking the host ---- */

/* Bytes of an answer. A Process with a log tail of 4 KiB takes up to 26 KiB, as JSON spells a control character with
   six bytes. A RunResult takes that and its output besides, 64 KiB by default: an answer that doesn't fit makes the
   call RESOURCE_EXHAUSTED. qarax_ask_run limits the output to QARAX_RUN_OUTPUT bytes, which always fit. */
#define QARAX_ANSWER_ROOM 65536
#define QARAX_RUN_OUTPUT 6144
/* The host's document if the call returned QARAX_OK, otherwise its error document; null-terminated. */
struct qarax_answer {
  size_t len;
  char text[QARAX_ANSWER_ROOM];
};

static inline int32_t qarax_take_answer(const qarax_call* call, qarax_text document) QARAX_NOEXCEPT {
  struct qarax_answer* answer = (struct qarax_answer*)call->context;
  if (document.len >= sizeof answer->text) return QARAX_RESOURCE_EXHAUSTED;
  if (document.len > 0) memcpy(answer->text, document.ptr, document.len);
  answer->text[document.len] = 0;
  answer->len = document.len;
  return QARAX_OK;
}
static inline qarax_text qarax_answer_text(const struct qarax_answer* answer) {
  qarax_text out = {answer->text, answer->len};
  return out;
}

/*
 * Calls a slot of the host's with the deadline, cancel_fd and request id of `parent`. A null parent means none of
 * these, for work that must be done whatever became of the plugin's own call. `args`: a document; `fds`: borrowed, the
 * descriptors that it names by index. Returns the host's code; UNIMPLEMENTED if `slot` is null.
 */
static inline int32_t qarax_ask(const qarax_host* host, qarax_slot slot, const qarax_call* parent, const char* args,
                                const int* fds, size_t fd_count, struct qarax_answer* answer) {
  qarax_call call;
  answer->len = 0;
  answer->text[0] = 0;
  if (slot == 0) return QARAX_UNIMPLEMENTED;
  memset(&call, 0, sizeof call);
  call.size = sizeof call;
  call.cancel_fd = -1; /* 0 would be stdin */
  if (parent != 0) {
    call.deadline_ns = parent->deadline_ns;
    call.cancel_fd = parent->cancel_fd;
    call.request_id = parent->request_id;
  }
  call.fds = fds;
  call.fd_count = fd_count;
  call.context = answer;
  call.put = qarax_take_answer;
  call.error = qarax_take_answer;
  return slot(host->self, &call, qarax_text_of(args));
}

/*
 * Calls a slot of qarax.host.process/1 for the VM and incarnation that `args`, the arguments of the plugin's own call,
 * name. `more`: further members, each with a comma before it (",\"signal\":15"); "" for none. Uses 64 KiB of stack,
 * besides those of `answer`.
 */
static inline int32_t qarax_ask_process(const qarax_host* host, qarax_slot slot, const qarax_call* parent,
                                        qarax_text args, const char* more, const int* fds, size_t fd_count,
                                        struct qarax_answer* answer) {
  char text[QARAX_ANSWER_ROOM];
  const qarax_text vm = qarax_json_member(args, "vm");
  const int size =
      snprintf(text, sizeof text, "{\"vm\":%.*s,\"incarnation\":%lld%s}", (int)vm.len, vm.len > 0 ? vm.ptr : "",
               (long long)qarax_json_int(qarax_json_member(args, "incarnation"), 0), more);
  if (size < 0 || (size_t)size >= sizeof text) return QARAX_RESOURCE_EXHAUSTED;
  return qarax_ask(host, slot, parent, text, fds, fd_count, answer);
}

/* Calls `run` of qarax.host.process/1. `argv` is the text of a JSON array, "[\"/usr/bin/foo\",\"--version\"]". The
   answer is a RunResult with at most the first QARAX_RUN_OUTPUT bytes of the output. Uses 64 KiB of stack. */
static inline int32_t qarax_ask_run(const qarax_host* host, qarax_slot slot, const qarax_call* parent, const char* argv,
                                    struct qarax_answer* answer) {
  char text[QARAX_ANSWER_ROOM];
  const int size = snprintf(text, sizeof text, "{\"argv\":%s,\"max_output\":%d}", argv, QARAX_RUN_OUTPUT);
  if (size < 0 || (size_t)size >= sizeof text) return QARAX_RESOURCE_EXHAUSTED;
  return qarax_ask(host, slot, parent, text, 0, 0, answer);
}

/* Reports the host's error document as this call's own and returns `code`. */
static inline int32_t qarax_pass_on(const qarax_call* call, int32_t code, const struct qarax_answer* answer) {
  if (answer->len > 0) call->error(call, qarax_answer_text(answer));
  return code;
}

#endif
