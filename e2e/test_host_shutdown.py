"""The host goes down: guests get the power button and time to end, and the server's desired states don't change."""

import subprocess
import time

import pytest

from framework import paths
from framework.stack import wait_for


def stop_guests(node, timeout: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(paths.program("qarax-node")), "--config", str(node.config_path), "stop-guests", "--timeout", timeout],
                          capture_output=True, text=True, timeout=60)


@pytest.mark.guest
def test_guests_power_off_before_the_host_does(stack):
    node = stack.nodes[0]
    listens, paused, off = (stack.api.create(name, hypervisor="qemu") for name in ("listens", "paused", "off"))
    for vm in (listens, paused):
        stack.api.act(vm, "start")
    stack.wait_console(listens, "qarax uptime", 120)
    stack.api.act(paused, "pause")
    # When only the agent ends, guests run on, so that it can be upgraded.
    pids = node.vmm_pids()
    assert node.stop() == 0
    node.start()
    stack.wait_state(listens, "running")
    stack.wait_state(paused, "paused")
    assert node.vmm_pids() == pids
    begun = time.monotonic()
    done = stop_guests(node, "30")
    assert done.returncode == 0, done.stderr
    assert "1 guests powered off, 1 were killed" in done.stdout, "nobody can press a paused machine's button"
    assert time.monotonic() - begun < 25, "it didn't wait for what had ended"
    assert node.vmm_pids() == {}
    vm = stack.wait_state(listens, "shutdown")
    assert "power button" in stack.api.console(listens)
    assert vm["status_reason"] == "the host was shut down; the guest powered off in time"
    assert vm["desired_status"] == "running" and vm["desired_origin"] == "user" and vm["drift"]
    assert stack.api.vm(off)["status"] == "created"
    refused = stack.api.call("POST", f"/vms/{off}/start")
    assert refused.status_code in (422, 503) and "shut down" in refused.json()["detail"]
    # The host is back.
    node.stop()
    node.start()
    stack.wait_host(stack.api.hosts()[0]["id"], "up")
    assert stack.api.vm(listens)["status_reason"] == "the host was shut down; the guest powered off in time"
    assert stack.api.act(listens, "start")["status"] == "running"


def test_a_restart_policy_waits_for_the_host(stack):
    node = stack.nodes[0]
    vm = stack.api.create("web", hypervisor="simulator", restart_policy="on-failure")
    stack.api.act(vm, "start")
    assert stop_guests(node, "5").returncode == 0
    stack.wait_state(vm, "shutdown")
    time.sleep(2.5)  # longer than the back-off, in which nothing may happen
    now = stack.api.vm(vm)
    assert now["status"] == "shutdown" and now["incarnation"] == 1 and now["restart_count"] == 0
    node.stop()
    node.start()
    again = wait_for("started again", lambda: (lambda v: v if v["status"] == "running" else None)(stack.api.vm(vm)), 30)
    assert again["incarnation"] == 2 and again["desired_origin"] == "policy"


def test_without_an_agent_it_says_so(bare_stack):
    node = bare_stack.add_node(plugins=[bare_stack.simulator_plugin()], boot={})
    node.stop()
    failed = stop_guests(node, "1")
    assert failed.returncode == 1 and "node.sock" in failed.stderr
    node.start()
    bare_stack.wait_host(bare_stack.api.hosts()[0]["id"], "up")
