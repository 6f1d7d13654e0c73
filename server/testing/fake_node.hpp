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

  // The agent is gone, as by kill -9; its VMs stay. start(): back, with a new session.
  void stop();
  void start();

  // -- what it shall do next --
  void lose_replies(int count);  // carried out, and the caller hears UNAVAILABLE
  void hang(bool hangs);         // commands don't return until they are cancelled (and undone) or this is false. One
                                 // whose call broke off goes on meanwhile, as node.proto says
  void fail(Error error);        // the next command fails with it; empty code: none
  void forget_features();        // as a node that is older than all of them says it
  void pretend_to_delete();      // the next delete is answered with success, and the VM is there
  void hold_adopts();            // no answer, until their call is left

  void fail_reads(Error error);  // questions about a VM fail with it; without a reason: as if the node said nothing

  void refuse(Error error);  // what its plugin says of the next resolve; empty code: nothing

  // -- what it has seen --
  std::map<std::string, VmState> vms() const;
  int carried_out(core::Action action) const;
  bool was_cancelled(const std::string& vm, std::int64_t revision) const;
  int told_to_keep() const;                          // how often
  std::int64_t position() const;                     // of whom it obeys
  void wait_for_command(core::Action action) const;  // until one such has arrived
  void wait_for_adopt() const;                       // as well, of those that are held
  // A change that no command made.
  void set_state(const std::string& vm, VmState state);
  // As if another server had commanded it since.
  void obey(const Activation& other, std::int64_t position = 0);
  void raise_revision(const std::string& vm, std::int64_t revision);
  // As if it had been told so since.
  void raise_edition(const std::string& vm, std::int64_t edition);
  // What no VM owns; gone with the next collect.
  void leave(core::Leftover leftover);
  std::vector<core::Leftover> leftovers(bool collect, const std::vector<std::string>& owned = {});
  int collected() const;  // how often it was asked to
  // Its data folder is another one now.
  void change_identity();
  // Where it can be reached by who is on the machine of that boot.
  void tell_of_socket(std::string path, std::string boot_id);

  // -- the protocol --
  core::NodeInfo info() const;
  NodeSurvey survey(const std::vector<std::string>& deleted_of) const;
  std::optional<Error> greet(const Activation& server);
  std::optional<Error> adopt(const Activation& server, const Activation& seen);
  void await_adopt(const std::function<bool()>& is_left);  // before it
  bool knows(std::string_view feature) const;
  struct Answer {
    bool connection_broke = false;
    std::optional<Error> refused;            // the call as a whole
    std::optional<core::VmReport> report{};  // what came of the command otherwise
    std::optional<Error> error{};
  };
  struct Call {
    NodeCommand command;
    std::string session;       // of the node, which it is meant for
    bool outlives_it = false;  // the command, as CommandRequest.outlives_call
  };
  // `is_left`: the caller listens no more.
  Answer execute(const Call& call, const std::function<bool()>& is_left);
  void cancel(const std::string& vm, std::int64_t revision);
  void keep(const std::string& vm, const std::string& name, const RawJson& words, std::int64_t edition);
  void reached(const Activation& server, std::int64_t position);
  // The snapshot, then every change, each handed to `sink` under the node's lock, until that says false, the agent is
  // gone or `is_cancelled`. Null: a heartbeat. An empty `vm`: the snapshot's end.
  void watch(const std::function<bool(const core::VmReport*)>& sink, const std::function<bool()>& is_cancelled);
  bool is_gone() const;
  Result<VmSpec> resolve(const core::StartCommand& command) const;
  Result<Counters> counters() const;

 private:
  struct Vm {
    core::VmReport report;
    std::int64_t revision = 0;
    std::optional<Answer> result;  // of the command of that revision
    core::StartCommand given;
    std::vector<core::KeptSnapshot> snapshots;
  };
  void changed(Vm& vm);  // with mutex_ held
  // With mutex_ held.
  bool is_decided(const NodeCommand& command) const;
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
  std::vector<NodeCommand> left_;                             // under way, and nobody listens
  std::deque<core::VmReport> log_;                            // of this session
  std::multiset<core::Action> arrived_;
  std::multiset<core::Action> done_;
  int lost_replies_ = 0;
  int kept_ = 0;
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
