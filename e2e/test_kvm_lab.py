"""What needs a shell on the VM host, in the lab that has KVM (kvm-lab/run.sh): kill -9 of agent and VMM under real guests,
with whichever hypervisor the lab's node has as its default."""

import pytest
from qarax_api_client.api.vms import force_stop_vm, pause_vm, reboot_vm, resume_vm, start_vm, stop_vm
from qarax_api_client.models import ExitInfoKind, VmStatus

from framework.lab import Lab, address
from framework.stack import uptimes, wait_for

pytestmark = pytest.mark.lab


@pytest.fixture
def lab():
    made = Lab(address())
    yield made
    made.release_agent()


def running(qarax, name: str):
    vm_id = qarax.create(name)
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
        lines = wait_for("the guest counts on", lambda v=vm_id: (lambda u: u if len(u) > before[v] + 1 else None)(uptimes(qarax.console(v))), 30)
        # A guest under two layers of emulation may be late, but what it wrote while nobody listened is all there.
        seconds = [int(u) for u in lines]
        assert not [(a, b) for a, b in zip(seconds, seconds[1:]) if b - a > 3], lines
        assert qarax.act(stop_vm, vm_id).status == VmStatus.SHUTDOWN
        assert str(vm_id) not in lab.vmm_pids(), "shutdown is a promise that no VMM runs"


def test_rebooted_guest_has_its_console(qarax, lab):
    """A VMM may make its console anew with the guest: both of the guest's lives have to be in the log."""
    vm_id = running(qarax, "again")
    assert qarax.act(reboot_vm, vm_id).status == VmStatus.RUNNING
    wait_for("the second banner", lambda: qarax.console(vm_id).count("qarax guest:") == 2, 60, every=0.2)
    seen = len(uptimes(qarax.console(vm_id)))
    wait_for("the guest counts on", lambda: len(uptimes(qarax.console(vm_id))) > seen, 30, every=0.2)


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


def test_the_plugins_own_test_on_the_real_program(lab):
    """What cloud_hv's client expects of a VMM, and the fake in the other tests answers, is what the real one does."""
    there = lab.run("ls /usr/local/bin/cloud-hypervisor /opt/qarax/cloud_hv_test 2>/dev/null || true").split()
    if len(there) < 2:
        pytest.skip(f"of CLOUD_HYPERVISOR and a built qarax_plugin_cloud_hv_test the lab has {there or 'nothing'}")
    said = lab.run("CLOUD_HYPERVISOR=/usr/local/bin/cloud-hypervisor CLOUD_HYPERVISOR_KERNEL=/opt/qarax/vmlinuz "
                   "/opt/qarax/cloud_hv_test --gtest_filter='Real/*'", timeout=240)
    assert "[  PASSED  ]" in said and "SKIPPED" not in said, said
