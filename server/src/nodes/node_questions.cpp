// Questions about one VM to a node that was greeted, answered on their callers' threads, and the VM's console.
#include <stop_token>

#include "calls.hpp"
#include "node_console.hpp"
#include "node_link.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kWholeLogMs = 30'000;  // for all that the serial log has by now

}  // namespace

// A query on the caller's thread. stop() neither ends it nor waits for it, so it must be short.
template <class Request, class Reply>
Result<Reply> NodeLink::ask(grpc::Status (node::v1::Node::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                            Request request, std::int64_t timeout_ms) const {
  const ConnectionPtr now = connection();
  if (!now) return not_connected();
  grpc::ClientContext context;
  prepare(context);
  context.set_deadline(in_ms(timeout_ms));
  *request.mutable_authority() = now->authority;
  Reply reply;
  if (const grpc::Status status = (now->stub.get()->*method)(&context, request, &reply); !status.ok())
    return to_read_error(status);
  return reply;
}

Result<Counters> NodeLink::counters(const std::string& vm_id, std::int64_t timeout_ms) {
  node::v1::VmRequest request;
  request.set_vm(vm_id);
  QARAX_TRY(const auto reply, ask(&node::v1::Node::Stub::Counters, std::move(request), timeout_ms));
  return decode<Counters>(std::string_view(reply.counters()), Unknown::ignore);
}

Result<VmSpec> NodeLink::resolve(const core::StartCommand& command, std::int64_t timeout_ms) {
  node::v1::ResolveRequest request;
  request.set_document(encode(command));
  QARAX_TRY(const auto reply, ask(&node::v1::Node::Stub::Resolve, std::move(request), timeout_ms));
  return decode<VmSpec>(std::string_view(reply.resolved()), Unknown::ignore);
}

Result<std::string> NodeLink::read_vmm_log(const std::string& vm_id, std::int64_t timeout_ms) {
  node::v1::VmRequest request;
  request.set_vm(vm_id);
  QARAX_TRY(const auto reply, ask(&node::v1::Node::Stub::ReadVmmLog, std::move(request), timeout_ms));
  return core::cut_log(json::repair_utf8(reply.tail()));
}

Status NodeLink::read_console(const std::string& vm_id, std::int64_t tail_bytes, bool follow,
                              const std::function<bool(std::string_view)>& sink, const std::stop_token& stop) {
  const ConnectionPtr now = connection();
  if (!now) return not_connected();
  grpc::ClientContext context;
  prepare(context);
  if (!follow) context.set_deadline(in_ms(kWholeLogMs));
  // A context that is cancelled before its call begins cancels the call when it begins.
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  node::v1::ConsoleRequest request;
  *request.mutable_authority() = now->authority;
  request.set_vm(vm_id);
  request.set_tail_bytes(tail_bytes);
  request.set_follow(follow);
  auto reader = now->stub->ReadConsole(&context, request);
  node::v1::ConsoleChunk chunk;
  while (reader->Read(&chunk)) {
    if (sink(chunk.data())) continue;
    context.TryCancel();
    break;
  }
  const grpc::Status status = reader->Finish();
  if (status.ok() || status.error_code() == grpc::StatusCode::CANCELLED) return Ok{};
  return to_read_error(status);
}

Result<std::unique_ptr<ConsoleLine>> NodeLink::attach_console(const std::string& vm_id, std::int64_t tail_bytes,
                                                              std::int64_t timeout_ms) {
  auto context = std::make_shared<grpc::ClientContext>();
  const auto call = std::make_shared<ConsoleCall>(context, [this, context] {
    // Must come last: the link may be destroyed after this.
    const std::lock_guard lock(mutex_);
    consoles_.erase(context);
    changed_.notify_all();
  });
  ConnectionPtr now;
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && up_) now = connection_;
    if (now) consoles_.emplace(context, call);
  }
  if (!now) return not_connected();
  prepare(*context);
  node::v1::ConsoleRequest request;
  *request.mutable_authority() = now->authority;
  request.set_vm(vm_id);
  request.set_tail_bytes(tail_bytes);
  call->start(*now->stub, now, calls_queue_.queue(), request);
  QARAX_CHECK(call->wait_open(std::chrono::milliseconds(timeout_ms)));
  return std::unique_ptr<ConsoleLine>(std::make_unique<NodeConsole>(call));
}

}  // namespace qarax::server
