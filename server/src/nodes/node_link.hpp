// The server's connection to one node: greets it, follows its events, sends it commands. Each link has one thread,
// which keeps the connection; commands are asynchronous.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "call_queue.hpp"
#include "fleet.hpp"
#include "node_channel.hpp"
#include "node_store.hpp"
#include "qarax/node/v1/node.grpc.pb.h"

namespace qarax::server {

class ConsoleCall;

// Held by a shared_ptr, because a command may be cancelled while its link is being destroyed.
class NodeLink final : public NodeAccess, public std::enable_shared_from_this<NodeLink> {
 public:
  using Events = Fleet::Events;

  NodeLink(HostPtr host, NodeStore& store, CallQueue& calls, NodeCredentials credentials, Events events);
  ~NodeLink() override;
  // Ends everything that waits for the node (commands in flight end undecided) and keeps anything new from beginning.
  void interrupt();
  // interrupt(), then waits until no callback of this link can come any more.
  void stop();
  NodeLink(const NodeLink&) = delete;
  NodeLink& operator=(const NodeLink&) = delete;

  bool is_up() const override { return up_.load(); }
  bool is_greeted_as(const std::string& activation) const override;
  Status connect_now(std::int64_t timeout_ms) override;
  // node_events.cpp
  // Cuts the stream and the commands in flight if the stream was silent for too long or the node doesn't answer. Called
  // regularly.
  void check_heartbeat();

  // node_calls.cpp
  void cancel(const std::string& vm_id, std::int64_t revision, const std::string& request_id) override;
  std::function<void()> execute(NodeCommand command, std::int64_t timeout_ms,
                                std::function<void(CommandOutcome)> done) override;
  bool knows(std::string_view feature) const override;
  void keep(const VmRecord& vm, const RawJson& words) override;
  // node_questions.cpp
  Result<Counters> counters(const std::string& vm_id, std::int64_t timeout_ms) override;
  Result<VmSpec> resolve(const core::StartCommand& command, std::int64_t timeout_ms) override;
  Result<std::string> read_vmm_log(const std::string& vm_id, std::int64_t timeout_ms) override;
  Status read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                      const std::function<bool(std::string_view)>& sink, const std::stop_token& stop) override;
  Result<std::unique_ptr<ConsoleLine>> attach_console(const std::string& vm_id, std::int64_t tail_bytes,
                                                      std::int64_t timeout_ms) override;
  // node_survey.cpp
  Result<NodeSurvey> survey(const std::vector<std::string>& deleted_of, std::int64_t timeout_ms) override;
  Status adopt(const Activation& seen, const std::function<Status()>& first) override;
  Result<std::vector<core::Leftover>> leftovers(bool collect, const std::vector<std::string>& owned) override;
  void reconnect() override;

 private:
  struct Connection {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<node::v1::Node::Stub> stub;
    node::v1::Authority authority;
    std::set<std::string, std::less<>> features;
    std::string_view over;  // tcp, unix
  };
  using ConnectionPtr = std::shared_ptr<Connection>;
  using ContextPtr = std::shared_ptr<grpc::ClientContext>;
  template <class Reply>
  class InFlight;
  template <class Request, class Reply>
  using AsyncMethod = std::unique_ptr<grpc::ClientAsyncResponseReader<Reply>> (node::v1::Node::Stub::*)(
      grpc::ClientContext*, const Request&, grpc::CompletionQueue*);

  // Why there is no connection, or no longer one. The initial values apply if an exception ended the attempt.
  struct Ended {
    std::string reason = "the server failed at it; its log has the reason";
    std::string slug = "node-unreachable";  // slug of the problem catalogue
  };

  void run();
  Ended reach();
  bool leave(const Ended& ended);
  Result<ConnectionPtr> greet(const std::shared_ptr<grpc::Channel>& channel, bool unix_socket, core::NodeInfo& info);
  Result<ConnectionPtr> connect(core::NodeInfo& info);
  std::string target() const;
  Error unreached(const grpc::Status& status) const;
  // A call on its caller's thread; stop() ends it and waits for it.
  template <class Call>
  grpc::Status stoppable(const ContextPtr& context, Call call);
  Result<NodeSurvey> survey_over(node::v1::Node::Stub& stub, const node::v1::SurveyRequest& request,
                                 std::int64_t timeout_ms);
  Status recognise(node::v1::Node::Stub& stub);
  Result<std::string> proof_of_set_back(const NodeSurvey& seen, const Activation& own);
  Status check_identity(const core::NodeInfo& info) const;
  Status look_for_set_back(const core::VmReport& report);
  // node_events.cpp
  struct Stream;
  // Takes in events until the stream ends; returns why it ended.
  std::string follow(const ConnectionPtr& connection);
  // These three return why the stream must end, or an empty text.
  std::string take_in(const node::v1::Event& event, Stream& stream);
  std::string on_report(std::string_view document, Stream& stream);
  std::string on_snapshot_end(Stream& stream);
  void on_node_info(std::string_view document);
  void lose_unseen(const Stream& stream);
  // node_link.cpp
  void prepare(grpc::ClientContext& context) const;
  std::string name() const;          // the host's present name
  void cancel_calls();               // with mutex_ held
  void cut(const std::string& why);  // with mutex_ held
  ConnectionPtr connection() const;
  // node_calls.cpp
  template <class Request, class Reply>
  void call(AsyncMethod<Request, Reply> method, const ConnectionPtr& over, const ContextPtr& context,
            const Request& request, std::function<void(const grpc::Status&, const Reply&)> done);
  Error not_connected() const;
  Error unusable() const;  // the reason; call with mutex_ held
  void cancel_at_node(const ConnectionPtr& over, const node::v1::CancelRequest& request);
  void probe(const ConnectionPtr& over, const ContextPtr& context);
  node::v1::Authority authority_over(const Connection& connection);
  // node_questions.cpp
  template <class Request, class Reply>
  Result<Reply> ask(grpc::Status (node::v1::Node::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                    Request request, std::int64_t timeout_ms) const;

  const HostPtr host_;
  NodeStore& store_;
  CallQueue& calls_queue_;
  const NodeCredentials credentials_;
  const Events events_;

  // Held while what the node says is checked, and recorded, as proof that the database was set back, and during an
  // adopt. Locked before mutex_.
  std::mutex judging_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ConnectionPtr connection_;
  ContextPtr greeting_;
  ContextPtr stream_;
  std::set<ContextPtr> calls_;                                   // calls of node_calls.cpp in flight
  std::map<ContextPtr, std::shared_ptr<ConsoleCall>> consoles_;  // open ones, and those being opened
  std::set<ContextPtr> surveys_;  // surveys and adopts in flight, on their callers' threads
  Error last_error_ = make_error(Code::unavailable, "it hasn't been reached yet", "node-unreachable");
  std::string cut_because_;  // why the stream is about to end; empty: it isn't
  bool probing_ = false;
  std::int64_t probed_ns_ = 0;         // when the last probe was answered
  std::atomic<std::int64_t> told_{0};  // the position that the node was told last
  bool stopping_ = false;
  bool hurry_ = false;
  bool recognised_ = false;  // link's thread only: this node was greeted, and obeyed no other server
  std::uint64_t attempts_ = 0;
  std::atomic<bool> up_{false};
  std::atomic<std::int64_t> last_event_ns_{0};  // far in the future while one is being handled
  std::thread thread_;
};

}  // namespace qarax::server
