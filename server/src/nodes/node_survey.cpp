// Finds out, before a node is greeted, which server it obeys. A greeting makes the node obey this server, which must
// not happen if this server's database was set back.
#include "calls.hpp"
#include "node_link.hpp"
#include "qarax/core/addresses.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::server {

namespace {

Error not_ours(const std::string& host_id, const std::string& host, const std::string& why, const std::string& reason) {
  return make_error(Code::failed_precondition,
                    "host " + host + " isn't this server's: " + why + ". POST /hosts/" + host_id +
                        "/adopt shows what taking it over would do",
                    reason);
}

}  // namespace

std::string NodeLink::target() const { return core::host_port(host_->address, host_->port); }

Error NodeLink::unreached(const grpc::Status& status) const {
  Error error = to_error(status);
  error.message = with_advice(std::move(error.message), host_->address, credentials_);
  return error;
}

template <class Call>
grpc::Status NodeLink::stoppable(const ContextPtr& context, Call call) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return {grpc::StatusCode::CANCELLED, "the server is ending"};
    surveys_.insert(context);
  }
  grpc::Status status = call();
  const std::lock_guard lock(mutex_);
  surveys_.erase(context);
  changed_.notify_all();
  return status;
}

Result<NodeSurvey> NodeLink::survey_over(node::v1::Node::Stub& stub, const node::v1::SurveyRequest& request,
                                         std::int64_t timeout_ms) {
  auto context = std::make_shared<grpc::ClientContext>();
  context->set_deadline(in_ms(timeout_ms));
  prepare(*context);
  node::v1::SurveyReply reply;
  const grpc::Status status = stoppable(context, [&] { return stub.Survey(context.get(), request, &reply); });
  if (!status.ok()) return unreached(status);
  NodeSurvey out;
  QARAX_CHECK(read_obeyed(reply.obeyed(), out));
  QARAX_TRY(out.info, read_node_info(reply.node_info()));
  for (const std::string& text : reply.vms()) {
    QARAX_TRY(core::KeptVm vm, read_kept_vm(text));
    out.vms.push_back(std::move(vm));
  }
  return out;
}

Status NodeLink::check_identity(const core::NodeInfo& info) const {
  const HostPtr now = store_.host(host_->id);
  if (!now || now->node_id.empty() || now->node_id == info.node_id) return Ok{};
  return make_error(Code::failed_precondition,
                    "at " + target() + " is node " + info.node_id + ", not node " + now->node_id + ", which host " +
                        host_->name +
                        " is: its data folder is another one now. Give the node its folder back, or register it as a "
                        "host of its own",
                    "other-node");
}

// The proof that this database was set back, by what a node of this cluster says; empty: there is none.
Result<std::string> NodeLink::proof_of_set_back(const NodeSurvey& seen, const Activation& own) {
  const Activation& obeyed = seen.obeyed;
  const std::string whose = "the node of host " + host_->name;
  const auto lost = [&](std::int64_t end) {
    return seen.position <= end ? std::string()
                                : whose + " has heard of change " + std::to_string(seen.position) + " in term " +
                                      std::to_string(obeyed.term) + ", of which this database has only those up to " +
                                      std::to_string(end);
  };
  if (obeyed.id == own.id) return lost(store_.progress().position);
  QARAX_TRY(const bool known, store_.knows_activation(obeyed.id));
  if (!known || obeyed.term >= own.term)
    return whose + " obeys term " + std::to_string(obeyed.term) + " of a server (activation " + obeyed.id +
           ") that this database knows nothing of";
  QARAX_TRY(const auto end, store_.end_of_activation(obeyed.id));
  return end ? lost(*end) : std::string();
}

Status NodeLink::recognise(node::v1::Node::Stub& stub) {
  if (recognised_) return Ok{};
  const std::lock_guard judging(judging_);
  const auto seen = survey_over(stub, {}, kGreetMs);
  // An older node has no Survey; it checks at the greeting itself.
  if (!seen && seen.error().code == Code::unimplemented) return Ok{};
  if (!seen) return seen.error();
  QARAX_CHECK(check_identity(seen->info));
  if (const HostPtr now = store_.host(host_->id); now && now->node_id.empty())
    QARAX_CHECK(store_.pin_node(host_->id, seen->info.node_id));
  const Activation own = store_.activation();
  const Activation& obeyed = seen->obeyed;
  if (obeyed.cluster_id.empty()) return Ok{};
  if (obeyed.cluster_id != own.cluster_id)
    return not_ours(host_->id, host_->name,
                    "its node belongs to cluster " + obeyed.cluster_id + ", this server is cluster " + own.cluster_id,
                    "other-cluster");
  QARAX_TRY(const std::string proof, proof_of_set_back(*seen, own));
  if (proof.empty()) return Ok{};
  QARAX_CHECK(store_.mark_set_back(host_->id, proof));
  return not_ours(host_->id, host_->name, proof, "set-back");
}

// Each revision, and each edition of what the node keeps, was on disk here before it was sent. So a higher one at the
// node proves that this database has lost it. An error: it does, and that couldn't be recorded.
Status NodeLink::look_for_set_back(const core::VmReport& report) {
  const auto proof = [&]() -> std::string {
    const VmPtr vm = store_.vm(report.vm);
    if (!vm || vm->host_id != host_->id) return "";
    const auto words = [&](const std::string& what, std::int64_t theirs, std::int64_t ours) {
      return "the node of host " + host_->name + " has " + what + " " + std::to_string(theirs) + " of VM " + vm->name +
             ", this database knows only up to " + std::to_string(ours);
    };
    if (report.revision > vm->revision) return words("carried out revision", report.revision, vm->revision);
    if (vm->edition > 0 && report.keep_edition > vm->edition)
      return words("been told edition", report.keep_edition, vm->edition);
    return "";
  };
  if (proof().empty()) return Ok{};
  const std::lock_guard judging(judging_);
  const std::string still = proof();
  return still.empty() ? Status(Ok{}) : store_.mark_set_back(host_->id, still);
}

Result<NodeSurvey> NodeLink::survey(const std::vector<std::string>& deleted_of, std::int64_t timeout_ms) {
  node::v1::SurveyRequest request;
  request.set_vms(true);
  for (const std::string& id : deleted_of) request.add_deleted_of(id);
  QARAX_TRY(const auto channel, node_channel(host_->address, host_->port, credentials_, kLargestSurvey));
  const auto stub = node::v1::Node::NewStub(channel);
  auto seen = survey_over(*stub, request, timeout_ms);
  if (!seen && (seen.error().code == Code::unavailable || seen.error().code == Code::deadline_exceeded)) {
    seen.error().code = Code::unavailable;
    seen.error().message = "host " + host_->name + " at " + target() + " can't be reached: " + seen.error().message;
    seen.error().reason = "node-unreachable";
  }
  if (seen)
    if (const Status can = check_adoptable(*seen, store_.activation().term); !can) seen = can.error();
  if (!seen && seen.error().reason == kUnbelievable)
    seen.error().message =
        "the node of host " + host_->name + " reported something impossible: " + seen.error().message;
  return seen;
}

Status NodeLink::adopt(const Activation& seen, const std::function<Status()>& first) {
  QARAX_TRY(const auto channel, node_channel(host_->address, host_->port, credentials_));
  const std::lock_guard judging(judging_);
  QARAX_CHECK(first());
  const Activation own = store_.activation();
  node::v1::AdoptRequest request;
  request.mutable_authority()->set_cluster_id(own.cluster_id);
  request.mutable_authority()->set_term(own.term);
  request.mutable_authority()->set_activation(own.id);
  request.mutable_seen()->set_cluster_id(seen.cluster_id);
  request.mutable_seen()->set_term(seen.term);
  request.mutable_seen()->set_activation(seen.id);
  const auto stub = node::v1::Node::NewStub(channel);
  const auto context = std::make_shared<grpc::ClientContext>();
  context->set_deadline(in_ms(kSurveyMs));
  prepare(*context);
  node::v1::AdoptReply reply;
  const grpc::Status status = stoppable(context, [&] { return stub->Adopt(context.get(), request, &reply); });
  if (!status.ok()) return to_error(status);
  return Ok{};
}

Result<std::vector<core::Leftover>> NodeLink::leftovers(bool collect, const std::vector<std::string>& owned) {
  const ConnectionPtr now = connection();
  if (!now || !up_) return not_connected();
  node::v1::LeftoversRequest request;
  *request.mutable_authority() = now->authority;
  request.set_collect(collect);
  for (const std::string& vm : owned) request.add_owned(vm);
  grpc::ClientContext context;
  context.set_deadline(in_ms(kSurveyMs));
  prepare(context);
  node::v1::LeftoversReply reply;
  const grpc::Status status = now->stub->Leftovers(&context, request, &reply);
  if (!status.ok()) return collect ? to_error(status) : to_read_error(status);
  std::vector<core::Leftover> out;
  for (const std::string& text : reply.leftovers()) {
    QARAX_TRY(core::Leftover one, decode<core::Leftover>(std::string_view(text), Unknown::ignore));
    out.push_back(std::move(one));
  }
  return out;
}

bool NodeLink::is_greeted_as(const std::string& activation) const {
  const std::lock_guard lock(mutex_);
  return up_ && connection_ && connection_->authority.activation() == activation;
}

void NodeLink::reconnect() {
  const std::lock_guard lock(mutex_);
  hurry_ = true;
  up_ = false;  // from here on connect_now() waits for the new greeting
  last_error_ = make_error(Code::unavailable, "it is being greeted anew", "node-unreachable");
  if (stream_) stream_->TryCancel();
  if (greeting_) greeting_->TryCancel();
  changed_.notify_all();
}

}  // namespace qarax::server
