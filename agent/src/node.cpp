#include "node.hpp"

#include <grpcpp/grpcpp.h>
#include <sys/un.h>
#include <unistd.h>

#include "authority.hpp"
#include "boot_files_in_use.hpp"
#include "identity.hpp"
#include "image_store.hpp"
#include "inventory.hpp"
#include "manager.hpp"
#include "node_service.hpp"
#include "plugin_drivers.hpp"
#include "plugin_services.hpp"
#include "qarax/core/addresses.hpp"
#include "qarax/core/data_dir.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "redescriber.hpp"
#include "socket_group.hpp"
#include "socket_place.hpp"
#include "tls.hpp"

namespace qarax::agent {

namespace {

class DefaultBootFiles final : public BootFilesProvider {
 public:
  DefaultBootFiles(ImageStore& images, BootSource source) : images_(images), source_(std::move(source)) {}
  Result<BootFiles> files_for(const std::optional<std::string>& id) override {
    QARAX_CHECK(check_default(id));
    return images_.prepare(source_);
  }
  Status check_files(const std::optional<std::string>& id) override {
    QARAX_CHECK(check_default(id));
    return ImageStore::check(source_);
  }

 private:
  static Status check_default(const std::optional<std::string>& id) {
    if (!id) return Ok{};
    return make_error(
        Code::not_found,
        "boot source " + *id + " isn't on this node; leave boot_source_id out for the node's default kernel",
        "boot-source-not-found");
  }

  ImageStore& images_;
  BootSource source_;
};

Result<std::string> find_supervisor(const std::string& configured, const std::string& program_folder) {
  const std::string candidates[] = {configured, program_folder + "/qarax-supervisor",
                                    program_folder + "/../libexec/qarax/qarax-supervisor"};
  for (const auto& path : candidates)
    if (!path.empty() && ::access(path.c_str(), X_OK) == 0) return path;
  return make_error(Code::not_found,
                    "qarax-supervisor isn't " +
                        (configured.empty() ? "beside qarax-node in " + program_folder + " nor in ../libexec/qarax"
                                            : "at " + configured) +
                        "; install it there, or set `supervisor` in the node's config");
}

std::string version() { return QARAX_VERSION; }

constexpr std::size_t kMostMemory = std::size_t{256} << 20;  // of all connections together, in bytes
constexpr int kMostStreams = 16'384;                         // of one connection; a client queues more
// How long a connection may be without a call. A server always has its watch, and a channel reconnects by itself.
constexpr int kIdleMs = 600'000;

class RunningNode final : public Node {
 public:
  explicit RunningNode(const NodeConfig& config) : config_(config), session_(core::new_uuid()) {}

  ~RunningNode() override {
    if (grpc_) static_cast<void>(stop());
  }

  Status begin(const std::string& program_folder) {
    QARAX_CHECK(core::prepare_data_dir(config_.data_dir));
    QARAX_TRY(lock_, lock_data_dir(config_.data_dir));
    for (const char* folder : {"", "/images", "/tombstones"}) core::remove_half_written(config_.data_dir + folder);
    if (core::boot_id().empty())
      return make_error(Code::failed_precondition,
                        "/proc/sys/kernel/random/boot_id can't be read, so no process can be told from one of an "
                        "earlier boot; mount /proc");
    facts_ = host_facts();
    QARAX_TRY(facts_.node_id, node_id(config_.data_dir));
    facts_.session = session_;
    facts_.version = version();
    facts_.unix_socket = config_.unix_socket == "none" ? "" : config_.unix_socket;
    if (facts_.unix_socket.size() >= sizeof(sockaddr_un::sun_path)) {
      core::logger("node")->warn("no unix socket: its path is too long path={}", facts_.unix_socket);
      facts_.unix_socket.clear();
    }
    // Now, before any VM is touched, and again when it listens.
    if (!facts_.unix_socket.empty()) QARAX_CHECK(clear_socket_place(facts_.unix_socket));
    if (!config_.unix_socket_group.empty()) {
      QARAX_TRY(socket_group_, find_group(config_.unix_socket_group));
    }
    QARAX_TRY(authority_, AuthorityStore::open(config_.data_dir + "/cluster.json"));
    QARAX_TRY(const std::string supervisor, find_supervisor(config_.supervisor, program_folder));

    images_ = std::make_unique<ImageStore>(config_.data_dir + "/images");
    const BootSource source{config_.boot_kernel, config_.boot_initramfs, config_.boot_cmdline};
    boot_files_ = std::make_unique<DefaultBootFiles>(*images_, source);
    // For trials: the files that the config names, so that their words name them too and see them change.
    BootFiles boot;
    if (!source.kernel.empty()) {
      if (const auto prepared = images_->prepare(source)) {
        boot.kernel = source.kernel;
        boot.initramfs = source.initramfs;
      } else {
        core::logger("node")->warn("the default kernel can't be used, VMs without a boot source won't start reason={}",
                                   core::log_value(prepared.error().message));
      }
    }

    processes_ = std::make_unique<ProcessService>(ProcessService::Options{supervisor, config_.data_dir + "/vms"},
                                                  Cgroups::detect("qarax-" + facts_.node_id.substr(0, 8)),
                                                  [this](const std::string& vm, std::int64_t incarnation) {
                                                    if (Manager* manager = manager_ptr_.load())
                                                      manager->vm_ended(vm, incarnation);
                                                  });
    services_ = std::make_unique<PluginServices>(
        *processes_, [this](const std::string& plugin, const std::string& vm) { notified(plugin, vm); });
    plugins_ = std::make_unique<core::PluginHost>(*services_);
    drivers_ = std::make_unique<PluginDrivers>(*plugins_);
    QARAX_CHECK(drivers_->load(config_, boot, [this](const std::string& plugin) { notified(plugin, ""); }));

    remove_unused_images();
    Manager::Options options;
    options.data_dir = config_.data_dir;
    options.session = session_;
    options.cold_boots = static_cast<std::size_t>(config_.cold_boots > 0 ? config_.cold_boots : facts_.cpus);
    QARAX_TRY(manager_, Manager::open(options, *drivers_, *processes_, *boot_files_, clock_));
    manager_ptr_.store(manager_.get());
    manager_->begin_recovery();

    NodeService::Options service_options;
    service_options.session = session_;
    service_options.token_sha256 = config_.token_sha256;
    service_ = std::make_unique<NodeService>(
        *manager_, *authority_, [this] { return describe(); }, service_options);
    service_ptr_.store(service_.get());
    // Plugins may have asked to be described again before the service existed.
    for (const auto& plugin : drivers_->infos())
      if (plugin.state == core::PluginState::loaded) notified(plugin.name, "");
    return listen();
  }

  // After a failed begin(): removes what is the agent's own. Nobody waits for what was begun.
  void give_up() {
    if (processes_) processes_->leave();
  }

  int port() const override { return port_; }

  Status stop() override {
    service_ptr_.store(nullptr);
    service_->end_streams();
    manager_->shutdown(config_.shutdown_grace_ms / 2);
    grpc_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(config_.shutdown_grace_ms / 4));
    grpc_.reset();
    if (!facts_.unix_socket.empty()) ::unlink(facts_.unix_socket.c_str());
    Status ended = plugins_->shutdown(config_.shutdown_grace_ms / 4);
    processes_->leave();
    return ended;
  }

 private:
  core::NodeInfo describe() const {
    core::NodeInfo info = facts_;
    info.plugins = drivers_->infos();
    info.default_hypervisor = drivers_->default_hypervisor(config_);
    if (const NodeService* service = service_ptr_.load()) info.stopping = service->host_stops();
    // An older server would use the fallback even while the plugin is only being loaded; and a VM keeps the hypervisor
    // that it began with.
    for (const auto& [asked, instead] : config_.fallback)
      if (!plugins_->may_be_loading(asked)) info.fallback.emplace(asked, instead);
    return info;
  }

  // Images that were the node's default once and that no VM or snapshot refers to any more.
  void remove_unused_images() {
    if (!images_->has_others()) return;
    const auto used = boot_files_in_use(config_.data_dir);
    if (!used)
      return core::logger("node")->warn("unused boot files are kept: what uses them isn't known reason={}",
                                        core::log_value(used.error().message));
    if (const std::size_t removed = images_->remove_unused(*used); removed > 0)
      core::logger("node")->info("boot files that no VM uses are removed count={}", removed);
  }

  // Called on any thread of any plugin: only enqueues.
  void notified(const std::string& plugin, const std::string& vm) {
    if (!vm.empty()) {
      if (Manager* manager = manager_ptr_.load()) manager->look_again(vm);
      return;
    }
    if (service_ptr_.load() != nullptr) redescriber_.ask(plugin);
  }

  void redescribe(const std::string& plugin) {
    // A refused plugin describes nothing, and one that is being loaded is reported when that is done.
    const bool loaded = plugins_->hypervisor(plugin) != nullptr;
    if (const Status described = loaded ? plugins_->refresh_description(plugin) : Status(Ok{}); !described)
      core::logger("plugins")->warn("a plugin doesn't describe itself anew plugin={} reason={}", plugin,
                                    core::log_value(described.error().message));
    if (NodeService* service = service_ptr_.load()) service->node_changed();
  }

  Result<std::shared_ptr<grpc::ServerCredentials>> credentials() const {
    if (config_.tls_cert.empty()) return grpc::InsecureServerCredentials();
    return tls_credentials(config_.tls_cert, config_.tls_key);
  }

  Status listen() {
    QARAX_TRY(const auto creds, credentials());
    grpc::ServerBuilder builder;
    // Without this two agents could share the port and each get half of the calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(4 << 20);
    // Limits what unauthenticated clients may cost before they are rejected. A server needs one connection and a
    // fraction of this.
    builder.SetResourceQuota(grpc::ResourceQuota("agent").Resize(kMostMemory));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostStreams);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
    const std::string address = core::host_port(config_.listen_address, config_.listen_port);
    builder.AddListeningPort(address, creds, &port_);
    if (!facts_.unix_socket.empty()) {
      // gRPC removes what is there, also what another agent listens on.
      QARAX_CHECK(clear_socket_place(facts_.unix_socket));
      builder.AddListeningPort("unix:" + facts_.unix_socket, grpc::InsecureServerCredentials());
    }
    builder.RegisterService(service_.get());
    grpc_ = builder.BuildAndStart();
    if (!grpc_ || port_ == 0) {
      service_ptr_.store(nullptr);
      // The port comes first and has its number by then.
      if (port_ != 0)
        return make_error(Code::unavailable, "can't listen on the unix socket " + facts_.unix_socket +
                                                 "; set listen.unix_socket to a path where this user can make one");
      return make_error(
          Code::unavailable,
          "can't listen on " + address +
              ": the port is in use or the address isn't this machine's; set listen.port and listen.address");
    }
    if (socket_group_ && !facts_.unix_socket.empty()) return share_socket(facts_.unix_socket, *socket_group_);
    return Ok{};
  }

  const NodeConfig config_;
  const std::string session_;
  core::SystemClock clock_;
  core::Fd lock_;
  core::NodeInfo facts_;
  std::optional<gid_t> socket_group_;
  std::atomic<Manager*> manager_ptr_{nullptr};
  std::atomic<NodeService*> service_ptr_{nullptr};
  std::unique_ptr<AuthorityStore> authority_;
  std::unique_ptr<ImageStore> images_;
  std::unique_ptr<BootFilesProvider> boot_files_;
  std::unique_ptr<ProcessService> processes_;
  std::unique_ptr<PluginServices> services_;
  std::unique_ptr<core::PluginHost> plugins_;
  std::unique_ptr<PluginDrivers> drivers_;
  std::unique_ptr<Manager> manager_;
  std::unique_ptr<NodeService> service_;
  Redescriber redescriber_{[this](const std::string& plugin) { redescribe(plugin); }};
  int port_ = 0;
  std::unique_ptr<grpc::Server> grpc_;
};

}  // namespace

Result<std::unique_ptr<Node>> Node::start(const NodeConfig& config, const std::string& program_folder) {
  auto node = std::make_unique<RunningNode>(config);
  Status begun = node->begin(program_folder);
  if (begun) return std::unique_ptr<Node>(std::move(node));
  node->give_up();
  // Recoveries are running in plugins that may not return, so the object can't be destroyed. The caller ends the
  // process; keeping it reachable avoids a leak report.
  static std::vector<std::unique_ptr<RunningNode>>& failed = *new std::vector<std::unique_ptr<RunningNode>>;
  failed.push_back(std::move(node));
  return std::move(begun).error();
}

}  // namespace qarax::agent
