// The console: which output reaches the log and the clients, and what happens if it can't.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string_view>

#include "supervisor_fixture.hpp"

namespace {

TEST_F(SupervisorTest, EveryByteUpToTheLastIsInTheLog) {
  Launched launched = launch_with_console({"flood", "1000001", "exit", "0"});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string log = read_file("console.log");
  EXPECT_EQ(log.size(), 1000001U);
  EXPECT_EQ(follow_pattern(log, 0), 1000001);
  std::string record = read_file("exit.json");
  EXPECT_EQ(number_in(record, "console_bytes"), 1000001);
  EXPECT_EQ(number_in(record, "console_dropped"), 0);
}

TEST_F(SupervisorTest, BytesBeforeACrashAreInTheLog) {
  Launched launched = launch_with_console({"say", "Kernel panic", "raise", "9"});
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(read_file("console.log"), "Kernel panic");
}

TEST_F(SupervisorTest, OutputStillInTheSocketWhenTheVmmIsGoneIsInTheLog) {
  Launched launched = launch_with_console({"say", "ready\n", "usr1", "flood", "100000", "exit", "0"});
  int client = attach("attach tail 100");
  read_until(client, "ready\n");
  close(client);
  // The supervisor doesn't run until all of this has happened; then more output is waiting than it reads in one turn.
  kill(launched.supervisor, SIGSTOP);
  kill(launched.vmm, SIGUSR1);
  EXPECT_TRUE(wait_gone(launched.vmm));
  kill(launched.supervisor, SIGCONT);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(follow_pattern(read_file("console.log").substr(6), 0), 100000);
}

// How often a process slept and was woken.
long wakes_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  constexpr std::string_view kName = "voluntary_ctxt_switches:";
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(kName)) return std::stol(line.substr(kName.size()));
  return -1;
}

bool may_make_sockets_large() {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const int size = 1 << 20;
  const bool may = setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) == 0;
  close(fd);
  return may;
}

TEST_F(SupervisorTest, WhatAGuestSaysByteByByteHasRoomWhileTheSupervisorWaits) {
  if (!may_make_sockets_large()) GTEST_SKIP() << "CAP_NET_ADMIN is missing: the socket stays as large as it is";
  Launched launched = launch_with_console({"say", "ready\n", "usr1", "drip", "8000", "exit", "0"});
  int client = attach("attach tail 100");
  read_until(client, "ready\n");
  kill(launched.supervisor, SIGSTOP);
  kill(launched.vmm, SIGUSR1);
  // Clients that connect meanwhile don't affect the guest.
  for (int i = 0; i < 8; ++i) close(connect_control());
  EXPECT_TRUE(wait_gone(launched.vmm));
  kill(launched.supervisor, SIGCONT);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(client);
  EXPECT_EQ(read_file("vmm.log"), "lost 0\n");
  EXPECT_EQ(follow_pattern(read_file("console.log").substr(6), 0), 8000);
}

TEST_F(SupervisorTest, WhatAGuestSaysByteByByteGathersBeforeItIsRead) {
  if (!may_make_sockets_large()) GTEST_SKIP() << "CAP_NET_ADMIN is missing: nothing is left to gather";
  constexpr long kBytes = 50000;
  Launched launched = launch_with_console({"say", "ready\n", "line", "pour", std::to_string(kBytes), "line"});
  int client = attach("attach tail 100");
  read_until(client, "ready\n");
  const long before = wakes_of(launched.supervisor);
  write_all(client, "\n");
  for (std::string got; got.size() < kBytes;) got += read_some(client);
  // Polling without a pause would mean one wake-up for each byte.
  EXPECT_LT(wakes_of(launched.supervisor) - before, kBytes / 10);
  write_all(client, "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(client);
  EXPECT_EQ(follow_pattern(read_file("console.log").substr(6), 0), kBytes);
}

TEST_F(SupervisorTest, AVmmThatAcceptsAnewHasThatRoomAgain) {
  if (!may_make_sockets_large()) GTEST_SKIP() << "CAP_NET_ADMIN is missing: the socket stays as large as it is";
  Launched launched =
      launch_with_console({"say", "first\n", "again", "10", "say", "ready\n", "usr1", "drip", "8000", "exit", "0"});
  int client = attach("attach tail 1000");
  read_until(client, "ready\n");
  kill(launched.supervisor, SIGSTOP);
  kill(launched.vmm, SIGUSR1);
  EXPECT_TRUE(wait_gone(launched.vmm));
  kill(launched.supervisor, SIGCONT);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(client);
  EXPECT_EQ(read_file("vmm.log"), "lost 0\n");
}

TEST_F(SupervisorTest, AttachedClientTalksToTheGuest) {
  Launched launched = launch_with_console({"echo", "exit", "0"});
  int client = connect_control();
  write_all(client, "attach\nwith the command,");
  EXPECT_EQ(read_until(client, ","), "ok\nwith the command,");
  write_all(client, "later!");
  EXPECT_EQ(read_until(client, "!"), "later!");
  write_all(client, "q");
  EXPECT_EQ(read_all(client), "");
  close(client);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(read_file("console.log"), "with the command,later!");
}

TEST_F(SupervisorTest, LotsOfInputAllArrives) {
  Launched launched = launch_with_console({"echo", "exit", "0"});
  int reader = attach();
  int writer = attach();
  std::string text(100000, 'a');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('A' + i % 10);
  std::string got;
  // Written in pieces, so that this single thread never has to write and read at once.
  for (size_t i = 0; i < text.size(); i += 1000) {
    write_all(writer, text.substr(i, 999) + "\n");
    got += read_until(reader, "\n");
    read_until(writer, "\n");
  }
  EXPECT_EQ(got.size(), text.size());
  write_all(writer, "q");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(reader);
  close(writer);
}

TEST_F(SupervisorTest, TwoClientsSeeTheSame) {
  Launched launched = launch_with_console({"line", "say", "for both\n", "line", "exit", "0"});
  int first = attach();
  int second = attach();
  write_all(first, "\n");
  EXPECT_EQ(read_until(first, "\n"), "for both\n");
  EXPECT_EQ(read_until(second, "\n"), "for both\n");
  write_all(second, "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(first);
  close(second);
}

TEST_F(SupervisorTest, SlowClientLosesMarkedBytesAndHoldsNobodyUp) {
  Launched launched = launch_with_console({"line", "flood", "4000000", "say", "END", "line", "exit", "0"});
  int slow = attach();
  int control = attach();
  write_all(control, "\n");
  // `slow` reads nothing while the guest writes everything.
  for (std::string status; number_in(status, "bytes") != 4000003;) {
    status = ask("status");
    ASSERT_FALSE(status.empty());
  }
  EXPECT_EQ(follow_pattern(read_file("console.log").substr(0, 4000000), 0), 4000000);
  std::string got = read_until(slow, " bytes dropped]\n");
  long dropped = 0;
  // The three bytes of END were dropped with the others.
  EXPECT_EQ(follow_pattern(got, 0, &dropped), 4000003);
  EXPECT_GT(dropped, 1000000);
  write_all(control, "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(slow);
  close(control);
}

TEST_F(SupervisorTest, ClientThatReadsNowAndThenGetsItsMarkersInTheRightPlaces) {
  constexpr int kRounds = 30;
  constexpr long kRound = 200000;
  std::vector<std::string> vmm;
  for (int i = 0; i < kRounds; ++i) vmm.insert(vmm.end(), {"line", "flood", std::to_string(kRound)});
  vmm.insert(vmm.end(), {"line", "exit", "0"});
  Launched launched = launch_with_console(vmm);
  int slow = attach();
  int control = attach();
  std::string got;
  for (long i = 1; i <= kRounds; ++i) {
    write_all(control, "\n");
    for (std::string status; number_in(status, "bytes") != i * kRound;) {
      status = ask("status");
      ASSERT_FALSE(status.empty());
    }
    got += read_some(slow, 30000);
  }
  // A block may end within a marker, which can't be parsed before the rest has come.
  while (follow_pattern(got, 0) != kRounds * kRound) {
    std::string block = read_some(slow);
    ASSERT_FALSE(block.empty()) << "stuck at " << follow_pattern(got, 0);
    got += block;
  }
  write_all(control, "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(slow);
  close(control);
}

TEST_F(SupervisorTest, TailJoinsTheLiveOutputWithoutGapOrRepetition) {
  constexpr long kAll = 5800000;
  Launched launched = launch_with_console({"flood", "800000", "line", "flood", "5000000", "line", "exit", "0"});
  for (std::string status; number_in(status, "bytes") != 800000;) {
    status = ask("status");
    ASSERT_FALSE(status.empty());
  }
  int trigger = attach();
  int tail = attach("attach tail 750000");
  write_all(trigger, "\n");
  std::array<int, 3> late = {attach("attach tail 1000000"), attach("attach tail 77"), attach("attach tail 1")};
  // This thread may be slower than the guest. Then dropped output is marked, and nothing else is missing. The output
  // ends with the guest's last line, or with the marker of the bytes that include it.
  std::string got = read_until(tail, "\n");
  EXPECT_EQ(got, "0006250\n");
  const auto whole = [&] {
    return (got.ends_with("\n0724999\n") || got.ends_with(" bytes dropped]\n")) && follow_pattern(got, 50000) == kAll;
  };
  while (!whole()) {
    std::string block = read_some(tail);
    ASSERT_FALSE(block.empty()) << "stuck at " << follow_pattern(got, 50000);
    got += block;
  }
  // Only now: when a VM ends, its supervisor waits a moment, and no longer, for clients that haven't read everything.
  write_all(trigger, "\n");
  for (int fd : late) close(fd);
  close(trigger);
  close(tail);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(follow_pattern(read_file("console.log"), 0), kAll);
}

TEST_F(SupervisorTest, LogRotatesWithinItsLimitAndSaysWhatIsGone) {
  Launched launched = launch_with_console({"flood", "100000", "line", "exit", "0"}, {"--log-max", "8192"});
  for (std::string status; number_in(status, "bytes") != 100000;) {
    status = ask("status");
    ASSERT_FALSE(status.empty());
  }
  int client = attach("attach tail 100000");
  std::string older = read_file("console.log.1");
  std::string current = read_file("console.log");
  EXPECT_LE(older.size() + current.size(), 8192U);
  EXPECT_GT(older.size() + current.size(), 4096U);
  long dropped = 0;
  EXPECT_EQ(follow_pattern(older + current, 0, &dropped), 100000);
  EXPECT_GT(dropped, 90000);
  write_all(client, "\n");
  // A client gets exactly what the files hold.
  EXPECT_EQ(read_all(client), older + current);
  close(client);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(number_in(read_file("exit.json"), "console_dropped"), 0);
}

TEST_F(SupervisorTest, UnwritableLogIsMarkedOnceItCanBeWrittenAgain) {
  Launched launched = launch_with_console({"line", "flood", "5000", "line", "flood", "100", "exit", "0"});
  int client = attach();
  // Simulates a full disk for the supervisor: no file may grow beyond 1000 bytes.
  rlimit before{};
  rlimit full{1000, RLIM_INFINITY};
  ASSERT_EQ(prlimit(launched.supervisor, RLIMIT_FSIZE, &full, &before), 0);
  write_all(client, "\n");
  std::string live;
  while (live.size() < 5000) {
    std::string line = read_until(client, "\n");
    ASSERT_FALSE(line.empty());
    live += line;
  }
  EXPECT_EQ(follow_pattern(live, 0), 5000) << "what can't be logged is still shown";
  EXPECT_EQ(number_in(ask("status"), "dropped"), 4000);
  ASSERT_EQ(prlimit(launched.supervisor, RLIMIT_FSIZE, &before, nullptr), 0);
  write_all(client, "\n");
  close(client);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  std::string log = read_file("console.log");
  EXPECT_EQ(log.substr(1000, 29), "\n[qarax: 4000 bytes dropped]\n");
  EXPECT_EQ(follow_pattern(log, 0), 5100);
  EXPECT_EQ(number_in(read_file("exit.json"), "console_bytes"), 5100);
  EXPECT_EQ(number_in(read_file("exit.json"), "console_dropped"), 4000);
}

TEST_F(SupervisorTest, LostConnectionIsMadeAgainAndTheGapMarked) {
  Launched launched = launch_with_console({"say", "one\n", "again", "10", "say", "two\n", "line", "exit", "0"});
  int client = attach("attach tail 1000");
  const std::string expected = "one\n\n[qarax: console reconnected, output may be missing here]\ntwo\n";
  EXPECT_EQ(read_until(client, "two\n"), expected);
  EXPECT_EQ(read_file("console.log"), expected);
  EXPECT_EQ(number_in(ask("status"), "reconnects"), 1);
  write_all(client, "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(client);
}

TEST_F(SupervisorTest, ASocketThatIsMadeAnewIsTheConsole) {
  // The old connection stays open without any more output. The VMM's working folder is the run folder.
  Launched launched =
      launch_with_console({"say", "one\n", "line", "remake", "serial.sock", "say", "two\n", "line", "say", "three\n",
                           "remake", "serial.sock", "say", "four\n", "line", "exit", "0"});
  int client = attach("attach tail 1000");
  const std::string gap = "\n[qarax: console reconnected, output may be missing here]\n";
  EXPECT_EQ(read_until(client, "one\n"), "one\n");
  write_all(client, "\n");
  EXPECT_EQ(read_until(client, "two\n"), gap + "two\n");
  write_all(client, "\n");
  EXPECT_EQ(read_until(client, "four\n"), "three\n" + gap + "four\n");
  EXPECT_EQ(number_in(ask("status"), "reconnects"), 2);
  write_all(client, "\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  close(client);
}

TEST_F(SupervisorTest, CommandsWorkWhenAllPlacesAreTaken) {
  Launched launched = launch_with_console({"wait"});
  std::vector<int> clients;
  clients.reserve(8);
  for (int i = 0; i < 8; ++i) clients.push_back(attach());
  EXPECT_EQ(ask("attach"), "error 8 clients are attached already\n");
  EXPECT_EQ(number_in(ask("status"), "attached"), 8);
  close(clients.back());
  clients.pop_back();
  for (std::string status; number_in(status, "attached") != 7;) {
    status = ask("status");
    ASSERT_FALSE(status.empty());
  }
  clients.push_back(attach());
  EXPECT_EQ(ask("kill"), "ok\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  for (int fd : clients) close(fd);
}

TEST_F(SupervisorTest, ClientThatEndsItsInputStillListens) {
  Launched launched = launch_with_console({"line", "line", "say", "heard", "exit", "0"});
  int listener = attach();
  write_all(listener, "\n");
  shutdown(listener, SHUT_WR);
  int writer = attach();
  write_all(writer, "\n");
  EXPECT_EQ(read_all(listener), "heard");
  close(listener);
  close(writer);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
}

// Input that the guest's socket and the supervisor's buffer can't hold together: some of it stays in its sender's.
std::string more_than_a_guest_takes() {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  int size = 0;
  socklen_t length = sizeof size;
  EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length), 0);
  close(fd);
  std::string text(static_cast<size_t>(size) + 32768, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('A' + i % 10);
  return text;
}

// Whether the process sleeps at last. One that polls without a pause never does.
bool comes_to_rest(pid_t process) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (std::chrono::steady_clock::now() < until) {
    std::ifstream in("/proc/" + std::to_string(process) + "/stat");
    std::string text;
    std::getline(in, text);
    const size_t name_end = text.rfind(") ");
    if (name_end == std::string::npos) return false;
    if (text[name_end + 2] == 'S') return true;
  }
  return false;
}

TEST_F(SupervisorTest, InputOfAClientThatIsGoneWaitsForTheGuest) {
  Launched launched = launch_with_console({"say", "ready\n", "usr1", "echo", "exit", "0"});
  const std::string text = more_than_a_guest_takes();
  int client = attach();
  write_all(client, text + "q");
  close(client);
  for (std::string status; number_in(status, "attached") != 0;) {
    status = ask("status");
    ASSERT_FALSE(status.empty());
  }
  EXPECT_TRUE(comes_to_rest(launched.supervisor)) << "it polls for a hang-up that it knows of";
  kill(launched.vmm, SIGUSR1);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(read_file("console.log"), "ready\n" + text);
}

TEST_F(SupervisorTest, InputOfAClientThatIsGoneOutlivesOutputForIt) {
  Launched launched =
      launch_with_console({"say", "ready\n", "usr1", "say", "more\n", "log", "said", "line", "say", "heard\n"});
  int client = attach("attach tail 100");
  read_until(client, "ready\n");
  // When the supervisor goes on, it finds the output before the hang-up.
  kill(launched.supervisor, SIGSTOP);
  write_all(client, "typed\n");
  close(client);
  kill(launched.vmm, SIGUSR1);
  while (read_file("vmm.log").find("said\n") == std::string::npos) ASSERT_TRUE(alive(launched.vmm));
  kill(launched.supervisor, SIGCONT);
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
  EXPECT_EQ(read_file("console.log"), "ready\nmore\nheard\n");
}

TEST_F(SupervisorTest, ClientsThatAreGoneGiveTheirPlacesUp) {
  Launched launched = launch_with_console({"wait"});
  int client = attach();
  write_all(client, more_than_a_guest_takes());
  close(client);
  for (std::string status; number_in(status, "attached") != 0;) {
    status = ask("status");
    ASSERT_FALSE(status.empty());
  }
  ASSERT_TRUE(comes_to_rest(launched.supervisor));  // and there is no room for input any more
  for (int i = 0; i < 20; ++i) close(attach());
  EXPECT_EQ(read_file("vmm.log"), "") << "nobody's input was in their way";
  for (int i = 0; i < 20; ++i) {
    client = attach();
    write_all(client, "x");
    close(client);
  }
  EXPECT_NE(read_file("vmm.log").find("console input was dropped"), std::string::npos);
  EXPECT_EQ(ask("kill"), "ok\n");
  EXPECT_EQ(wait_exit(launched.supervisor), 0);
}

}  // namespace
