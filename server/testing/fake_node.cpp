#include "fake_node.hpp"

#include <algorithm>
#include <utility>

#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

core::Action action_of(node::v1::Action action) {
  switch (action) {
    case node::v1::ACTION_STOP:
      return core::Action::stop;
    case node::v1::ACTION_FORCE_STOP:
      return core::Action::force_stop;
    case node::v1::ACTION_PAUSE:
      return core::Action::pause;
    case node::v1::ACTION_RESUME:
      return core::Action::resume;
    case node::v1::ACTION_REBOOT:
      return core::Action::reboot;
    case node::v1::ACTION_DELETE:
      return core::Action::remove;
    case node::v1::ACTION_RESIZE:
      return core::Action::resize;
    case node::v1::ACTION_SNAPSHOT:
      return core::Action::snapshot;
    case node::v1::ACTION_RESTORE:
      return core::Action::restore;
    case node::v1::ACTION_DELETE_SNAPSHOT:
      return core::Action::drop_snapshot;
    default:
      return core::Action::start;
  }
}

grpc::Status refused(const Error& error) {
  return {static_cast<grpc::StatusCode>(error.code), error.message, encode(error)};
}

}  // namespace

FakeNode::FakeNode() : node_id_(core::new_uuid()) { start(); }

void FakeNode::start() {
  const std::lock_guard lock(mutex_);
  stopping_ = false;
  session_ = core::new_uuid();
  seq_ = 0;
  log_.clear();
  for (auto& [id, vm] : vms_) {
    vm.report.session = session_;
    vm.report.seq = ++seq_;
  }
}

void FakeNode::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    left_.clear();
  }
  changed_.notify_all();
}

bool FakeNode::is_gone() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void FakeNode::lose_replies(int count) {
  const std::lock_guard lock(mutex_);
  lost_replies_ = count;
}

void FakeNode::hang(bool hangs) {
  const std::lock_guard lock(mutex_);
  hangs_ = hangs;
  if (!hangs)
    for (const auto& request : std::exchange(left_, {})) settle(request);
  changed_.notify_all();
}

void FakeNode::fail(Error error) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(error);
}

void FakeNode::forget_features() {
  const std::lock_guard lock(mutex_);
  outdated_ = true;
}

void FakeNode::refuse(Error error) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(error);
}

bool FakeNode::knows(std::string_view feature) const {
  const std::lock_guard lock(mutex_);
  return !outdated_ &&
         std::find(std::begin(core::kFeatures), std::end(core::kFeatures), feature) != std::end(core::kFeatures);
}

Result<VmSpec> FakeNode::resolve(const core::StartCommand& command) const {
  const std::lock_guard lock(mutex_);
  if (refusal_.code != Code::ok) return refusal_;
  VmSpec out = command.resolved.value_or(command.spec);
  if (out.config.text == "null") out.config.text = R"({"machine":"frozen-1"})";
  return out;
}

std::map<std::string, VmState> FakeNode::vms() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, VmState> out;
  for (const auto& [id, vm] : vms_) out[id] = vm.report.status.state;
  return out;
}

int FakeNode::carried_out(core::Action action) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(done_.count(action));
}

void FakeNode::wait_for_command(core::Action action) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return arrived_.contains(action); });
}

void FakeNode::set_state(const std::string& id, VmState state) {
  const std::lock_guard lock(mutex_);
  Vm& vm = vms_.at(id);
  vm.report.status.state = state;
  changed(vm);
}

void FakeNode::obey(const Activation& other, std::int64_t position) {
  const std::lock_guard lock(mutex_);
  obeyed_ = other;
  position_ = position;
}

void FakeNode::reached(const Activation& server, std::int64_t position) {
  const std::lock_guard lock(mutex_);
  if (obeyed_.id == server.id) position_ = std::max(position_, position);
  changed_.notify_all();
}

std::int64_t FakeNode::position() const {
  const std::lock_guard lock(mutex_);
  return position_;
}

void FakeNode::raise_edition(const std::string& id, std::int64_t edition) {
  const std::lock_guard lock(mutex_);
  Vm& vm = vms_.at(id);
  vm.given.keep_edition = edition;
  changed(vm);
}

void FakeNode::raise_revision(const std::string& id, std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  Vm& vm = vms_.at(id);
  vm.revision = revision;
  changed(vm);
}

void FakeNode::change_identity() {
  const std::lock_guard lock(mutex_);
  node_id_ = core::new_uuid();
}

NodeSurvey FakeNode::survey(const std::vector<std::string>& deleted_of) const {
  NodeSurvey out;
  out.info = info();
  const std::lock_guard lock(mutex_);
  out.obeyed = obeyed_;
  out.position = outdated_ ? 0 : position_;
  for (const auto& [id, vm] : vms_) {
    core::KeptVm kept;
    kept.report = vm.report;
    kept.report.name = vm.given.name;
    kept.report.hypervisor = vm.given.hypervisor;
    kept.spec = vm.given.spec;
    kept.keep = vm.given.keep;
    kept.boot_source_id = vm.given.boot_source_id;
    kept.snapshots = vm.snapshots;
    out.vms.push_back(std::move(kept));
  }
  for (const std::string& id : deleted_of) {
    const auto stone = tombstones_.find(id);
    if (stone == tombstones_.end()) continue;
    core::KeptVm kept;
    kept.report.vm = id;
    kept.report.revision = stone->second;
    kept.report.deleted = true;
    out.vms.push_back(std::move(kept));
  }
  return out;
}

std::optional<Error> FakeNode::greet(const Activation& server) {
  const std::lock_guard lock(mutex_);
  if (!obeyed_.cluster_id.empty() && obeyed_.cluster_id != server.cluster_id)
    return make_error(Code::failed_precondition, "another cluster", "other-cluster");
  if (server.term < obeyed_.term || (server.term == obeyed_.term && server.id != obeyed_.id))
    return make_error(Code::aborted, "a stale term", "stale-term");
  if (obeyed_.id != server.id) position_ = 0;
  obeyed_ = server;
  return std::nullopt;
}

std::optional<Error> FakeNode::adopt(const Activation& server, const Activation& seen) {
  const std::lock_guard lock(mutex_);
  if (obeyed_.id != seen.id) return make_error(Code::aborted, "it obeys another one now", "plan-changed");
  if (obeyed_.id != server.id) position_ = 0;
  obeyed_ = server;
  return std::nullopt;
}

void FakeNode::leave(core::Leftover leftover) {
  const std::lock_guard lock(mutex_);
  leftovers_.push_back(std::move(leftover));
}

std::vector<core::Leftover> FakeNode::leftovers(bool collect) {
  const std::lock_guard lock(mutex_);
  std::vector<core::Leftover> out = leftovers_;
  if (!collect) return out;
  ++collected_;
  leftovers_.clear();
  for (core::Leftover& one : out) one.removed = true;
  return out;
}

int FakeNode::collected() const {
  const std::lock_guard lock(mutex_);
  return collected_;
}

int FakeNode::told_to_keep() const {
  const std::lock_guard lock(mutex_);
  return kept_;
}

void FakeNode::keep(const std::string& id, const std::string& name, const RawJson& words, std::int64_t edition) {
  const std::lock_guard lock(mutex_);
  ++kept_;
  const auto vm = vms_.find(id);
  if (vm == vms_.end() || (edition > 0 && edition < vm->second.given.keep_edition)) return;
  vm->second.given.name = name;
  vm->second.given.keep = words;
  vm->second.given.keep_edition = edition;
  changed(vm->second);
}

void FakeNode::changed(Vm& vm) {
  if (!outdated_) {
    vm.report.keep = core::fingerprint_of_keep(vm.given.name, vm.given.keep);
    vm.report.keep_edition = vm.given.keep_edition;
  }
  vm.report.session = session_;
  vm.report.seq = ++seq_;
  vm.report.revision = vm.revision;
  log_.push_back(vm.report);
  changed_.notify_all();
}

core::NodeInfo FakeNode::info() const {
  const std::lock_guard lock(mutex_);
  core::NodeInfo out;
  out.node_id = node_id_;
  out.session = session_;
  out.version = "fake";
  out.cpus = 4;
  out.memory = 64LL << 30;
  out.default_hypervisor = "fake";
  core::PluginInfo plugin;
  plugin.name = "fake";
  plugin.kind = "hypervisor";
  plugin.state = "loaded";
  plugin.interfaces = {"qarax.hypervisor/1", "qarax.hypervisor.pause/1", "qarax.hypervisor.reboot/1",
                       "qarax.hypervisor.resize/1", "qarax.hypervisor.snapshot/1"};
  plugin.description.emplace();
  plugin.description->healthy = true;
  plugin.description->limits.max_vcpus = 64;
  out.plugins.push_back(std::move(plugin));
  return out;
}

node::v1::CommandReply FakeNode::carry_out(const node::v1::CommandRequest& request) {
  const core::Action action = action_of(request.action());
  node::v1::CommandReply reply;
  Vm& vm = vms_[request.vm()];
  vm.revision = request.revision();
  vm.report.vm = request.vm();
  if (failure_.code != Code::ok) {
    reply.set_error(encode(failure_));
    failure_.code = Code::ok;
    if (vm.report.incarnation == 0) vm.report.status.state = VmState::shutdown;
  } else {
    if (core::begins(action)) {
      vm.report.incarnation = request.incarnation();
      if (auto given = decode<core::StartCommand>(std::string_view(request.document()), Unknown::ignore))
        vm.given = std::move(*given);
    }
    vm.report.status.state = core::target(action).value_or(vm.report.status.state);
    done_.insert(action);
  }
  changed(vm);
  core::VmReport answer = vm.report;
  if (action == core::Action::snapshot && reply.error().empty())
    if (const auto asked = decode<core::SnapshotCommand>(std::string_view(request.document()), Unknown::ignore)) {
      answer.snapshot = core::SnapshotFacts{asked->id, 4096};
      vm.snapshots.push_back({asked->id, asked->name, "2026-01-01T00:00:00.000Z", vm.given.hypervisor, vm.given.spec,
                              vm.given.resolved.value_or(vm.given.spec), 4096});
    }
  reply.set_report(encode(answer));
  vm.results[request.step()] = reply;
  return reply;
}

bool FakeNode::is_decided(const node::v1::CommandRequest& request) const {
  const auto vm = vms_.find(request.vm());
  return vm != vms_.end() && vm->second.revision == request.revision() && vm->second.results.contains(request.step());
}

void FakeNode::cancel(const std::string& vm, std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  cancelled_.emplace(vm, revision);
  changed_.notify_all();
  std::erase_if(left_, [&](const node::v1::CommandRequest& request) {
    if (request.vm() != vm || request.revision() != revision) return false;
    settle(request);
    return true;
  });
}

// What is true for a command that isn't held up any more.
FakeNode::Answer FakeNode::settle(const node::v1::CommandRequest& request) {
  Answer answer;
  const auto found = vms_.find(request.vm());
  const std::int64_t stone = tombstones_.contains(request.vm()) ? tombstones_[request.vm()] : 0;
  const std::int64_t highest = found != vms_.end() ? found->second.revision : stone;
  if (request.revision() < highest) {
    answer.refused = make_error(Code::failed_precondition, "comes too late", "stale-revision");
    return answer;
  }
  if (action_of(request.action()) == core::Action::remove) {
    vms_.erase(request.vm());
    tombstones_[request.vm()] = request.revision();
    done_.insert(core::Action::remove);
    core::VmReport report;
    report.vm = request.vm();
    report.deleted = true;
    answer.reply.set_report(encode(report));
  } else if (is_decided(request)) {
    answer.reply = found->second.results[request.step()];
  } else {
    if (found != vms_.end()) found->second.results.clear();
    // Undone, and that is what the node says of it from then on.
    if (cancelled_.contains({request.vm(), request.revision()}))
      failure_ = make_error(Code::cancelled, "it was cancelled");
    answer.reply = carry_out(request);
  }
  return answer;
}

FakeNode::Answer FakeNode::execute(const node::v1::CommandRequest& request, const std::function<bool()>& is_left) {
  const core::Action action = action_of(request.action());
  std::unique_lock lock(mutex_);
  if (request.authority().session() != session_) {
    Answer refused;
    refused.refused = make_error(Code::failed_precondition, "another session", "stale-session");
    return refused;
  }
  arrived_.insert(action);
  changed_.notify_all();
  const std::pair<std::string, std::int64_t> job{request.vm(), request.revision()};
  const auto is_held_up = [&] {
    return hangs_ && !is_decided(request) && !cancelled_.contains(job) && action != core::Action::force_stop;
  };
  while (is_held_up() && !stopping_ && !is_left()) changed_.wait_for(lock, std::chrono::milliseconds(10));
  if (stopping_) return {true, std::nullopt, {}};
  if (is_left() && is_held_up()) {
    if (request.outlives_call()) {
      left_.push_back(request);
      return {true, std::nullopt, {}};
    }
    if (action == core::Action::remove) return {true, std::nullopt, {}};
    cancelled_.insert(job);
  }
  Answer answer = settle(request);
  answer.connection_broke = is_left() || lost_replies_ > 0;
  if (lost_replies_ > 0) --lost_replies_;
  return answer;
}

void FakeNode::watch(const std::function<bool(const core::VmReport*)>& sink,
                     const std::function<bool()>& is_cancelled) {
  std::unique_lock lock(mutex_);
  for (const auto& [id, vm] : vms_) sink(&vm.report);
  const core::VmReport end;
  sink(&end);
  std::size_t at = log_.size();
  while (!stopping_ && !is_cancelled()) {
    if (at < log_.size()) {
      if (!sink(&log_[at++])) return;
    } else if (changed_.wait_for(lock, std::chrono::milliseconds(50)) == std::cv_status::timeout) {
      if (!sink(nullptr)) return;
    }
  }
}

FakeNodeServer::FakeNodeServer(FakeNode& node) : node_(node) { listen(); }

FakeNodeServer::~FakeNodeServer() { stop(); }

void FakeNodeServer::listen() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

void FakeNodeServer::start() {
  node_.start();
  listen();
}

void FakeNodeServer::stop() {
  if (!server_) return;
  node_.stop();
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

namespace {
Activation activation_of(const node::v1::Authority& a) { return {a.cluster_id(), a.term(), a.activation()}; }
}  // namespace

grpc::Status FakeNodeServer::Survey(grpc::ServerContext*, const node::v1::SurveyRequest* request,
                                    node::v1::SurveyReply* reply) {
  if (request->has_authority()) node_.reached(activation_of(request->authority()), request->authority().position());
  const NodeSurvey seen = node_.survey({request->deleted_of().begin(), request->deleted_of().end()});
  reply->mutable_obeyed()->set_cluster_id(seen.obeyed.cluster_id);
  reply->mutable_obeyed()->set_term(seen.obeyed.term);
  reply->mutable_obeyed()->set_activation(seen.obeyed.id);
  reply->mutable_obeyed()->set_position(seen.position);
  reply->set_node_info(encode(seen.info));
  if (request->vms())
    for (const core::KeptVm& vm : seen.vms) reply->add_vms(encode(vm));
  return grpc::Status::OK;
}

grpc::Status FakeNodeServer::Adopt(grpc::ServerContext*, const node::v1::AdoptRequest* request, node::v1::AdoptReply*) {
  const auto no = node_.adopt(activation_of(request->authority()), activation_of(request->seen()));
  return no ? refused(*no) : grpc::Status::OK;
}

grpc::Status FakeNodeServer::Leftovers(grpc::ServerContext*, const node::v1::LeftoversRequest* request,
                                       node::v1::LeftoversReply* reply) {
  for (const core::Leftover& one : node_.leftovers(request->collect()))
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
  reply->set_counters(encode(qarax::Counters{{{"fake", 1, "count"}}}));
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
  node_.reached(activation_of(request->authority()), request->authority().position());
  auto answer = node_.execute(*request, [&] { return context->IsCancelled(); });
  if (answer.refused) return refused(*answer.refused);
  if (answer.connection_broke) return {grpc::StatusCode::UNAVAILABLE, "the connection broke"};
  *reply = std::move(answer.reply);
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

grpc::Status FakeNodeServer::Watch(grpc::ServerContext* context, const node::v1::WatchRequest*,
                                   grpc::ServerWriter<node::v1::Event>* writer) {
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
        node::v1::Event event;
        if (report == nullptr)
          event.mutable_heartbeat();
        else if (report->vm.empty())
          event.mutable_end();
        else
          event.set_report(encode(*report));
        return write(event);
      },
      [&] { return context->IsCancelled(); });
  return grpc::Status::OK;
}

}  // namespace qarax::server
