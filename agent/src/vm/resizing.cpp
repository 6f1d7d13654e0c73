#include "resizing.hpp"

#include <utility>

#include "qarax/core/resize.hpp"
#include "steps.hpp"

namespace qarax::agent {

Result<VmStatus> resize(const std::shared_ptr<Vm>& vm, const core::ResizeCommand& wanted, Driver& driver,
                        const DriverCall& call, const ProcessService& processes) {
  ResizeArgs args;
  QARAX_TRY(args.vm, args_for(*vm, processes));
  args.vcpus = wanted.vcpus;
  args.memory = wanted.memory;
  QARAX_TRY(VmStatus status, driver.resize(call, args));
  VmDocument document = vm->document;
  core::apply(wanted, document.spec, document.resolved);
  document.live = status.live;
  if (auto written = vm->folder.write_document(document); !written) {
    // A size that is recorded nowhere would be gone after the next start, without an explanation.
    const VmSpec& before = vm->document.resolved ? *vm->document.resolved : vm->document.spec;
    if (args.vcpus) args.vcpus = before.boot_vcpus;
    if (args.memory) args.memory = before.memory_size;
    log_unless(driver.resize(call_to_undo(vm), args), "a resize could not be undone", vm->id);
    return std::move(written).error();
  }
  vm->document = std::move(document);
  return status;
}

}  // namespace qarax::agent
