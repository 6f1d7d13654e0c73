#include "cloud_hypervisor.hpp"
#include "qarax/plugin/export.hpp"

QARAX_PLUGIN(qarax::cloud_hypervisor::CloudHypervisor, "dev.qarax.hypervisor.cloud_hypervisor", "cloud_hv", "0.1.0");
