/* Tests c_helper.h: what it reads, what it refuses, what it asks the host. Plain C11, like a plugin that uses it. */
#include "qarax/plugin/c_helper.h"

static int failures;
#define EXPECT(what)                                    \
  do {                                                  \
    if (!(what)) {                                      \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #what); \
      ++failures;                                       \
    }                                                   \
  } while (0)

static qarax_text of(const char* document, const char* name) {
  return qarax_json_member(qarax_text_of(document), name);
}
static int has_text(const char* document, const char* expected) {
  char out[32];
  return qarax_json_string(of(document, "s"), out, sizeof out) && strcmp(out, expected) == 0;
}

static void members_are_found_where_they_stand(void) {
  const char* const nested =
      "{ \"in\\\"ner\" : {\"vm\":\"no\"}, \"list\":[{\"vm\":1},\"]\"] ,\"vm\" : \"a,b}\\\"\" , \"n\":null}";
  EXPECT(qarax_text_is(of(nested, "vm"), "\"a,b}\\\"\""));
  EXPECT(qarax_text_is(of(nested, "list"), "[{\"vm\":1},\"]\"]"));
  EXPECT(qarax_text_is(of(nested, "n"), "null"));
  EXPECT(of(nested, "ner").len == 0 && of("{}", "vm").len == 0 && of("[]", "vm").len == 0 && of("", "vm").len == 0);
  EXPECT(qarax_text_is(qarax_json_member(of("{\"a\":{\"b\":7}}", "a"), "b"), "7"));
}

static void names_are_what_they_mean(void) {
  EXPECT(qarax_text_is(of("{\"\\u006do\\u0064e\":7}", "mode"), "7"));
  EXPECT(qarax_text_is(of("{\"a\\/b\":7}", "a/b"), "7"));
  EXPECT(qarax_text_is(of("{\"\\u00e9\\ud83d\\ude00\":7}", "\xC3\xA9\xF0\x9F\x98\x80"), "7"));
  EXPECT(qarax_text_is(of("{\"\xC3\xA9\":7}", "\xC3\xA9"), "7"));
  EXPECT(of("{\"\\u006dode\":7}", "mod").len == 0 && of("{\"\\u006dod\":7}", "mode").len == 0);
  EXPECT(of("{\"\\u0000\":7}", "").len == 0 && of("{\"\\ud83d\":7}", "?").len == 0);
}

static void elements_come_in_turn(void) {
  qarax_text name, value;
  size_t at = 0, count = 0;
  while (qarax_json_next(qarax_text_of("[1, \"two\",[3] ,{}]"), &at, &name, &value)) {
    static const char* const kExpected[] = {"1", "\"two\"", "[3]", "{}"};
    EXPECT(count < 4 && qarax_text_is(value, kExpected[count]) && name.len == 0);
    ++count;
  }
  EXPECT(count == 4);
}

static void numbers_are_whole_and_fit(void) {
  EXPECT(qarax_json_int(of("{\"n\":-12}", "n"), 5) == -12);
  EXPECT(qarax_json_int(of("{\"n\":9223372036854775807}", "n"), 5) == INT64_MAX);
  EXPECT(qarax_json_int(of("{\"n\":9223372036854775808}", "n"), 5) == 5);
  EXPECT(qarax_json_int(of("{\"n\":1.5}", "n"), 5) == 5);
  EXPECT(qarax_json_int(of("{\"n\":\"1\"}", "n"), 5) == 5);
  EXPECT(qarax_json_int(of("{\"n\":-}", "n"), 5) == 5);
  EXPECT(qarax_json_int(of("{}", "n"), 5) == 5);
}

static void strings_are_unescaped(void) {
  char small[4];
  EXPECT(has_text("{\"s\":\"\"}", ""));
  EXPECT(has_text("{\"s\":\"a\\\\b\\/\\n\\\"\"}", "a\\b/\n\""));
  EXPECT(has_text("{\"s\":\"\\u00e9\\u20ac\\ud83d\\ude00\\u0041\"}",
                  "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"
                  "A"));
  EXPECT(has_text("{\"s\":\"caf\xC3\xA9\"}", "caf\xC3\xA9"));
  EXPECT(!has_text("{\"s\":\"a\\u0000b\"}", "a"));
  EXPECT(!has_text("{\"s\":\"\\ud83d\"}", "") && !has_text("{\"s\":\"\\ud83dA\\ude00\"}", ""));
  EXPECT(!has_text("{\"s\":7}", "7"));
  EXPECT(qarax_json_string(of("{\"s\":\"abc\"}", "s"), small, sizeof small) && strcmp(small, "abc") == 0);
  EXPECT(!qarax_json_string(of("{\"s\":\"abcd\"}", "s"), small, sizeof small) && small[0] == 0);
  EXPECT(!qarax_json_string(of("{\"s\":\"ab\\u00e9\"}", "s"), small, sizeof small));
}

/* Every prefix of a document, in a buffer of exactly its size, so that a sanitizer sees a read beyond the end. */
static void nothing_is_read_beyond_the_end(void) {
  const char* const whole = "{\"s\":\"\\ud83d\\ude00\\n\",\"o\":{\"a\":[1,{\"b\":2}]},\"n\":-12,\"t\":true}";
  for (size_t size = 0; size <= strlen(whole); ++size) {
    char* bytes = malloc(size + 1);
    char out[64];
    qarax_text part = {bytes, size}, name, value;
    size_t at = 0;
    if (bytes == 0) continue;
    bytes = size > 0 ? realloc(bytes, size) : bytes;
    part.ptr = bytes;
    memcpy(bytes, whole, size);
    while (qarax_json_next(part, &at, &name, &value)) {
      qarax_json_string(value, out, sizeof out);
      qarax_json_int(value, 0);
    }
    value.ptr = bytes, value.len = size;
    qarax_json_string(value, out, sizeof out);
    free(bytes);
  }
}

/* The last error of a call, and what the host received. */
static char error[1024];
static int32_t take_error(const qarax_call* call, qarax_text document) {
  (void)call;
  snprintf(error, sizeof error, "%.*s", (int)document.len, document.ptr);
  return QARAX_OK;
}

static void what_is_not_known_is_refused(void) {
  static const char* const kKnown[] = {"a", "b", 0};
  const qarax_call call = {.size = sizeof call, .cancel_fd = -1, .error = take_error};
  EXPECT(qarax_refuse_unknown(&call, "foo", qarax_text_of("{\"b\":{\"c\":1},\"a\":2}"), "/spec", kKnown) == QARAX_OK);
  EXPECT(qarax_refuse_unknown(&call, "foo", qarax_text_of(""), "/spec", kKnown) == QARAX_OK);
  EXPECT(qarax_refuse_unknown(&call, "foo", qarax_text_of("{\"b\":1,\"readonly\":true}"), "/disk", kKnown) ==
         QARAX_INVALID_ARGUMENT);
  EXPECT(strcmp(error,
                "{\"message\":\"plugin foo doesn't know /disk/readonly\",\"details\":[{\"pointer\":"
                "\"/disk/readonly\",\"detail\":\"unknown member\"}]}") == 0);
}

static void handles_are_this_plugins_and_not_newer(void) {
  const qarax_call call = {.size = sizeof call, .cancel_fd = -1, .error = take_error};
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":{\"plugin\":\"foo\",\"format\":2}}"), 2) ==
         QARAX_OK);
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":{\"format\":3,\"plugin\":\"foo\"}}"), 2) ==
         QARAX_FAILED_PRECONDITION);
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":{\"format\":0,\"plugin\":\"foo\"}}"), 2) ==
         QARAX_NOT_FOUND);
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":{\"of\":1},\"format\":1}"), 2) == QARAX_NOT_FOUND);
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":null}"), 2) == QARAX_NOT_FOUND);
  /* A handle of another plugin, whatever its format. */
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":{\"format\":1}}"), 2) == QARAX_NOT_FOUND);
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":{\"format\":1,\"plugin\":\"food\"}}"), 2) ==
         QARAX_NOT_FOUND);
  EXPECT(qarax_check_handle(&call, "foo", qarax_text_of("{\"handle\":{\"format\":9,\"plugin\":\"bar\"}}"), 2) ==
         QARAX_NOT_FOUND);
  char handle[48];
  EXPECT(qarax_make_handle(handle, sizeof handle, "foo", 2, ",\"vm\":\"v\""));
  EXPECT(strcmp(handle, "{\"format\":2,\"plugin\":\"foo\",\"vm\":\"v\"}") == 0);
  EXPECT(!qarax_make_handle(handle, 10, "foo", 2, ""));
}

static void only_a_graceful_stop_needs_to_know_the_handle(void) {
  const qarax_call call = {.size = sizeof call, .cancel_fd = -1, .error = take_error};
  EXPECT(qarax_check_stop(&call, "foo",
                          qarax_text_of("{\"mode\":\"graceful\",\"handle\":{\"format\":3,\"plugin\":\"foo\"}}"),
                          2) == QARAX_FAILED_PRECONDITION);
  EXPECT(qarax_check_stop(&call, "foo",
                          qarax_text_of("{\"mode\":\"graceful\",\"handle\":{\"format\":2,\"plugin\":\"foo\"}}"),
                          2) == QARAX_OK);
  EXPECT(qarax_check_stop(&call, "foo",
                          qarax_text_of("{\"mode\":\"force\",\"handle\":{\"format\":3,\"plugin\":\"foo\"}}"),
                          2) == QARAX_OK);
  EXPECT(qarax_check_stop(&call, "foo", qarax_text_of("{\"mode\":\"graceful\"}"), 2) == QARAX_OK);
}

static int32_t echo(void* self, const qarax_call* call, qarax_text args) {
  EXPECT(self == &failures && call->size == sizeof *call);
  if (qarax_text_is(args, "{}")) {
    EXPECT(call->cancel_fd == -1 && call->deadline_ns == 0);
    return call->put(call, args);
  }
  if (qarax_text_is(args, "[]")) {
    static char large[QARAX_ANSWER_ROOM];
    const qarax_text all = {large, sizeof large};
    return call->put(call, all);
  }
  EXPECT(call->cancel_fd == 7 && call->deadline_ns == 9 && call->fd_count == 1 && call->fds[0] == 3);
  call->error(call, args);
  return QARAX_NOT_FOUND;
}

static void the_host_is_asked_and_its_words_passed_on(void) {
  static struct qarax_answer answer;
  const qarax_host host = {.size = sizeof host, .self = &failures};
  const qarax_call call = {.size = sizeof call, .deadline_ns = 9, .cancel_fd = 7, .error = take_error};
  const int fds[] = {3};
  EXPECT(qarax_ask(&host, echo, 0, "{}", 0, 0, &answer) == QARAX_OK);
  EXPECT(qarax_text_is(qarax_answer_text(&answer), "{}"));
  EXPECT(qarax_ask(&host, echo, 0, "[]", 0, 0, &answer) == QARAX_RESOURCE_EXHAUSTED && answer.len == 0);
  EXPECT(qarax_ask(&host, 0, 0, "{}", 0, 0, &answer) == QARAX_UNIMPLEMENTED);
  EXPECT(qarax_ask_process(&host, echo, &call, qarax_text_of("{\"vm\":\"v\",\"incarnation\":4}"), ",\"signal\":15", fds,
                           1, &answer) == QARAX_NOT_FOUND);
  EXPECT(qarax_pass_on(&call, QARAX_NOT_FOUND, &answer) == QARAX_NOT_FOUND);
  EXPECT(strcmp(error, "{\"vm\":\"v\",\"incarnation\":4,\"signal\":15}") == 0);
}

/* The largest answer that a host may give it, with every byte a control character. */
static int32_t runs(void* self, const qarax_call* call, qarax_text args) {
  static char document[QARAX_ANSWER_ROOM];
  static const char begin[] = "{\"exit\":{\"kind\":\"exited\",\"log_tail\":\"\"},\"output\":\"\",\"matched\":false}";
  const int64_t output = qarax_json_int(qarax_json_member(args, "max_output"), 65536);
  const size_t size = sizeof begin + 6 * (4096 + (size_t)output);
  (void)self;
  EXPECT(qarax_text_is(qarax_json_member(args, "argv"), "[\"/bin/true\"]"));
  EXPECT(size < sizeof document);
  if (size >= sizeof document) return QARAX_INTERNAL;
  memset(document, ' ', size);
  memcpy(document, begin, sizeof begin - 1);
  const qarax_text all = {document, size};
  return call->put(call, all);
}

static void what_run_answers_fits(void) {
  static struct qarax_answer answer;
  const qarax_host host = {.size = sizeof host, .self = &failures};
  EXPECT(qarax_ask_run(&host, runs, 0, "[\"/bin/true\"]", &answer) == QARAX_OK && answer.len > 6 * QARAX_RUN_OUTPUT);
}

static void an_older_table_lacks_a_slot(void) {
  const qarax_host_process_1 process = {
      offsetof(qarax_host_process_1, kill), echo, 0, echo, echo, echo, echo, echo, echo};
  const qarax_host_process_1* const none = 0;
  EXPECT(QARAX_HAS(qarax_host_process_1, &process, spawn));
  EXPECT(QARAX_HAS(qarax_host_process_1, &process, signal));
  EXPECT(!QARAX_HAS(qarax_host_process_1, &process, find) && !QARAX_HAS(qarax_host_process_1, &process, kill));
  EXPECT(!QARAX_HAS(qarax_host_process_1, none, spawn));
}

int main(void) {
  members_are_found_where_they_stand();
  names_are_what_they_mean();
  elements_come_in_turn();
  numbers_are_whole_and_fit();
  strings_are_unescaped();
  nothing_is_read_beyond_the_end();
  what_is_not_known_is_refused();
  handles_are_this_plugins_and_not_newer();
  only_a_graceful_stop_needs_to_know_the_handle();
  the_host_is_asked_and_its_words_passed_on();
  what_run_answers_fits();
  an_older_table_lacks_a_slot();
  return failures != 0;
}
