"""Clients of the API's first version know a fixed list of hypervisors and raise on any other name: `compat.hypervisor_names`
lets them read a fleet that has others, and other fields hold the true names."""

import enum

import pytest

from framework.stack import Stack


class Known(enum.Enum):
    """The list as a generated client has it."""

    CLOUD_HV = "cloud_hv"


@pytest.fixture
def mixed():
    """Two nodes, each with a hypervisor unknown to those clients."""
    stack = Stack(server_settings={"compat": {"hypervisor_names": [known.value for known in Known]}})
    try:
        stack.add_node("with-qemu", plugins=[stack.qemu_plugin()])
        stack.add_node("simulated", plugins=[stack.simulator_plugin()], boot={})
        yield stack
    finally:
        left = stack.close()
    assert not left, left


@pytest.mark.guest
def test_a_closed_list_of_hypervisors_survives_a_mixed_fleet(mixed):
    api = mixed.api
    asked = {api.create("a", hypervisor="qemu"): "qemu", api.create("b", hypervisor="simulator"): "simulator"}
    for vm in asked:  # as a client does that reads a document, changes it and sends it back
        api.ok("PATCH", f"/vms/{vm}", json={"hypervisor": api.vm(vm)["hypervisor"], "description": "before its start"})
    hosts = {api.act(vm, "start")["host_id"] for vm in asked}
    assert len(hosts) == 2, "each can only run on one of the two"
    listed = {vm["id"]: vm for vm in api.vms()}
    assert set(listed) == set(asked)
    for vm_id, true_name in asked.items():
        for document in (listed[vm_id], api.vm(vm_id), api.act(vm_id, "pause"), api.act(vm_id, "force-stop"), api.act(vm_id, "start")):
            assert Known(document["hypervisor"]) is Known.CLOUD_HV
            assert document["effective_hypervisor"] == true_name and "compat.hypervisor_names" in document["fallback_reason"]
        patched = api.ok("PATCH", f"/vms/{vm_id}", json={"hypervisor": document["hypervisor"], "description": "after it"}).json()
        assert patched["effective_hypervisor"] == true_name and patched["description"] == "after it"


def test_without_it_names_are_as_they_are(simulated):
    vm = simulated.api.create("plain", hypervisor="simulator")
    document = simulated.api.vm(vm)
    assert document["hypervisor"] == "simulator" and document["fallback_reason"] is None
    with pytest.raises(ValueError):
        Known(document["hypervisor"])
    simulated.api.delete(vm)
