/*
 * Reads JSON documents in place, without a copy. The host only passes valid JSON; anything invalid is treated as
 * absent. A value is its text from the first to the last byte, quotes and braces included, so it can be put into
 * another document as it is. A value of length 0 is absent.
 * C11, standard headers only, nothing to link; thread-safe.
 */
#ifndef QARAX_PLUGIN_C_JSON_H
#define QARAX_PLUGIN_C_JSON_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qarax/plugin/abi.h"

static inline qarax_text qarax_text_of(const char* text) {
  qarax_text out = {text, strlen(text)};
  return out;
}
static inline int qarax_text_is(qarax_text text, const char* other) {
  return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

static inline size_t qarax_json_skip(qarax_text from, size_t at) {
  while (at < from.len && strchr(" \t\r\n", from.ptr[at]) != 0 && from.ptr[at] != 0) ++at;
  return at;
}

/* The position just behind the value that begins at `at`; 0: the value has no end. */
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
      if (depth <= 1) return depth == 0 ? at : at + 1; /* 0: closes the parent of a number or word, which ends here */
      --depth;
    } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
      return at;
    }
  }
  return depth == 0 && !in_string ? at : 0;
}

/* Reads the next member of an object, or element of an array (`name` is then empty). Set `*at` to 0 for the first one.
   Returns 0 when there are no more. */
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

/* The value of the four hexadecimal digits at `at`, behind a \u; -1: there are no four digits. */
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

/* The character of the escape sequence whose backslash is at `*at`; moves `*at` to its last byte. 0: invalid or NUL. */
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
  low = qarax_json_hex4(from, *at + 3); /* the low surrogate, in a \u escape of its own */
  *at += 6;
  return c < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF
             ? 0x10000ul + ((unsigned long)(c - 0xD800) << 10) + (unsigned long)(low - 0xDC00)
             : 0;
}

/* Writes a character as UTF-8 and returns its bytes, 1 to 4. */
static inline size_t qarax_json_utf8(unsigned long c, char* out) {
  static const unsigned char kFirst[] = {0, 0xC0, 0xE0, 0xF0};
  const size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  out[0] = (char)(kFirst[more] | (c >> (6 * more)));
  for (size_t i = 1; i <= more; ++i) out[i] = (char)(0x80 | ((c >> (6 * (more - i))) & 0x3F));
  return more + 1;
}

/* Whether a member's name, as qarax_json_next gives it, is that one. What comes from users, such as a VM's config, may
   spell it with escapes ("\u006dode"). */
static inline int qarax_json_name_is(qarax_text name, const char* other) {
  for (size_t i = 0; i < name.len; ++i) {
    char utf8[4] = {name.ptr[i], 0, 0, 0};
    size_t size = 1;
    if (name.ptr[i] == '\\') {
      const unsigned long c = qarax_json_escape(name, &i);
      if (c == 0) return 0;
      size = qarax_json_utf8(c, utf8);
    }
    if (utf8[0] == 0 || strncmp(other, utf8, size) != 0) return 0;
    other += size;
  }
  return *other == 0;
}

/* The value of the object's direct member of that name. */
static inline qarax_text qarax_json_member(qarax_text object, const char* name) {
  qarax_text key, value, none = {0, 0};
  size_t at = 0;
  while (qarax_json_next(object, &at, &key, &value))
    if (qarax_json_name_is(key, name)) return value;
  return none;
}

/* Returns `otherwise` if the value is absent or isn't a 64-bit integer. */
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

/* Copies a string's text to `out`, unescaped and terminated. Returns 0, and "" in `out`, if the value isn't a string,
   contains NUL or doesn't fit. */
static inline int qarax_json_string(qarax_text value, char* out, size_t room) {
  size_t n = 0;
  out[0] = 0;
  if (value.len < 2 || value.ptr[0] != '"') return 0;
  value.len -= 1; /* without the closing quote */
  for (size_t i = 1; i < value.len; ++i) {
    char utf8[4] = {value.ptr[i], 0, 0, 0}; /* unescaped text is UTF-8 already */
    size_t size = 1;
    if (value.ptr[i] == '\\') {
      const unsigned long c = qarax_json_escape(value, &i);
      size = c == 0 ? 0 : qarax_json_utf8(c, utf8);
    }
    if (size == 0 || utf8[0] == 0 || n + size >= room) {
      out[0] = 0;
      return 0;
    }
    memcpy(out + n, utf8, size);
    n += size;
  }
  out[n] = 0;
  return 1;
}

#endif
