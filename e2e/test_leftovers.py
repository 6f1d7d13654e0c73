"""Leftovers on a host after somebody removed a VM's folder by hand, or an agent was killed. What no VM owns is listed and can be
removed by one call; what belongs to a VM ends with it."""

import os
import pathlib
import shutil
import signal
import subprocess
import time
import uuid

import pytest

from framework.stack import wait_for


def leftovers(stack) -> list:
    return stack.api.ok("GET", f"/hosts/{stack.api.hosts()[0]['id']}/leftovers").json()


def ended(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def collect(stack) -> list:
    return stack.api.ok("POST", f"/hosts/{stack.api.hosts()[0]['id']}/leftovers/collect").json()


@pytest.mark.guest
def test_a_vmm_whose_folder_is_gone_is_its_vms_still(stack):
    """Only the server still knows of the VM: its VMM isn't collected, and a force-stop finds and ends it."""
    node = stack.nodes[0]
    kept, lost = stack.api.create("kept"), stack.api.create("lost")
    for vm in (kept, lost):
        stack.api.act(vm, "start")
    assert leftovers(stack) == []
    pids = node.vmm_pids()
    node.kill()
    aside = stack.folder / "aside"
    node.vm_dir(lost).rename(aside)
    node.start()
    stack.wait_state(kept, "running")
    stack.wait_state(lost, "unknown")
    assert leftovers(stack) == [] and collect(stack) == []
    time.sleep(0.2)
    os.kill(pids[lost], 0)
    assert stack.api.act(lost, "force-stop")["status"] == "shutdown"
    wait_for("its VMM is gone", lambda: ended(pids[lost]), 10)
    assert stack.api.act(kept, "pause")["status"] == "paused", "the other one is as it was"
    assert node.vmm_pids()[kept] == pids[kept]
    assert stack.api.act(lost, "start")["status"] == "running", "and it can be started again"
    assert leftovers(stack) == []
    shutil.rmtree(aside)


@pytest.mark.guest
def test_a_delete_ends_a_vmm_that_nothing_else_tells_of(stack):
    """Neither folder nor supervisor is left, and the VMM is found with or without cgroups."""
    node = stack.nodes[0]
    lost = stack.api.create("lost")
    stack.api.act(lost, "start")
    vmm = node.vmm_pids()[lost]
    supervisor = int(pathlib.Path(f"/proc/{vmm}/stat").read_text().rsplit(")", 1)[1].split()[1])
    node.kill()
    os.kill(supervisor, signal.SIGKILL)
    wait_for("its supervisor is gone", lambda: ended(supervisor))
    aside = stack.folder / "aside"
    node.vm_dir(lost).rename(aside)
    node.start()
    stack.wait_state(lost, "unknown")
    wait_for("the host is up", lambda: stack.api.hosts()[0]["status"] == "up")
    assert not ended(vmm)
    stack.api.delete(lost)
    wait_for("its VMM is gone", lambda: ended(vmm), 10)
    assert leftovers(stack) == []
    shutil.rmtree(aside)


def test_what_runs_for_a_vm_that_nobody_has_is_a_leftover(simulated):
    """It is recognized by its mark: every process that an agent starts for a VM has the VM's folder in its environment."""
    node = simulated.nodes[0]
    vm = str(uuid.uuid4())
    with subprocess.Popen(["sleep", "1000"], env={"QARAX_VM": str(node.vm_dir(vm))}) as stray:
        try:
            found = [one for one in leftovers(simulated) if one["vm"] == vm]
            assert [(one["kind"], one["name"]) for one in found] == [("process", str(stray.pid))]
            assert stray.poll() is None, "looking changes nothing"
            assert [one["removed"] for one in collect(simulated) if one["vm"] == vm] == [True]
            assert stray.wait(10) == -signal.SIGKILL
        finally:
            stray.kill()
    assert leftovers(simulated) == []


def test_leftovers_of_what_does_not_exist(simulated):
    assert simulated.api.call("GET", "/hosts/6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55/leftovers").status_code == 404
    assert simulated.api.call("GET", "/hosts/nonsense/leftovers").status_code == 400


def test_what_a_killed_agent_was_writing_is_swept(simulated):
    node = simulated.nodes[0]
    node.kill()
    halves = [node.data / "node_id.tmp999.0", node.data / "images" / "kernel.tmp999.1", node.data / "tombstones" / "x.tmp999.2"]
    whole = node.data / "images" / "kernel.tmp"
    for path in [*halves, whole]:
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    node.start()
    wait_for("the host is up", lambda: simulated.api.hosts()[0]["status"] == "up")
    assert [path for path in halves if path.exists()] == [] and whole.exists()
    whole.unlink()
