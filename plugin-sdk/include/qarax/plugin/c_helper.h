/*
 * For plugins in C: what each of them needs beside abi.h. C11, standard headers only, nothing to link, nothing on the
 * heap, no state: every function is thread-safe and may be called wherever the plugin is.
 */
#ifndef QARAX_PLUGIN_C_HELPER_H
#define QARAX_PLUGIN_C_HELPER_H

#include <stdio.h>
#include <string.h>

#include "qarax/plugin/abi.h"
#include "qarax/plugin/c_json.h"

/* Of a string literal, as a constant. */
#define QARAX_TEXT(literal) \
  { literal, sizeof(literal) - 1 }
/* Whether the other side's table has that slot: it may be older than this SDK. */
#define QARAX_HAS(type, table, slot) \
  ((table) != 0 && (table)->size >= offsetof(type, slot) + sizeof(void*) && (table)->slot != 0)

/* ---- answering ---- */

/* An error document goes with the code, which is returned. */
static inline int32_t qarax_fail(const qarax_call* call, int32_t code, const char* document) {
  call->error(call, qarax_text_of(document));
  return code;
}

/*
 * What a plugin doesn't know it can't honour, and must refuse: a new member of the host's has a meaning that the plugin
 * would ignore. OK where each member of `object`, if it is there at all, is one of `known`, which a null ends;
 * otherwise INVALID_ARGUMENT, told with the member's pointer under `pointer` ("/spec", "" for the arguments
 * themselves).
 */
static inline int32_t qarax_refuse_unknown(const qarax_call* call, const char* plugin, qarax_text object,
                                           const char* pointer, const char* const* known) {
  qarax_text name, value;
  size_t at = 0;
  while (qarax_json_next(object, &at, &name, &value)) {
    char document[1024];
    size_t n = 0;
    while (known[n] != 0 && !qarax_text_is(name, known[n])) ++n;
    if (known[n] != 0) continue;
    if (name.len > 128) name.len = 0; /* nobody's */
    snprintf(document, sizeof document,
             "{\"message\":\"plugin %.64s doesn't know %.256s/%.*s\",\"details\":[{\"pointer\":\"%.256s/%.*s\","
             "\"detail\":\"unknown member\"}]}",
             plugin, pointer, (int)name.len, name.len > 0 ? name.ptr : "", pointer, (int)name.len,
             name.len > 0 ? name.ptr : "");
    return qarax_fail(call, QARAX_INVALID_ARGUMENT, document);
  }
  return QARAX_OK;
}

/* The shortest handle, to be kept. `more`: further members, each with a comma before it (",\"vm\":\"…\""); "" for none.
 * 0: it has no room. */
static inline int qarax_make_handle(char* out, size_t room, const char* plugin, int64_t format, const char* more) {
  const int size = snprintf(0, 0, "{\"format\":%lld,\"plugin\":\"%s\"%s}", (long long)format, plugin, more);
  if (size < 0 || (size_t)size >= room) return 0;
  return snprintf(out, room, "{\"format\":%lld,\"plugin\":\"%s\"%s}", (long long)format, plugin, more) == size;
}

/*
 * Of a call about a VM that was started: OK where the handle in `args` is this plugin's, an object with its name as
 * `plugin` and an integer `format` from 1 to `newest`, as qarax_make_handle writes it; NOT_FOUND where it isn't,
 * FAILED_PRECONDITION where a newer plugin kept it.
 */
static inline int32_t qarax_check_handle(const qarax_call* call, const char* plugin, qarax_text args, int64_t newest) {
  const qarax_text handle = qarax_json_member(args, "handle");
  char document[128], whose[64];
  const int own =
      qarax_json_string(qarax_json_member(handle, "plugin"), whose, sizeof whose) && strcmp(whose, plugin) == 0;
  const int64_t format = own ? qarax_json_int(qarax_json_member(handle, "format"), 0) : 0;
  if (format >= 1 && format <= newest) return QARAX_OK;
  snprintf(document, sizeof document,
           format < 1 ? "{\"message\":\"this handle isn't %.64s's\"}"
                      : "{\"message\":\"this handle is a newer %.64s's; upgrade\"}",
           plugin);
  return qarax_fail(call, format < 1 ? QARAX_NOT_FOUND : QARAX_FAILED_PRECONDITION, document);
}

/* ---- asking the host ---- */

/* A process with 4 KiB of its log has up to 26 KiB: control characters take six. `run`'s answer has as much and its
   output besides, of which its default keeps 64 KiB: that may not fit and is then RESOURCE_EXHAUSTED. qarax_ask_run
   asks for what does. */
#define QARAX_ANSWER_ROOM 65536
#define QARAX_RUN_OUTPUT 6144
/* The host's document where it said QARAX_OK, its error otherwise; terminated. */
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
 * Calls a slot of the host's with the deadline, the cancel and the request id of `parent`; null: with none, for what
 * has to be done whatever became of the call. `args`: a document; `fds`: borrowed, what it names by index. Returns the
 * host's code; UNIMPLEMENTED where it has no such slot.
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
 * One of qarax.host.process/1's slots about the VM that `args` of a call names. `more`: further members, each with a
 * comma before it (",\"signal\":15"); "" for none.
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

/* qarax.host.process/1's `run`: `argv` is an array's text, "[\"/usr/bin/foo\",\"--version\"]". The answer is a
   RunResult with the first QARAX_RUN_OUTPUT bytes of the output at most. */
static inline int32_t qarax_ask_run(const qarax_host* host, qarax_slot slot, const qarax_call* parent, const char* argv,
                                    struct qarax_answer* answer) {
  char text[QARAX_ANSWER_ROOM];
  const int size = snprintf(text, sizeof text, "{\"argv\":%s,\"max_output\":%d}", argv, QARAX_RUN_OUTPUT);
  if (size < 0 || (size_t)size >= sizeof text) return QARAX_RESOURCE_EXHAUSTED;
  return qarax_ask(host, slot, parent, text, 0, 0, answer);
}

/* The host's error, as the call's own. */
static inline int32_t qarax_pass_on(const qarax_call* call, int32_t code, const struct qarax_answer* answer) {
  if (answer->len > 0) call->error(call, qarax_answer_text(answer));
  return code;
}

#endif
