// The command line. Contract: everything is checked before anything is changed; the message names the option.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor.h"

static int parse_number(const char* text, int64_t low, int64_t high, int64_t* out) {
  char* end = NULL;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < low || value > high) return -1;
  *out = value;
  return 0;
}

static int parse_targets(const char* text, Options* options, size_t* count, Failure* failure) {
  *count = 0;
  while (*text != '\0') {
    char number[16];
    size_t length = strcspn(text, ",");
    int64_t value = 0;
    if (length == 0 || length >= sizeof number)
      return fail(failure, EINVAL, "--fd-targets: expected numbers: %s", text);
    memcpy(number, text, length);
    number[length] = '\0';
    if (parse_number(number, 3, kMaxTargetFd, &value) != 0)
      return fail(failure, EINVAL, "--fd-targets: %s is not between 3 and %d", number, kMaxTargetFd);
    for (size_t i = 0; i < *count; ++i)
      if (options->fd_targets[i] == value) return fail(failure, EINVAL, "--fd-targets: %s is there twice", number);
    if (*count == kMaxFds) return fail(failure, EINVAL, "--fd-targets: more than %d", kMaxFds);
    options->fd_targets[(*count)++] = (int)value;
    text += length;
    if (*text == ',') ++text;
  }
  return 0;
}

int parse_options(int argc, char** argv, Options* options, Failure* failure) {
  memset(options, 0, sizeof *options);
  options->log_max = 16 << 20;
  size_t targets = 0;
  int i = 1;
  for (; i < argc && strcmp(argv[i], "--") != 0; ++i) {
    const char* name = argv[i];
    int64_t number = 0;
    if (strcmp(name, "--cgroup-optional") == 0) {
      options->cgroup_optional = true;
    } else if (strcmp(name, "--env-clear") == 0) {
      options->env_clear = true;
    } else if (strcmp(name, "--version") == 0) {
      options->version = true;
      return 0;
    } else if (i + 1 >= argc || strcmp(argv[i + 1], "--") == 0) {
      return fail(failure, EINVAL, "%s: unknown option, or its value is missing", name);
    } else if (strcmp(name, "--dir") == 0) {
      options->dir = argv[++i];
    } else if (strcmp(name, "--cgroup") == 0) {
      options->cgroup = argv[++i];
    } else if (strcmp(name, "--console-connect") == 0) {
      options->console_connect = argv[++i];
    } else if (strcmp(name, "--log-max") == 0) {
      if (parse_number(argv[++i], 4096, INT64_MAX / 4, &options->log_max) != 0)
        return fail(failure, EINVAL, "--log-max: expected a number of bytes from 4096 on: %s", argv[i]);
    } else if (strcmp(name, "--fds") == 0) {
      if (parse_number(argv[++i], 0, kMaxFds, &number) != 0)
        return fail(failure, EINVAL, "--fds: expected a number up to %d: %s", kMaxFds, argv[i]);
      options->fd_count = (size_t)number;
    } else if (strcmp(name, "--fd-targets") == 0) {
      if (parse_targets(argv[++i], options, &targets, failure) != 0) return -1;
    } else {
      return fail(failure, EINVAL, "%s: unknown option", name);
    }
  }
  if (i + 1 >= argc) return fail(failure, EINVAL, "after the options expected -- and the VMM's argv");
  options->argv = argv + i + 1;
  if (options->dir == NULL) return fail(failure, EINVAL, "--dir: missing");
  if (targets != options->fd_count)
    return fail(failure, EINVAL, "--fds %zu, but --fd-targets has %zu numbers", options->fd_count, targets);
  if (options->cgroup != NULL && options->cgroup[0] != '/')
    return fail(failure, EINVAL, "--cgroup: expected an absolute path: %s", options->cgroup);
  return 0;
}
