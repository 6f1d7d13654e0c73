#include "qarax/plugin/export.hpp"
#include "qemu.hpp"

QARAX_PLUGIN(qarax::qemu::Qemu, "dev.qarax.hypervisor.qemu", "qemu", "0.1.0");
