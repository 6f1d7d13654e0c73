// A node agent without VMs: it keeps the protocol's rules and misbehaves on request. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fleet.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/core/lifecycle.hpp"

namespace qarax::server {

class FakeNode {
 public:
  FakeNode();

  // stop(): the agent is gone, as if by kill -9; its VMs stay. start(): it is back, with a new session.
  void stop();
  void start();

  // -- what it shall do next --
  void lose_replies(int count);  // these commands are carried out, but the caller gets UNAVAILABLE
  // Commands don't return until they are cancelled (and undone) or hang(false) is called. One whose call broke off goes
  // on meanwhile, as node.proto says.
  void hang(bool hangs);
  void fail(Error error);    // the next command fails with it; code ok: none does
  void forget_features();    // announces no features, as a node older than all of them
  void pretend_to_delete();  // the next delete is answered with success, but the VM stays
  void hold_adopts();        // adopts aren't answered until their call ends

  // Queries about a VM fail with it; without a reason: as if the node itself said nothing.
  void fail_reads(Error error);

  void lose_keeps(int count);  // the next keep() calls keep nothing, as if its disk were full
  void refuse(Error error);    // the plugin's error for every resolve; code ok: none

  // -- what it has seen --
  std::map<std::string, VmState> vms() const;
  int carried_out(core::Action action) const;
  bool was_cancelled(const std::string& vm, std::int64_t revision) const;
  int told_to_keep() const;                          // number of keep() calls
  std::int64_t position() const;                     // of the server that it obeys
  void wait_for_command(core::Action action) const;  // blocks until such a command has arrived
  void wait_for_adopt() const;                       // blocks until an adopt is held
  // Changes the VM's state without a command.
  void set_state(const std::string& vm, VmState state);
  // As if another server had given commands since.
  void obey(const Activation& other, std::int64_t position = 0);
  void raise_revision(const std::string& vm, std::int64_t revision);
  // As if the node had been told that edition since.
  void raise_edition(const std::string& vm, std::int64_t edition);
  // Adds a leftover that no VM owns; the next collect removes it.
  void leave(core::Leftover leftover);
  std::vector<core::Leftover> leftovers(bool collect, const std::vector<std::string>& owned = {});
  int collected() const;  // number of collects
  // As if the node had another data folder now.
  void change_identity();
  // Announces a unix socket for servers on the machine with that boot id.
  void tell_of_socket(std::string path, std::string boot_id);

  // -- the protocol --
  core::NodeInfo info() const;
  NodeSurvey survey(const std::vector<std::string>& deleted_of) const;
  std::optional<Error> greet(const Activation& server);
  std::optional<Error> adopt(const Activation& server, const Activation& seen);
  void await_adopt(const std::function<bool()>& is_left);  // call before adopt()
  bool knows(std::string_view feature) const;
  struct Answer {
    bool connection_broke = false;
    std::optional<Error> refused;            // the whole call was refused
    std::optional<core::VmReport> report{};  // else the command's result
    std::optional<Error> error{};
  };
  struct Call {
    NodeCommand command;
    std::string session;       // the node's session that the call is meant for
    bool outlives_it = false;  // the command goes on without its call, as CommandRequest.outlives_call
  };
  // `is_left` returns true once the caller has gone.
  Answer execute(const Call& call, const std::function<bool()>& is_left);
  void cancel(const std::string& vm, std::int64_t revision);
  void keep(const std::string& vm, const std::string& name, const RawJson& words, std::int64_t edition);
  void reached(const Activation& server, std::int64_t position);
  // Passes the snapshot and then every change to `sink`, under the node's lock, until that returns false, the agent is
  // gone or `is_cancelled` returns true. A null report is a heartbeat; one with an empty `vm` ends the snapshot.
  void watch(const std::function<bool(const core::VmReport*)>& sink, const std::function<bool()>& is_cancelled);
  bool is_gone() const;
  Result<VmSpec> resolve(const core::StartCommand& command) const;
  Result<Counters> counters() const;

 private:
  struct Vm {
    core::VmReport report;
    std::int64_t revision = 0;
    std::optional<Answer> result;  // of the command with that revision
    core::StartCommand given;
    std::vector<core::KeptSnapshot> snapshots;
  };
  void changed(Vm& vm);  // with mutex_ held
  // With mutex_ held.
  bool is_decided(const NodeCommand& command) const;
  bool fails(const NodeCommand& command) const;
  Answer settle(const NodeCommand& command);
  Answer carry_out(const NodeCommand& command);

  std::string node_id_;
  std::string unix_socket_;
  std::string boot_id_;
  Activation obeyed_;
  std::int64_t position_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::string session_;
  std::int64_t seq_ = 0;
  std::map<std::string, Vm> vms_;
  std::map<std::string, std::int64_t> tombstones_;
  std::set<std::pair<std::string, std::int64_t>> cancelled_;  // VM and revision
  std::vector<NodeCommand> left_;                             // commands that go on without their call
  std::deque<core::VmReport> log_;                            // reports of this session
  std::multiset<core::Action> arrived_;
  std::multiset<core::Action> done_;
  int lost_replies_ = 0;
  int kept_ = 0;
  int lost_keeps_ = 0;
  int collected_ = 0;
  std::vector<core::Leftover> leftovers_;
  bool hangs_ = false;
  Error failure_{Code::ok, {}, {}, {}, false, 0, {}, {}};
  std::optional<Error> read_failure_;
  Error refusal_{Code::ok, {}, {}, {}, false, 0, {}, {}};
  bool stopping_ = false;
  bool outdated_ = false;
  bool pretends_ = false;
  bool holds_adopts_ = false;
  bool adopt_arrived_ = false;
};

}  // namespace qarax::server
