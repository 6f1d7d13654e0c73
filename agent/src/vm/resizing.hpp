// The resize of a VM that runs. Private to the manager.
#pragma once

#include "driver_calls.hpp"
#include "qarax/core/documents.hpp"

namespace qarax::agent {

// On the VM's strand. A resize that can't be written to the VM's document is undone.
Result<VmStatus> resize(const std::shared_ptr<Vm>& vm, const core::ResizeCommand& wanted, Driver& driver,
                        const DriverCall& call, const ProcessService& processes);

}  // namespace qarax::agent
