"""A VM's life over REST, on real guests: what a client of the API relies on.

Tests marked `anywhere` use the Python client, and also run against a server that is up already (QARAX_URL).
"""

import asyncio
import json
import os
import time
import uuid
from datetime import datetime

import pytest
from qarax_api_client.api.vms import create_vm, delete_vm, force_stop_vm, get_vm, pause_vm, resume_vm, start_vm, stop_vm
from qarax_api_client.models import NewVm, Problem, Vm, VmStatus

from framework.events import Reader, becomes
from framework.service import expect
from framework.stack import uptimes, wait_for

pytestmark = pytest.mark.guest

ALWAYS = ["id", "name", "status", "hypervisor", "boot_vcpus", "max_vcpus", "kvm_hyperv", "memory_size", "memory_mergeable", "memory_shared",
          "memory_hugepages", "memory_prefault", "memory_thp", "config"]
TOLD = ["hypervisor", "effective_hypervisor", "accelerator", "fallback_reason"]
NULLABLE = ["host_id", "boot_source_id", "description", "cpu_topology", "memory_hotplug_size", "memory_hugepage_size"]


@pytest.mark.anywhere
def test_vm_create_and_list(qarax):
    before = {vm.id for vm in qarax.vms()}
    body = NewVm(name=qarax.name("first"), boot_vcpus=1, max_vcpus=1, memory_size=134217728)
    response = create_vm.sync_detailed(client=qarax.client, body=body)
    assert response.status_code == 201
    assert response.headers["Content-Type"].startswith("text/plain")
    vm_id = expect(uuid.UUID, response.parsed)
    qarax.owned.append(vm_id)
    assert response.content.decode() == str(vm_id), "the bare UUID, nothing else"
    assert vm_id not in before and [vm.id for vm in qarax.vms()].count(vm_id) == 1
    fields = json.loads(get_vm.sync_detailed(vm_id, client=qarax.client).content)
    assert [k for k in ALWAYS if fields.get(k, ...) is ...] == []
    assert [k for k in NULLABLE if k not in fields] == []
    vm = qarax.vm(vm_id)
    assert vm.status == VmStatus.CREATED and vm.name == body.name and vm.memory_size == 134217728 and vm.config is None
    taken = create_vm.sync(client=qarax.client, body=body)
    assert isinstance(taken, Problem) and taken.status == 409 and taken.type_.endswith("/name-taken")


@pytest.mark.anywhere
def test_vm_full_lifecycle(qarax):
    vm_id = qarax.create("life", description="a whole life")
    assert qarax.vm(vm_id).status == VmStatus.CREATED
    # Each action is synchronous: what the reply says, GET says at once.
    assert qarax.act(start_vm, vm_id).status == VmStatus.RUNNING
    vm = qarax.vm(vm_id)
    host = qarax.host_of(vm)
    assert vm.status == VmStatus.RUNNING and vm.hypervisor == host.default_hypervisor
    assert vm.accelerator == host.accelerator and vm.accelerator_evidence
    if qarax.stack is not None:
        assert vm.hypervisor == "qemu" and vm.accelerator == "tcg"
    console = qarax.wait_console(vm_id, "qarax uptime")
    assert "qarax guest: 1 vCPU" in console
    assert qarax.act(pause_vm, vm_id).status == VmStatus.PAUSED
    assert qarax.vm(vm_id).status == VmStatus.PAUSED
    seen = len(uptimes(qarax.console(vm_id)))
    time.sleep(2.5)  # this measures the guest's clock
    assert len(uptimes(qarax.console(vm_id))) <= seen + 1, "a paused guest must not print"
    assert qarax.act(resume_vm, vm_id).status == VmStatus.RUNNING
    assert qarax.vm(vm_id).status == VmStatus.RUNNING
    lines = len(uptimes(qarax.console(vm_id)))
    wait_for("a line of the resumed guest", lambda: len(uptimes(qarax.console(vm_id))) > lines, 10, every=0.1)
    assert qarax.act(stop_vm, vm_id).status == VmStatus.SHUTDOWN
    assert qarax.vm(vm_id).status == VmStatus.SHUTDOWN
    qarax.assert_vmms()  # shutdown is a promise that no VMM runs
    qarax.delete(vm_id)
    assert get_vm.sync_detailed(vm_id, client=qarax.client).status_code == 404


@pytest.mark.anywhere
def test_vm_delete(qarax):
    never = qarax.create("never-started")
    qarax.delete(never)
    gone = get_vm.sync(never, client=qarax.client)
    assert isinstance(gone, Problem) and gone.status == 404 and gone.type_.endswith("/vm-not-found")
    assert delete_vm.sync_detailed(never, client=qarax.client).status_code == 404
    running = qarax.create("running")
    qarax.act(start_vm, running)
    qarax.assert_vmms(running)
    qarax.delete(running)
    assert running not in {vm.id for vm in qarax.vms()}
    qarax.assert_vmms()
    if qarax.stack is not None:
        assert not qarax.stack.nodes[0].vm_dir(str(running)).exists()


@pytest.mark.anywhere
def test_multiple_vms(qarax):
    ids = [qarax.create(f"multi-{i}") for i in range(3)]

    async def start_all():
        async with qarax.async_client() as client:
            return await asyncio.gather(*(start_vm.asyncio(vm_id, client=client) for vm_id in ids))

    assert [expect(Vm, vm).status for vm in asyncio.run(start_all())] == [VmStatus.RUNNING] * 3
    assert {vm.id for vm in qarax.vms() if vm.status == VmStatus.RUNNING} >= set(ids)
    qarax.assert_vmms(*ids)
    # VMs are independent: an action on one doesn't change the others.
    assert qarax.act(force_stop_vm, ids[0]).status == VmStatus.SHUTDOWN
    assert [qarax.vm(vm_id).status for vm_id in ids] == [VmStatus.SHUTDOWN, VmStatus.RUNNING, VmStatus.RUNNING]
    for vm_id in ids[1:]:
        assert qarax.act(force_stop_vm, vm_id).status == VmStatus.SHUTDOWN
    qarax.assert_vmms()


@pytest.mark.anywhere
def test_vm_start_stop_cycle(qarax):
    vm_id = qarax.create("cycle")
    for _ in range(2):
        assert qarax.act(start_vm, vm_id).status == VmStatus.RUNNING
        assert qarax.act(start_vm, vm_id).status == VmStatus.RUNNING, "starting what runs changes nothing"
        qarax.wait_console(vm_id, "qarax uptime")
        assert qarax.act(stop_vm, vm_id).status == VmStatus.SHUTDOWN
        assert qarax.act(stop_vm, vm_id).status == VmStatus.SHUTDOWN, "stopping what is stopped changes nothing"


@pytest.mark.anywhere
def test_who_asks_for_cloud_hv_is_told_what_it_got(qarax):
    """A client of the API's first version always asks for cloud_hv. It gets it, or a refusal with the reason, or, if the node's
    config says so, another hypervisor, which the VM's document names. The stack in containers says so: it refuses nobody."""
    body = NewVm(name=qarax.name("asks"), hypervisor="cloud_hv", boot_vcpus=1, max_vcpus=1, memory_size=134217728)
    response = create_vm.sync_detailed(client=qarax.client, body=body)
    if response.status_code == 422 and "QARAX_COMPOSE" not in os.environ:
        assert isinstance(response.parsed, Problem) and "cloud_hv" in response.parsed.detail
        return
    made = expect(uuid.UUID, response.parsed)
    qarax.owned.append(made)
    assert response.status_code == 201
    response = start_vm.sync_detailed(made, client=qarax.client)
    vm = expect(Vm, response.parsed)
    assert response.status_code == 200 and vm.status == VmStatus.RUNNING and vm.hypervisor == "cloud_hv"
    host = qarax.host_of(vm)
    asked = next((plugin for plugin in host.plugins if plugin.name == "cloud_hv"), None)
    if asked is not None and asked.healthy:
        assert vm.effective_hypervisor is None and vm.accelerator == "kvm" and vm.fallback_reason is None
    else:
        took = next(plugin for plugin in host.plugins if plugin.name == "qemu")
        assert vm.effective_hypervisor == "qemu" and vm.accelerator == took.accelerator and vm.accelerator in ("kvm", "tcg")
        assert "fallback.cloud_hv: qemu" in vm.fallback_reason
        assert asked is None or asked.reason in vm.fallback_reason, "the node's own word for why"
    shown = qarax.vm(made)
    assert [getattr(shown, name) for name in TOLD] == [getattr(vm, name) for name in TOLD]
    assert qarax.act(force_stop_vm, made).status == VmStatus.SHUTDOWN


def test_reboot_starts_the_guest_again(stack):
    vm_id = stack.api.create("again")
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax uptime 2")
    assert stack.api.act(vm_id, "reboot")["status"] == "running"
    deadline = time.monotonic() + 60
    while stack.api.console(vm_id).count("qarax guest:") < 2:
        assert time.monotonic() < deadline, stack.api.console(vm_id)[-2000:]
        time.sleep(0.1)


@pytest.mark.serial
def test_guest_powers_off_by_itself(stack):
    node = stack.add_node("short", boot=stack.boot("console=ttyS0 reboot=k panic=1 qarax.poweroff_after=1"))
    del node
    # Only the new node's guests end by themselves. The scheduler chooses the node, so start VMs until one runs there.
    short = next(h["id"] for h in stack.api.hosts() if h["name"] == "short")
    told = Reader(stack.api)
    try:
        for i in range(4):
            vm_id = stack.api.create(f"short-{i}")
            if stack.api.act(vm_id, "start")["host_id"] == short:
                break
        else:
            pytest.fail("four VMs and none on the second node: the scheduler doesn't spread")
        seen = told.wait("its end", becomes(vm_id, "shutdown"), 60)
    finally:
        told.close()
    vm = stack.api.vm(vm_id)
    assert vm["exit"]["kind"] == "exited" and vm["exit"]["code"] == 0
    assert "power" in vm["status_reason"].lower()
    # Both times are from one clock, without the way to a client: from QEMU's end, as its supervisor recorded it, to the event.
    took = (datetime.fromisoformat(seen["timestamp"]) - datetime.fromisoformat(vm["exit"]["at"])).total_seconds()
    assert -0.01 <= took < 1.0, f"{vm['exit']['at']} to {seen['timestamp']}"
    assert stack.api.act(vm_id, "stop")["status"] == "shutdown"


@pytest.mark.serial
def test_eight_at_once(stack):
    from concurrent.futures import ThreadPoolExecutor

    ids = [stack.api.create(f"eight-{i}") for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        states = [f.result()["status"] for f in [pool.submit(stack.api.act, i, "start") for i in ids]]
    assert states == ["running"] * 8
    for vm_id in ids:
        stack.wait_console(vm_id, "qarax uptime", 120)
    with ThreadPoolExecutor(8) as pool:
        states = [f.result()["status"] for f in [pool.submit(stack.api.act, i, "stop") for i in ids]]
    assert states == ["shutdown"] * 8
