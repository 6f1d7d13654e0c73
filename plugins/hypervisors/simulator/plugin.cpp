#include "qarax/plugin/export.hpp"
#include "simulator.hpp"

QARAX_PLUGIN(qarax::simulator::Simulator, "dev.qarax.hypervisor.simulator", "simulator", "0.1.0");
