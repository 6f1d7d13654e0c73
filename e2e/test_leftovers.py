"""What is left on a host when somebody removes a VM's folder by hand, or an agent is killed: listed, and removed by one call;
what belongs to a VM isn't touched."""

import os
import pathlib
import shutil
import signal
import time

import pytest

from framework.stack import wait_for


def leftovers(stack) -> list:
    return stack.api.ok("GET", f"/hosts/{stack.api.hosts()[0]['id']}/leftovers").json()


def ended(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.guest
def test_a_vmm_without_its_vm_is_a_leftover(stack):
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
    found = leftovers(stack)
    assert {one["kind"] for one in found} <= {"process", "cgroup"} and {one["vm"] for one in found} == {lost}
    assert "process" in {one["kind"] for one in found}
    time.sleep(0.2)
    os.kill(pids[lost], 0)
    gone = stack.api.ok("POST", f"/hosts/{stack.api.hosts()[0]['id']}/leftovers/collect").json()
    assert [one for one in gone if not one["removed"]] == []
    wait_for("its VMM is gone", lambda: ended(pids[lost]), 10)
    assert leftovers(stack) == []
    assert stack.api.act(kept, "pause")["status"] == "paused", "the other one is as it was"
    assert node.vmm_pids()[kept] == pids[kept]
    assert stack.api.vm(lost)["status"] == "unknown", "and still nothing is called shutdown because it is absent"
    shutil.rmtree(aside)


@pytest.mark.guest
def test_a_vmm_that_nothing_else_tells_of_is_a_leftover(stack):
    """Neither folder nor supervisor is left, and the node has no cgroups or doesn't need them for it."""
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
    assert str(vmm) in {one["name"] for one in leftovers(stack) if one["kind"] == "process" and one["vm"] == lost}
    gone = stack.api.ok("POST", f"/hosts/{stack.api.hosts()[0]['id']}/leftovers/collect").json()
    assert [one for one in gone if not one["removed"]] == []
    wait_for("its VMM is gone", lambda: ended(vmm), 10)
    assert leftovers(stack) == []
    shutil.rmtree(aside)


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
