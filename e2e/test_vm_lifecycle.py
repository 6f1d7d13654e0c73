"""A VM's life over REST, on real guests: what a client of the API relies on."""

import time
import uuid

import pytest

from framework.api import Problem
from framework.stack import uptimes

pytestmark = pytest.mark.guest

ALWAYS = ["id", "name", "status", "hypervisor", "boot_vcpus", "max_vcpus", "kvm_hyperv", "memory_size", "memory_mergeable", "memory_shared",
          "memory_hugepages", "memory_prefault", "memory_thp", "config"]
NULLABLE = ["host_id", "boot_source_id", "description", "cpu_topology", "memory_hotplug_size", "memory_hugepage_size"]


def test_vm_create_and_list(stack):
    before = stack.api.vms()
    response = stack.api.ok("POST", "/vms", json={"name": "first", "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 134217728})
    assert response.status_code == 201
    assert response.headers["Content-Type"].startswith("text/plain")
    vm_id = response.text
    assert str(uuid.UUID(vm_id)) == vm_id, "the bare UUID, nothing else"
    assert len(stack.api.vms()) == len(before) + 1
    vm = stack.api.vm(vm_id)
    assert [k for k in ALWAYS if vm.get(k, ...) is ...] == []
    assert [k for k in NULLABLE if k not in vm] == []
    assert vm["status"] == "created" and vm["name"] == "first" and vm["memory_size"] == 134217728 and vm["config"] is None


def test_vm_full_lifecycle(stack):
    api = stack.api
    vm_id = api.create("life", description="a whole life")
    assert api.vm(vm_id)["status"] == "created"
    # Each action is synchronous: what the reply says, GET says at once.
    assert api.act(vm_id, "start")["status"] == "running"
    vm = api.vm(vm_id)
    assert vm["status"] == "running" and vm["host_id"] and vm["hypervisor"] == "qemu"
    assert vm["accelerator"] == "tcg" and vm["accelerator_evidence"]
    console = stack.wait_console(vm_id, "qarax uptime")
    assert "qarax guest: 1 vCPU" in console
    assert api.act(vm_id, "pause")["status"] == "paused"
    assert api.vm(vm_id)["status"] == "paused"
    seen = len(uptimes(api.console(vm_id)))
    time.sleep(2.5)  # the guest's clock is what's measured here
    assert len(uptimes(api.console(vm_id))) <= seen + 1, "a paused guest must not print"
    assert api.act(vm_id, "resume")["status"] == "running"
    assert api.vm(vm_id)["status"] == "running"
    lines = len(uptimes(api.console(vm_id)))
    stack.wait_console(vm_id, "qarax uptime")
    deadline = time.monotonic() + 10
    while len(uptimes(api.console(vm_id))) <= lines:
        assert time.monotonic() < deadline, "the resumed guest prints nothing"
        time.sleep(0.1)
    assert api.act(vm_id, "stop")["status"] == "shutdown"
    vm = api.vm(vm_id)
    assert vm["status"] == "shutdown"
    assert stack.nodes[0].vmm_pids() == {}, "shutdown is a promise that no VMM runs"
    api.delete(vm_id)
    with pytest.raises(Problem) as gone:
        api.vm(vm_id)
    assert gone.value.status == 404


def test_vm_delete(stack):
    never = stack.api.create("never-started")
    stack.api.delete(never)
    assert stack.api.call("GET", f"/vms/{never}").status_code == 404
    assert stack.api.call("DELETE", f"/vms/{never}").status_code == 404
    running = stack.api.create("running")
    stack.api.act(running, "start")
    stack.api.delete(running)
    assert stack.nodes[0].vmm_pids() == {}
    assert not stack.nodes[0].vm_dir(running).exists()


def test_multiple_vms(stack):
    ids = [stack.api.create(f"multi-{i}") for i in range(3)]
    for vm_id in ids:
        assert stack.api.act(vm_id, "start")["status"] == "running"
    assert {v["id"] for v in stack.api.vms() if v["status"] == "running"} >= set(ids)
    assert set(stack.nodes[0].vmm_pids()) == set(ids)
    for vm_id in ids:
        assert stack.api.act(vm_id, "force-stop")["status"] == "shutdown"
    assert stack.nodes[0].vmm_pids() == {}


def test_vm_start_stop_cycle(stack):
    vm_id = stack.api.create("cycle")
    for _ in range(2):
        assert stack.api.act(vm_id, "start")["status"] == "running"
        assert stack.api.act(vm_id, "start")["status"] == "running", "starting what runs changes nothing"
        stack.wait_console(vm_id, "qarax uptime")
        assert stack.api.act(vm_id, "stop")["status"] == "shutdown"
        assert stack.api.act(vm_id, "stop")["status"] == "shutdown", "stopping what is stopped changes nothing"


def test_reboot_starts_the_guest_again(stack):
    vm_id = stack.api.create("again")
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax uptime 2")
    assert stack.api.act(vm_id, "reboot")["status"] == "running"
    deadline = time.monotonic() + 60
    while stack.api.console(vm_id).count("qarax guest:") < 2:
        assert time.monotonic() < deadline, stack.api.console(vm_id)[-2000:]
        time.sleep(0.1)


def test_guest_powers_off_by_itself(stack):
    node = stack.add_node("short", boot=stack.boot("console=ttyS0 reboot=k panic=1 qarax.poweroff_after=1"))
    del node
    # Only the new node's guests end by themselves; which node a VM gets is the scheduler's, so start until one lands there.
    short = next(h["id"] for h in stack.api.hosts() if h["name"] == "short")
    for i in range(4):
        vm_id = stack.api.create(f"short-{i}")
        if stack.api.act(vm_id, "start")["host_id"] == short:
            break
    else:
        pytest.fail("four VMs and none on the second node: the scheduler doesn't spread")
    vm = stack.wait_state(vm_id, "shutdown", 60)
    assert vm["exit"]["kind"] == "exited" and vm["exit"]["code"] == 0
    assert "power" in vm["status_reason"].lower()
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
