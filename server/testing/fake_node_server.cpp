#include "fake_node_server.hpp"

#include <chrono>

#include "qarax/core/ids.hpp"
#include "qarax/node/v1/actions.hpp"

namespace qarax::server {

namespace {

Activation activation_of(const node::v1::Authority& a) { return {a.cluster_id(), a.term(), a.activation()}; }

grpc::Status refused(const Error& error) {
  return {static_cast<grpc::StatusCode>(error.code), error.message, encode(error)};
}

FakeNode::Call call_of(const node::v1::CommandRequest& request) {
  return {{node::v1::from_proto(request.action()).value(), request.vm(), request.incarnation(), request.revision(),
           request.request_id(), request.document()},
          request.authority().session(),
          request.outlives_call()};
}

}  // namespace

FakeNodeServer::FakeNodeServer(FakeNode& node) : node_(node) { listen(); }

FakeNodeServer::~FakeNodeServer() { stop(); }

void FakeNodeServer::listen() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::InsecureServerCredentials(), &port_);
  if (!unix_socket_.empty()) builder.AddListeningPort("unix:" + unix_socket_, grpc::InsecureServerCredentials());
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

void FakeNodeServer::start() {
  node_.start();
  listen();
}

void FakeNodeServer::offer_unix_socket(const std::string& path, bool here) {
  stop();
  unix_socket_ = path;
  node_.tell_of_socket(path, here ? core::boot_identity() : "elsewhere");
  start();
}

void FakeNodeServer::after_survey(std::function<void()> then) {
  const std::lock_guard lock(mutex_);
  after_survey_ = std::move(then);
}

void FakeNodeServer::skip_one() { skips_ = true; }

std::string FakeNodeServer::commanded_from() const {
  const std::lock_guard lock(mutex_);
  return commanded_from_;
}

void FakeNodeServer::stop() {
  if (!server_) return;
  node_.stop();
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

grpc::Status FakeNodeServer::Survey(grpc::ServerContext*, const node::v1::SurveyRequest* request,
                                    node::v1::SurveyReply* reply) {
  if (request->has_authority()) node_.reached(activation_of(request->authority()), request->authority().position());
  const NodeSurvey seen = node_.survey({request->deleted_of().begin(), request->deleted_of().end()});
  reply->mutable_obeyed()->set_cluster_id(seen.obeyed.cluster_id);
  reply->mutable_obeyed()->set_term(seen.obeyed.term);
  reply->mutable_obeyed()->set_activation(seen.obeyed.id);
  reply->mutable_obeyed()->set_position(seen.position);
  reply->set_node_info(encode(seen.info));
  if (!request->vms()) return grpc::Status::OK;
  for (const core::KeptVm& vm : seen.vms) reply->add_vms(encode(vm));
  std::function<void()> then;
  {
    const std::lock_guard lock(mutex_);
    then.swap(after_survey_);
  }
  if (then) then();
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Adopt(grpc::ServerContext* context, const node::v1::AdoptRequest* request,
                                   node::v1::AdoptReply*) {
  node_.await_adopt([&] { return context->IsCancelled(); });
  const auto no = node_.adopt(activation_of(request->authority()), activation_of(request->seen()));
  return no ? refused(*no) : grpc::Status::OK;
}

grpc::Status FakeNodeServer::Leftovers(grpc::ServerContext*, const node::v1::LeftoversRequest* request,
                                       node::v1::LeftoversReply* reply) {
  for (const core::Leftover& one :
       node_.leftovers(request->collect(), {request->owned().begin(), request->owned().end()}))
    reply->add_leftovers(encode(one, Defaults::write));
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Hello(grpc::ServerContext*, const node::v1::HelloRequest* request,
                                   node::v1::HelloReply* reply) {
  if (const auto no = node_.greet(activation_of(request->authority()))) return refused(*no);
  node_.reached(activation_of(request->authority()), request->authority().position());
  const core::NodeInfo info = node_.info();
  reply->set_protocol(1);
  reply->set_min_protocol(1);
  reply->set_session(info.session);
  reply->set_node_info(encode(info));
  for (const std::string_view feature : core::kFeatures)
    if (node_.knows(feature)) reply->add_features(std::string(feature));
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Counters(grpc::ServerContext*, const node::v1::VmRequest*,
                                      node::v1::CountersReply* reply) {
  const auto counted = node_.counters();
  if (!counted && counted.error().reason.empty())
    return {static_cast<grpc::StatusCode>(counted.error().code), counted.error().message};
  if (!counted) return refused(counted.error());
  reply->set_counters(encode(*counted));
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Resolve(grpc::ServerContext*, const node::v1::ResolveRequest* request,
                                     node::v1::ResolveReply* reply) {
  const auto command = decode<core::StartCommand>(std::string_view(request->document()), Unknown::ignore);
  if (!command) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, command.error().message);
  const auto resolved = node_.resolve(*command);
  if (!resolved)
    return {static_cast<grpc::StatusCode>(resolved.error().code), resolved.error().message, encode(resolved.error())};
  reply->set_resolved(encode(*resolved));
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Execute(grpc::ServerContext* context, const node::v1::CommandRequest* request,
                                     node::v1::CommandReply* reply) {
  {
    const std::lock_guard lock(mutex_);
    commanded_from_ = context->peer();
  }
  node_.reached(activation_of(request->authority()), request->authority().position());
  const FakeNode::Answer answer = node_.execute(call_of(*request), [&] { return context->IsCancelled(); });
  if (answer.refused) return refused(*answer.refused);
  if (answer.connection_broke) return {grpc::StatusCode::UNAVAILABLE, "the connection broke"};
  if (answer.report) reply->set_report(encode(*answer.report));
  if (answer.error) reply->set_error(encode(*answer.error));
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Cancel(grpc::ServerContext*, const node::v1::CancelRequest* request,
                                    node::v1::CancelReply*) {
  if (!node_.knows(core::kFeatureCancel)) return {grpc::StatusCode::UNIMPLEMENTED, "an older node"};
  node_.cancel(request->vm(), request->revision());
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Keep(grpc::ServerContext*, const node::v1::KeepRequest* request, node::v1::KeepReply*) {
  node_.reached(activation_of(request->authority()), request->authority().position());
  node_.keep(request->vm(), request->name(), RawJson{request->keep()}, request->edition());
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::AttachConsole(
    grpc::ServerContext* context, grpc::ServerReaderWriter<node::v1::ConsoleChunk, node::v1::ConsoleInput>* stream) {
  node::v1::ConsoleInput opening;
  stream->Read(&opening);
  context->AddInitialMetadata(core::kConsoleOpen, "1");
  node::v1::ConsoleChunk chunk;
  chunk.set_data(std::string(std::size_t{1} << 20, 'x'));
  stream->Write(chunk);
  for (node::v1::ConsoleInput typed; stream->Read(&typed);) {
  }
  return grpc::Status::CANCELLED;
}

void FakeNodeServer::garble(const std::string& vm, std::string document) {
  const std::lock_guard lock(mutex_);
  garbled_[vm] = std::move(document);
}

void FakeNodeServer::garble_no_more(const std::string& vm) {
  const std::lock_guard lock(mutex_);
  garbled_.erase(vm);
}

void FakeNodeServer::come_further(core::CommandProgress progress) {
  const std::lock_guard lock(mutex_);
  progress_.push_back(std::move(progress));
}

grpc::Status FakeNodeServer::Watch(grpc::ServerContext* context, const node::v1::WatchRequest*,
                                   grpc::ServerWriter<node::v1::Event>* writer) {
  ++watches_;
  std::int64_t seq = 0;
  const auto write = [&](node::v1::Event event) {
    event.set_seq(++seq);
    return writer->Write(event);
  };
  node::v1::Event begin;
  begin.mutable_begin()->set_session(node_.info().session);
  write(begin);
  node_.watch(
      [&](const core::VmReport* report) {
        if (report != nullptr && !report->vm.empty() && skips_.exchange(false)) {
          ++seq;
          return true;
        }
        std::vector<core::CommandProgress> progress;
        std::string document = report != nullptr ? encode(*report) : std::string();
        {
          const std::lock_guard lock(mutex_);
          progress.swap(progress_);
          const auto garbled = report != nullptr ? garbled_.find(report->vm) : garbled_.end();
          if (garbled != garbled_.end()) document = garbled->second;
        }
        for (const core::CommandProgress& one : progress) {
          node::v1::Event further;
          further.set_progress(encode(one));
          if (!write(further)) return false;
        }
        node::v1::Event event;
        if (report == nullptr)
          event.mutable_heartbeat();
        else if (report->vm.empty())
          event.mutable_end();
        else if (document.empty())
          return true;
        else
          event.set_report(document);
        return write(event);
      },
      [&] { return context->IsCancelled(); });
  return grpc::Status::OK;
}

}  // namespace qarax::server
