/*
 * For plugins in C: what each of them needs beside abi.h. C11, standard headers only, nothing to link, nothing on the
 * heap, no state: every function is thread-safe and may be called wherever the plugin is.
 *
 * Documents are read where they stand. They are valid JSON, the host has seen to that; of what isn't, a reader says
 * that it isn't there. A value is the text between its first and last byte, quotes and braces included, so it can be
 * put into another document as it is; one of length 0 isn't there.
 */
#ifndef QARAX_PLUGIN_C_HELPER_H
#define QARAX_PLUGIN_C_HELPER_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qarax/plugin/abi.h"

/* Of a string literal, as a constant. */
#define QARAX_TEXT(literal) \
  { literal, sizeof(literal) - 1 }
/* Whether the other side's table has that slot: it may be older than this SDK. */
#define QARAX_HAS(type, table, slot) \
  ((table) != 0 && (table)->size >= offsetof(type, slot) + sizeof(void*) && (table)->slot != 0)

static inline qarax_text qarax_text_of(const char* text) {
  qarax_text out = {text, strlen(text)};
  return out;
}
static inline int qarax_text_is(qarax_text text, const char* other) {
  return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

/* ---- reading documents ---- */

static inline size_t qarax_json_skip(qarax_text from, size_t at) {
  while (at < from.len && strchr(" \t\r\n", from.ptr[at]) != 0 && from.ptr[at] != 0) ++at;
  return at;
}

/* Behind the value that begins at `at`; 0: it has no end. */
static inline size_t qarax_json_end(qarax_text from, size_t at) {
  size_t depth = 0;
  int in_string = 0;
  for (; at < from.len; ++at) {
    const char c = from.ptr[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c != '"') continue;
      in_string = 0;
      if (depth == 0) return at + 1;
    } else if (c == '"') {
      in_string = 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth <= 1) return depth == 0 ? at : at + 1; /* 0: the end of what a number or word stands in */
      --depth;
    } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
      return at;
    }
  }
  return depth == 0 && !in_string ? at : 0;
}

/* The next member of an object, or element of an array (its name is empty). `*at` is 0 before the first. 0: no more. */
static inline int qarax_json_next(qarax_text from, size_t* at, qarax_text* name, qarax_text* value) {
  const size_t begin = qarax_json_skip(from, 0);
  size_t i = qarax_json_skip(from, *at == 0 ? begin : *at);
  if (begin >= from.len || i >= from.len || (from.ptr[begin] != '{' && from.ptr[begin] != '[')) return 0;
  if (*at != 0 && from.ptr[i] != ',') return 0;
  i = qarax_json_skip(from, i + 1);
  name->ptr = 0, name->len = 0;
  if (from.ptr[begin] == '{') {
    const size_t end = i < from.len && from.ptr[i] == '"' ? qarax_json_end(from, i) : 0;
    const size_t colon = end == 0 ? from.len : qarax_json_skip(from, end);
    if (colon >= from.len || from.ptr[colon] != ':') return 0;
    name->ptr = from.ptr + i + 1, name->len = end - i - 2;
    i = qarax_json_skip(from, colon + 1);
  }
  const size_t end = qarax_json_end(from, i);
  if (end <= i) return 0;
  value->ptr = from.ptr + i, value->len = end - i;
  *at = end;
  return 1;
}

/* The value of an object's own member of that name. */
static inline qarax_text qarax_json_member(qarax_text object, const char* name) {
  qarax_text key, value, none = {0, 0};
  size_t at = 0;
  while (qarax_json_next(object, &at, &key, &value))
    if (qarax_text_is(key, name)) return value;
  return none;
}

/* `otherwise` where the value isn't there, or is no integer of 64 bits. */
static inline int64_t qarax_json_int(qarax_text value, int64_t otherwise) {
  char digits[24];
  char* end = 0;
  long long out;
  if (value.len == 0 || value.len >= sizeof digits || strchr("-0123456789", value.ptr[0]) == 0) return otherwise;
  memcpy(digits, value.ptr, value.len);
  digits[value.len] = 0;
  errno = 0;
  out = strtoll(digits, &end, 10);
  return *end != 0 || end == digits || errno != 0 ? otherwise : (int64_t)out;
}

/* The four hexadecimal digits at `at`, behind a \u; -1: they aren't there. */
static inline long qarax_json_hex4(qarax_text from, size_t at) {
  char digits[5];
  char* end = 0;
  long out;
  if (at + 4 > from.len) return -1;
  memcpy(digits, from.ptr + at, 4);
  digits[4] = 0;
  out = strtol(digits, &end, 16);
  return end == digits + 4 && digits[0] != '-' && digits[0] != '+' && digits[0] != ' ' ? out : -1;
}

/* The character that the escape at `*at`, a backslash, stands for; `*at` is then its last byte. 0: none of text's. */
static inline unsigned long qarax_json_escape(qarax_text from, size_t* at) {
  static const char kNames[] = "\"\\/bfnrt", kMeanings[] = "\"\\/\b\f\n\r\t";
  const char name = *at + 1 < from.len ? from.ptr[*at + 1] : 0;
  const char* const found = name != 0 ? strchr(kNames, name) : 0;
  long c, low;
  *at += 1;
  if (found != 0) return (unsigned char)kMeanings[found - kNames];
  if (name != 'u') return 0;
  c = qarax_json_hex4(from, *at + 1);
  *at += 4;
  if (c < 0xD800 || c > 0xDFFF) return c > 0 ? (unsigned long)c : 0;
  low = qarax_json_hex4(from, *at + 3); /* the other half, behind a \u of its own */
  *at += 6;
  return c < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF
             ? 0x10000ul + ((unsigned long)(c - 0xD800) << 10) + (unsigned long)(low - 0xDC00)
             : 0;
}

/* The text of a string, terminated. 0, and "", where the value isn't one, holds a NUL or has no room. */
static inline int qarax_json_string(qarax_text value, char* out, size_t room) {
  static const unsigned char kFirst[] = {0, 0, 0xC0, 0xE0, 0xF0};
  size_t n = 0;
  out[0] = 0;
  if (value.len < 2 || value.ptr[0] != '"') return 0;
  value.len -= 1; /* without the closing quote */
  for (size_t i = 1; i < value.len; ++i) {
    unsigned long c = (unsigned char)value.ptr[i];
    size_t more = 0; /* bytes behind the first: what isn't escaped stands there as UTF-8 */
    if (c == '\\') {
      c = qarax_json_escape(value, &i);
      more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    }
    if (c == 0 || n + more + 1 >= room) {
      out[0] = 0;
      return 0;
    }
    out[n++] = (char)(more == 0 ? c : kFirst[more + 1] | (c >> (6 * more)));
    while (more-- > 0) out[n++] = (char)(0x80 | ((c >> (6 * more)) & 0x3F));
  }
  out[n] = 0;
  return 1;
}

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
  const int size = snprintf(out, room, "{\"format\":%lld,\"plugin\":\"%s\"%s}", (long long)format, plugin, more);
  return size >= 0 && (size_t)size < room;
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
