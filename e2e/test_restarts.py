"""Which VMs are restarted automatically, which aren't, and what a VM's document says about it. The guests really end: the VMM is
killed, or the guest powers off."""

import os
import signal

import pytest

from framework.stack import Stack, wait_for


@pytest.fixture
def quick(request):
    """A stack that restarts VMs almost at once."""
    made = Stack(server_settings={"vm": {"restart": {"backoff": "10ms", "backoff_max": "50ms"}}})
    try:
        yield made
    finally:
        left = made.close(keep=getattr(getattr(request.node, "report_call", None), "failed", False))
        assert not left, left


def restarted(stack, vm_id: str, count: int) -> dict:
    return wait_for(f"restart {count}", lambda: (lambda v: v if v["restart_count"] == count and v["status"] == "running" else None)(stack.api.vm(vm_id)), 60)


@pytest.mark.guest
def test_a_killed_vmm_is_started_again_until_its_limit(quick):
    node = quick.add_node()
    vm = quick.api.create("web", hypervisor="qemu", restart_policy="on-failure", restart_limit=1)
    plain = quick.api.create("plain", hypervisor="qemu")
    for one in (vm, plain):
        quick.api.act(one, "start")
    for one in (vm, plain):
        os.kill(node.vmm_pids()[one], signal.SIGKILL)
    again = restarted(quick, vm, 1)
    assert again["incarnation"] == 2 and again["desired_origin"] == "policy" and again["drift"] is None
    os.kill(node.vmm_pids()[vm], signal.SIGKILL)
    ended = quick.wait_state(vm, "shutdown")
    assert ended["drift"] == "asked for: running, seen: shutdown; 1 restarts in a row are its limit"
    assert ended["observed_source"] == "node" and ended["exit"]["signal"] == signal.SIGKILL
    left = quick.api.vm(plain)
    assert left["status"] == "shutdown" and left["restart_policy"] == "never" and left["incarnation"] == 1
    assert left["drift"] == "asked for: running, seen: shutdown"
    assert quick.api.act(vm, "start")["restart_count"] == 0
    assert quick.api.act(vm, "force-stop")["drift"] is None


@pytest.mark.guest
def test_after_the_hosts_reboot_the_policy_decides(quick):
    node = quick.add_node()
    never, again, paused, off = (quick.api.create(name, hypervisor="qemu", restart_policy=policy) for name, policy in
                                 (("never", "never"), ("again", "on-failure"), ("paused", "never"), ("off", "on-failure")))
    for vm in (never, again, paused, off):
        quick.api.act(vm, "start")
    quick.api.act(paused, "pause")
    quick.api.act(off, "force-stop")
    before = node.vmm_pids()
    assert set(before) == {never, again, paused}
    stopped_because = quick.api.vm(off)["status_reason"]
    node.reboot_host()
    assert restarted(quick, again, 1)["incarnation"] == 2 and quick.api.vm(again)["desired_origin"] == "policy"
    for vm in (never, paused):
        ended = quick.wait_state(vm, "shutdown")
        assert ended["status_reason"] == "the host was rebooted" and ended["incarnation"] == 1
        assert ended["desired_status"] == ("running" if vm == never else "paused") and ended["drift"]
    stays = quick.api.vm(off)
    assert stays["status"] == "shutdown" and stays["incarnation"] == 1 and stays["status_reason"] == stopped_because
    assert set(node.vmm_pids()) == {again} and node.vmm_pids()[again] != before[again]
    assert quick.api.act(never, "start")["status"] == "running"


def test_a_power_off_is_meant_unless_the_policy_is_always(quick):
    quick.add_node(plugins=[quick.simulator_plugin()], boot={})
    ids = {policy: quick.api.create(policy, restart_policy=policy, config={"exit_after_ms": 300}) for policy in ("never", "on-failure", "always")}
    for vm in ids.values():
        quick.api.act(vm, "start")
    wait_for("always, twice", lambda: quick.api.vm(ids["always"])["restart_count"] >= 2)
    for policy in ("never", "on-failure"):
        ended = quick.wait_state(ids[policy], "shutdown")
        assert ended["desired_status"] == "shutdown" and ended["desired_origin"] == "guest"
        assert ended["restart_count"] == 0 and ended["drift"] is None
    wait_for("a stop holds", lambda: quick.api.call("POST", f"/vms/{ids['always']}/force-stop").status_code == 200)
    count = quick.api.vm(ids["always"])["incarnation"]
    quick.server.stop()
    quick.server.start()
    wait_for("the server answers", lambda: quick.api.vm(ids["always"]))
    quick.wait_host(quick.api.hosts()[0]["id"], "up")
    assert quick.api.vm(ids["always"])["status"] == "shutdown" and quick.api.vm(ids["always"])["incarnation"] == count


def test_a_policy_that_is_given_later_holds_from_then_on(quick):
    quick.add_node(plugins=[quick.simulator_plugin()], boot={})
    vm = quick.api.create("web", config={"exit_after_ms": 300})
    quick.api.act(vm, "start")
    quick.wait_state(vm, "shutdown")
    assert quick.api.ok("PATCH", f"/vms/{vm}", json={"restart_policy": "always", "restart_limit": 0}).json()["restart_limit"] == 0
    assert quick.api.act(vm, "start")["incarnation"] == 2
    wait_for("started again", lambda: quick.api.vm(vm)["restart_count"] >= 2)
    quick.api.ok("PATCH", f"/vms/{vm}", json={"restart_policy": "never"})
    ended = wait_for("it stays down", lambda: (lambda v: v if v["status"] == "shutdown" and v["activity"] is None else None)(quick.api.vm(vm)))
    assert ended["restart_policy"] == "never" and ended["restart_limit"] == 0 and ended["drift"] is None


def test_a_restart_waits_for_the_truth(quick):
    """The VM ended while its node could not be reached: it is unknown first, and is restarted only when the node has reported the end."""
    node = quick.add_node(plugins=[quick.simulator_plugin()], boot={})
    vm = quick.api.create("web", restart_policy="always", config={"exit_after_ms": 1500})
    quick.api.act(vm, "start")
    node.kill()
    unknown = quick.wait_state(vm, "unknown")
    assert unknown["unknown_since"] and unknown["observed_source"] == "server" and unknown["drift"] is None
    refused = quick.api.call("POST", f"/vms/{vm}/start")
    assert refused.status_code == 409 and "may still run on host node1" in refused.json()["detail"]
    assert quick.api.vm(vm)["incarnation"] == 1
    node.start()
    again = restarted(quick, vm, 1)
    assert again["unknown_since"] is None and again["observed_source"] == "node" and again["incarnation"] == 2


def test_a_policy_must_be_one_of_three(quick):
    response = quick.api.call("POST", "/vms", json={"name": "x", "restart_policy": "sometimes"})
    assert response.status_code == 422 and response.json()["errors"][0]["pointer"] == "/restart_policy"
    response = quick.api.call("POST", "/vms", json={"name": "x", "restart_limit": -1})
    assert response.status_code == 422 and response.json()["errors"][0]["pointer"] == "/restart_limit"
