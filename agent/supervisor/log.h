// The bounded console log: console.log and, before it, console.log.1, each up to half of the limit.
//
// A position counts log bytes (markers included) from the start of this run. Missing output is always marked: bytes
// that couldn't be written, at their place; bytes that rotation dropped, at the start of console.log.1.
#pragma once

#include "supervisor.h"

typedef struct ConsoleLog {
  int64_t half;
  int current;           // console.log; -1: it couldn't be opened yet
  int older;             // console.log.1; -1: there was no rotation yet
  int64_t current_base;  // position of its first byte
  int64_t current_size;
  int64_t older_base;
  int64_t oldest;    // position of the oldest byte that can still be read
  uint64_t pending;  // bytes that were not written and are not marked yet
} ConsoleLog;

// Begins a new log for a new run.
void log_open(ConsoleLog* log, int64_t limit);

// Appends what can be written and returns the number of bytes that could not; those are marked once writing works
// again.
uint64_t log_append(ConsoleLog* log, const void* data, size_t length);

int64_t log_end(const ConsoleLog* log);

// Reads up to `length` bytes at `position` (oldest <= position <= end). 0 at the end, or when the file can't be read.
size_t log_read(const ConsoleLog* log, int64_t position, void* out, size_t length);

// Writes the last marker if one is due.
void log_finish(ConsoleLog* log);

// The text of a marker; returns its length.
size_t format_dropped(char out[64], uint64_t bytes);
