// From the document of a start or a restore to a running VMM: resolves it, records it, and only then launches. Private
// to the manager.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "boot_gate.hpp"
#include "driver_calls.hpp"
#include "progress_feed.hpp"
#include "qarax/core/documents.hpp"
#include "questions.hpp"
#include "reports.hpp"

namespace qarax::agent {

// start() and restore() are called on the strand of the VM, without a lock. The constructor's references outlive the
// object, which outlives its calls.
class Starting {
 public:
  // `data_dir`: the agent's folder, whose boot files are taken where a document names those of a folder that was moved.
  Starting(Drivers& drivers, ProcessService& processes, BootFilesProvider& boot_files, Reports& reports,
           ProgressFeed& progress, std::string data_dir)
      : drivers_(drivers),
        processes_(processes),
        boot_files_(boot_files),
        reports_(reports),
        progress_(progress),
        data_dir_(std::move(data_dir)) {}

  // The command is a start. A start that fails leaves no process of its VMM, or says that it couldn't be ended. Takes
  // the operation's turn to boot, and holds it until the guest is calm.
  Result<VmStatus> start(const std::shared_ptr<Vm>& vm, Operation& operation);
  // The command is a restore, which fails as a start does.
  Result<VmStatus> restore(const std::shared_ptr<Vm>& vm, const Operation& operation);
  // What a start with this document would run; makes nothing. Any thread. Fails as the start would, and as
  // Questions::begin() where the plugin hangs.
  Result<VmSpec> resolve(const std::string& document, std::int64_t deadline_ns);

 private:
  using VmPtr = std::shared_ptr<Vm>;
  using Launch = std::function<Result<VmStatus>(DriverCall& call, const StartArgs& args)>;

  BootFiles found(BootFiles boot) const;
  Result<BootFiles> boot_files_of(const VmPtr& vm, const core::StartCommand& wanted);
  Status check_incarnation(const VmPtr& vm, const Command& command);
  Status note_start(const VmPtr& vm, const Command& command, const VmDocument& document);
  Result<VmStatus> launch(const VmPtr& vm, const Operation& operation, const Launch& how,
                          std::optional<Result<BootGate::Turn>> turn = std::nullopt);
  void forget_unused(const VmPtr& vm, bool boot_files, bool machine);

  Drivers& drivers_;
  ProcessService& processes_;
  BootFilesProvider& boot_files_;
  Reports& reports_;
  ProgressFeed& progress_;
  const std::string data_dir_;
  // By hypervisor, for all VMs together: nothing else bounds how many dry runs there are. Two that a plugin never ends
  // refuse every further one of that hypervisor; starts resolve on their VM's strand and aren't refused by it.
  Questions of_resolve_{32};
};

}  // namespace qarax::agent
