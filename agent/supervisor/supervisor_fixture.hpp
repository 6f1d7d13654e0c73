// Runs the real qarax-supervisor with the test VMM, in a separate run folder. All waits are on descriptors and have a
// limit. TearDown() ends whatever a test left, including VMMs whose supervisor was killed.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "temp_folder.hpp"

constexpr int kPatienceMs = 60000;

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// What a launch reported on its ready pipe.
struct Launched {
  pid_t supervisor = 0;
  std::string line;
  pid_t vmm = 0;
};

struct LaunchOptions {
  std::vector<std::string> vmm;    // the test VMM's commands
  std::vector<std::string> extra;  // more options of the supervisor
  std::vector<int> fds;            // passed as 4, 5, …
  std::string program;             // instead of the test VMM
  bool reader_gone = false;        // nobody reads the ready pipe
  bool hostile_signals = false;    // start with signals blocked and ignored
  bool traced = false;             // stops at exec for its tracer, which is the caller
};

class SupervisorTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  Launched launch(const LaunchOptions& options);
  // Launches with a console: the VMM finds its listening socket at descriptor 10 and begins with `listen 10`.
  Launched launch_with_console(std::vector<std::string> vmm, std::vector<std::string> extra = {});

  int wait_exit(pid_t supervisor);  // its wait status
  std::string path(const std::string& name) const { return dir_ + "/" + name; }
  std::string read_file(const std::string& name) const;
  int connect_control() const;
  std::string ask(const std::string& command) const;        // sends one command, returns the whole reply
  int attach(const std::string& command = "attach") const;  // returns the connection after its "ok\n"

  qarax::TempFolder folder_;
  std::string dir_ = folder_.path();
  std::vector<pid_t> supervisors_;
  std::vector<pid_t> vmms_;
};

std::string read_until(int fd, const std::string& end);  // input up to and including `end`; fails at the limit
std::string read_some(int fd, size_t most = 65536);      // waits for input, returns what is there
std::string read_all(int fd);                            // input up to the end of the stream
void write_all(int fd, const std::string& data);
long number_in(const std::string& json, const std::string& key);
bool alive(pid_t pid);
bool wait_gone(pid_t pid);  // for a process that isn't a child of this one

// Follows the test VMM's numbered pattern through a stream with markers. Returns the position after it; -1: corrupt.
long follow_pattern(const std::string& stream, long position, long* dropped = nullptr);
