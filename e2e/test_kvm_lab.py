"""Tests that need a shell on the VM host, in the lab with KVM (kvm-lab/run.sh): kill -9 of agent and VMM under real guests, and
what such a guest sees of a resize, a pause, a snapshot. They use the default hypervisor of the lab's node."""

import os

import pytest
from qarax_api_client.api.vms import (create_vm_snapshot, force_stop_vm, pause_vm, reboot_vm, resize_vm, restore_vm,
                                      resume_vm, start_vm, stop_vm)
from qarax_api_client.models import ExitInfoKind, Restore, Snapshot, SnapshotStatus, Vm, VmResize, VmStatus

from framework.lab import Lab, address, own_test_parts
from framework.service import expect
from framework.stack import no_line_missing, uptimes, wait_for

pytestmark = pytest.mark.lab


@pytest.fixture
def lab():
    made = Lab(address())
    yield made
    made.release_agent()


MIB = 1024 * 1024


def running(qarax, name: str, **spec):
    vm_id = qarax.create(name, **spec)
    vm = qarax.act(start_vm, vm_id)
    assert vm.status == VmStatus.RUNNING and vm.accelerator == "kvm"
    qarax.wait_console(vm_id, "qarax uptime")
    return vm_id


def wait_status(qarax, vm_id, status, timeout: float = 30):
    return wait_for(f"VM {vm_id} {status}", lambda: (lambda vm: vm if vm.status == status else None)(qarax.vm(vm_id)), timeout, every=0.05)


def test_agent_killed_guests_run_on(qarax, lab):
    ids = [running(qarax, f"survivor-{i}") for i in range(2)]
    pids = lab.vmm_pids()
    assert set(pids) >= {str(vm_id) for vm_id in ids}
    before = {vm_id: len(uptimes(qarax.console(vm_id))) for vm_id in ids}
    lab.kill_agent()
    for vm_id in ids:
        assert wait_status(qarax, vm_id, VmStatus.UNKNOWN).status_reason
    lab.release_agent()
    for vm_id in ids:
        wait_status(qarax, vm_id, VmStatus.RUNNING)
    assert lab.vmm_pids() == pids, "the same VMMs as before"
    for vm_id in ids:
        assert qarax.act(pause_vm, vm_id).status == VmStatus.PAUSED
        assert qarax.act(resume_vm, vm_id).status == VmStatus.RUNNING
        wait_for("the guest counts on", lambda v=vm_id: len(uptimes(qarax.console(v))) > before[v] + 1, 30)
        # Lines that the guest wrote while no agent ran are there, too.
        no_line_missing(qarax.console(vm_id))
        assert qarax.act(stop_vm, vm_id).status == VmStatus.SHUTDOWN
        assert str(vm_id) not in lab.vmm_pids(), "shutdown is a promise that no VMM runs"


def test_rebooted_guest_has_its_console(qarax, lab):
    """A VMM may create its console socket again at a reboot: the log must have the output from before and after it."""
    vm_id = running(qarax, "again")
    assert qarax.act(reboot_vm, vm_id).status == VmStatus.RUNNING
    wait_for("the second banner", lambda: qarax.console(vm_id).count("qarax guest:") == 2, 60, every=0.2)
    seen = len(uptimes(qarax.console(vm_id)))
    wait_for("the guest counts on", lambda: len(uptimes(qarax.console(vm_id))) > seen, 30, every=0.2)


def test_the_guest_sees_its_new_size(qarax, lab):
    """vCPUs and memory that are added while it runs, and are kept for its next start."""
    vm_id = running(qarax, "grows", max_vcpus=2, memory_size=256 * MIB, memory_hotplug_size=256 * MIB)
    with lab.guest(vm_id) as guest:
        assert guest.ask("cat /sys/devices/system/cpu/online") == ["0"]
        guest.ask("echo online >/sys/devices/system/memory/auto_online_blocks")
        [before] = guest.ask("echo $(grep MemTotal /proc/meminfo | tr -dc 0-9)")
        resized = expect(Vm, resize_vm.sync(vm_id, client=qarax.client, body=VmResize(desired_vcpus=2, desired_ram=384 * MIB)))
        assert (resized.boot_vcpus, resized.memory_size) == (2, 384 * MIB)
        guest.ask("until echo 1 >/sys/devices/system/cpu/cpu1/online; do sleep 0.1; done 2>/dev/null")
        assert guest.ask("cat /sys/devices/system/cpu/online") == ["0-1"]
        more = int(before) + 120 * 1024
        guest.ask(f"until [ $(grep MemTotal /proc/meminfo | tr -dc 0-9) -ge {more} ]; do sleep 0.1; done")
    assert qarax.act(stop_vm, vm_id).status == VmStatus.SHUTDOWN
    assert qarax.act(start_vm, vm_id).status == VmStatus.RUNNING
    qarax.wait_console(vm_id, "qarax guest: 2 vCPU, 384 MiB")


def test_a_paused_guest_stands_still(qarax, lab):
    vm_id = running(qarax, "still")
    assert qarax.act(pause_vm, vm_id).status == VmStatus.PAUSED
    # This measures the guest's clock. Output that is on its way must arrive first, before silence means anything.
    lab.run("sleep 0.5")
    last = uptimes(qarax.console(vm_id))[-1]
    lab.run("sleep 4")
    assert uptimes(qarax.console(vm_id))[-1] == last
    assert qarax.act(resume_vm, vm_id).status == VmStatus.RUNNING
    wait_for("the guest counts on", lambda: uptimes(qarax.console(vm_id))[-1] > last, 30, every=0.1)


def test_a_guest_goes_on_where_its_snapshot_left_it(qarax, lab):
    vm_id = running(qarax, "frozen")
    with lab.guest(vm_id) as guest:
        guest.ask("echo kept >/run/word")
    before = uptimes(qarax.console(vm_id))[-1]
    made = expect(Snapshot, create_vm_snapshot.sync(vm_id, client=qarax.client))
    assert made.status == SnapshotStatus.READY and qarax.vm(vm_id).status == VmStatus.RUNNING
    after = uptimes(qarax.console(vm_id))[-1]
    wait_for("four lines more", lambda: uptimes(qarax.console(vm_id))[-1] >= after + 4, 30, every=0.1)
    assert qarax.act(force_stop_vm, vm_id).status == VmStatus.SHUTDOWN
    again = expect(Vm, restore_vm.sync(vm_id, client=qarax.client, body=Restore(snapshot_id=made.id)))
    assert again.status == VmStatus.RUNNING and again.incarnation == 2 and again.accelerator == "kvm"
    console = wait_for("an uptime line", lambda: (lambda c: c if uptimes(c) else None)(qarax.console(vm_id)), 30, every=0.1)
    assert "qarax guest:" not in console, "it wasn't booted"
    went_on_at = uptimes(console)[0]
    assert went_on_at >= before
    # Cloud Hypervisor v53 sets the guest's clock to the wall clock; QEMU and older versions let it stand meanwhile.
    if again.hypervisor == "qemu":
        assert went_on_at <= after + 2, "the time in between isn't the guest's"
    with lab.guest(vm_id, 2) as guest:
        assert guest.ask("cat /run/word") == ["kept"]
    assert qarax.act(stop_vm, vm_id).status == VmStatus.SHUTDOWN, "it still hears its power button"


def test_vmm_killed(qarax, lab):
    vm_id = running(qarax, "victim")
    lab.run(f"kill -9 {lab.vmm_pids()[str(vm_id)]}")
    vm = wait_status(qarax, vm_id, VmStatus.SHUTDOWN, 5)
    assert vm.exit_.kind == ExitInfoKind.SIGNALED and vm.exit_.signal == 9 and "signal 9" in vm.status_reason
    assert qarax.act(start_vm, vm_id).status == VmStatus.RUNNING, "and it can be started again"
    assert qarax.act(force_stop_vm, vm_id).status == VmStatus.SHUTDOWN


def test_vmm_killed_while_the_agent_is_away(qarax, lab):
    vm_id = running(qarax, "unseen")
    pid = lab.vmm_pids()[str(vm_id)]
    lab.kill_agent()
    wait_status(qarax, vm_id, VmStatus.UNKNOWN)
    lab.run(f"kill -9 {pid}")
    lab.release_agent()
    vm = wait_status(qarax, vm_id, VmStatus.SHUTDOWN)
    assert vm.exit_.kind == ExitInfoKind.SIGNALED and vm.exit_.signal == 9
    assert "qarax uptime" in qarax.console(vm_id)


@pytest.mark.parametrize("part", own_test_parts())
def test_the_plugins_own_test_on_the_real_program(lab, part):
    """The real program behaves as cloud_hv's client expects, and as the fake in the other tests answers."""
    there = lab.run("ls /usr/local/bin/cloud-hypervisor /opt/qarax/cloud_hv_test 2>/dev/null || true")
    if "cloud-hypervisor" not in there:
        pytest.skip("CLOUD_HYPERVISOR names no program")
    assert "cloud_hv_test" in there, "the lab has no qarax_plugin_cloud_hv_test that fits its plugin: kvm-lab/run.sh test_kvm_lab.py says why"
    seccomp = os.environ.get("CLOUD_HYPERVISOR_SECCOMP", "on")
    said = lab.run("CLOUD_HYPERVISOR=/usr/local/bin/cloud-hypervisor CLOUD_HYPERVISOR_KERNEL=/opt/qarax/vmlinuz "
                   f"QARAX_GUEST_DIR=/opt/qarax CLOUD_HYPERVISOR_SECCOMP={seccomp} "
                   f"/opt/qarax/cloud_hv_test --gtest_filter='{part}'", timeout=400)
    assert "[  PASSED  ] 1 test." in said and "SKIPPED" not in said, said
