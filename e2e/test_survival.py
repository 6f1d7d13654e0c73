"""kill -9 of each part, and what must survive it. The guests' uptime lines prove it."""

import os
import pathlib
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from framework.stack import is_alive, no_line_missing, uptimes, wait_for

pytestmark = pytest.mark.guest


def start_guests(stack, count: int) -> list:
    ids = [stack.api.create(f"guest-{i}") for i in range(count)]
    with ThreadPoolExecutor(count) as pool:
        for result in [pool.submit(stack.api.act, i, "start") for i in ids]:
            assert result.result()["status"] == "running"
    for vm_id in ids:
        stack.wait_console(vm_id, "qarax uptime", 180)
    return ids


def supervised(node, vm_id: str):
    """Returns the process under the VM's supervisor; None: there is none."""
    pid = node.supervisor_pid(vm_id)
    try:
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    except (OSError, IndexError):
        return None


def printed(node, vm_id: str) -> int:
    """The number of uptime lines that the supervisor has logged, read without an agent."""
    return len(uptimes((node.data / "vms" / vm_id / "run" / "1" / "console.log").read_text(errors="replace")))


@pytest.mark.serial
def test_agent_killed_while_eight_guests_run(stack):
    node = stack.nodes[0]
    ids = start_guests(stack, 8)
    pids = node.vmm_pids()
    assert set(pids) == set(ids)
    node.kill()
    dead = {i: printed(node, i) for i in ids}
    for vm_id in ids:
        wait_for("the guest goes on printing while the agent is dead", lambda: printed(node, vm_id) >= dead[vm_id] + 2, 20)
    node.start()
    for vm_id in ids:
        stack.wait_state(vm_id, "running", 30)
    assert node.vmm_pids() == pids, "the same VMMs as before"
    for vm_id in ids:
        assert stack.api.act(vm_id, "pause")["status"] == "paused"
        assert stack.api.act(vm_id, "resume")["status"] == "running"
        no_line_missing(stack.api.console(vm_id))
    for vm_id in ids:
        assert stack.api.act(vm_id, "force-stop")["status"] == "shutdown"


def test_vmm_killed_is_seen_within_a_second(stack):
    vm_id = start_guests(stack, 1)[0]
    os.kill(stack.nodes[0].vmm_pids()[vm_id], signal.SIGKILL)
    begun = time.monotonic()
    vm = stack.wait_state(vm_id, "shutdown", 5)
    assert time.monotonic() - begun < 1.0
    assert vm["exit"]["kind"] == "signaled" and vm["exit"]["signal"] == signal.SIGKILL
    assert "signal 9" in vm["status_reason"]
    assert stack.api.act(vm_id, "start")["status"] == "running", "and it can be started again"


def test_a_vmm_that_somebody_ends_is_no_power_off_of_the_guest(stack):
    """On SIGTERM QEMU exits with code 0, as after a guest's power-off."""
    vm_id = start_guests(stack, 1)[0]
    os.kill(stack.nodes[0].vmm_pids()[vm_id], signal.SIGTERM)
    vm = stack.wait_state(vm_id, "shutdown", 5)
    assert "terminating on signal 15" in vm["status_reason"]
    assert vm["desired_status"] == "running" and vm["desired_origin"] == "user" and vm["drift"]


def test_a_supervisor_that_was_killed_is_told_of_and_its_guest_runs_on(stack):
    vm_id = start_guests(stack, 1)[0]
    node = stack.nodes[0]
    pid = node.vmm_pids()[vm_id]
    os.kill(node.supervisor_pid(vm_id), signal.SIGKILL)
    wait_for("its reason says so", lambda: "supervisor is gone" in (stack.api.vm(vm_id)["status_reason"] or ""), 10)
    assert stack.api.vm(vm_id)["status"] == "running"
    node.kill()
    node.start()
    stack.wait_state(vm_id, "running", 15)
    assert node.vmm_pids()[vm_id] == pid and "supervisor is gone" in stack.api.vm(vm_id)["status_reason"]
    assert stack.api.act(vm_id, "force-stop")["status"] == "shutdown"
    assert not is_alive(pid)
    assert stack.api.act(vm_id, "start")["status"] == "running"
    assert not stack.api.vm(vm_id)["status_reason"]


def test_vmm_killed_while_the_agent_is_down(stack):
    vm_id = start_guests(stack, 1)[0]
    node = stack.nodes[0]
    pid = node.vmm_pids()[vm_id]
    node.kill()
    stack.wait_state(vm_id, "unknown", 15)
    os.kill(pid, signal.SIGKILL)
    node.start()
    vm = stack.wait_state(vm_id, "shutdown", 15)
    assert vm["exit"]["kind"] == "signaled" and vm["exit"]["signal"] == signal.SIGKILL
    assert "qarax uptime" in stack.api.console(vm_id)


def test_node_down_is_unknown_and_never_shutdown(stack):
    vm_id = start_guests(stack, 1)[0]
    node = stack.nodes[0]
    node.kill()
    vm = stack.wait_state(vm_id, "unknown", 15)
    assert vm["status_reason"]
    refused = stack.api.call("POST", f"/vms/{vm_id}/start")
    assert refused.status_code == 409 and "may still run" in refused.json()["detail"]
    for action in ("stop", "pause", "force-stop"):
        away = stack.api.call("POST", f"/vms/{vm_id}/{action}")
        assert away.status_code == 503 and "node1" in away.json()["detail"] and away.headers["Retry-After"], away.text
    assert stack.api.call("DELETE", f"/vms/{vm_id}").status_code == 503
    assert stack.api.vm(vm_id)["id"] == vm_id
    node.start()
    stack.wait_state(vm_id, "running", 15)


def test_server_killed_and_restarted_finds_its_vms(stack):
    vm_id = start_guests(stack, 1)[0]
    stack.server.kill()
    stack.server.start()
    wait_for("server back", lambda: stack.api.session.get(stack.server.base + "/livez", timeout=5).status_code == 200)
    stack.wait_state(vm_id, "running", 15)
    assert stack.api.act(vm_id, "stop")["status"] == "shutdown"


def test_server_killed_in_the_middle_of_a_start(bare_stack, tmp_path):
    """The QEMU program is held back, so that the kill certainly comes in the middle."""
    stack = bare_stack
    hold = tmp_path / "hold"
    slow = tmp_path / "qemu-system-x86_64"
    slow.write_text(f'#!/bin/sh\ncase "$*" in *" -uuid "*) while [ -e {hold} ]; do sleep 0.05; done;; esac\nexec /usr/bin/qemu-system-x86_64 "$@"\n')
    slow.chmod(0o755)
    node = stack.add_node(plugins=[stack.qemu_plugin(binary=str(slow))])
    for expected in ("completed", "cancelled"):
        hold.touch()
        vm_id = stack.api.create(f"to-be-{expected}")
        job = stack.api.call("POST", f"/vms/{vm_id}/start", headers={"Prefer": "respond-async"}).json()["job_id"]
        wait_for("QEMU's program runs", lambda: supervised(node, vm_id))
        pid = supervised(node, vm_id)
        stack.server.kill()
        stack.server.start()
        wait_for("server back", lambda: stack.api.session.get(stack.server.base + "/livez", timeout=5).status_code == 200)
        stack.wait_host(stack.api.hosts()[0]["id"], "up")
        assert supervised(node, vm_id) == pid, "nothing was undone, nothing begun anew"
        if expected == "completed":
            hold.unlink()
            assert stack.api.ok("GET", f"/jobs/{job}?wait=60s").json()["state"] == "completed"
            assert stack.api.vm(vm_id)["status"] == "running"
            assert node.vmm_pids() == {vm_id: pid}
            stack.wait_console(vm_id, "qarax uptime", 180)
            stack.api.act(vm_id, "force-stop")
        else:
            assert stack.api.ok("DELETE", f"/jobs/{job}").json()["state"] == "cancelled"
            assert stack.api.vm(vm_id)["status"] in ("created", "shutdown")
            assert supervised(node, vm_id) is None


def test_server_killed_during_a_hundred_creates(bare_stack):
    stack = bare_stack
    promised = []
    # At least one kill must come in the middle: if this thread is woken late, all requests may have been answered by then.
    for attempt, enough in enumerate((10, 5, 2, 1, 1, 1)):
        acknowledged = []
        lock = threading.Lock()
        few = threading.Event()

        def create(i: int) -> None:
            try:
                vm_id = stack.api.__class__(stack.server.base).create(f"flood-{attempt}-{i}")
            except Exception:  # noqa: BLE001 - not acknowledged, so not promised
                return
            with lock:
                acknowledged.append(vm_id)
                if len(acknowledged) >= enough:
                    few.set()

        with ThreadPoolExecutor(100) as pool:
            for i in range(100):
                pool.submit(create, i)
            assert few.wait(20), f"{len(acknowledged)} creates in 20 s"
            stack.server.kill()
        stack.server.start()
        wait_for("server back", lambda: stack.api.session.get(stack.server.base + "/livez", timeout=5).status_code == 200)
        promised += acknowledged
        there = {v["id"] for v in stack.api.vms()}
        assert set(promised) <= there, "a 201 that is gone after the restart"
        if len(acknowledged) < 100:
            break
    assert 0 < len(acknowledged) < 100, "the kill never fell in the middle"


def test_sigterm_ends_server_and_node_in_time_and_vms_run_on(stack):
    vm_id = start_guests(stack, 1)[0]
    node = stack.nodes[0]
    pid = node.vmm_pids()[vm_id]
    for program in (stack.server, node):
        begun = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - begun < 5
    os.kill(pid, 0)
    node.start()
    stack.server.start()
    wait_for("server back", lambda: stack.api.session.get(stack.server.base + "/livez", timeout=5).status_code == 200)
    stack.wait_state(vm_id, "running", 15)
    assert node.vmm_pids()[vm_id] == pid


def test_two_nodes(stack):
    stack.add_node("node2")
    ids = [stack.api.create(f"guest-{i}") for i in range(2)]
    # Started one after the other: choosing the emptier host is only a preference if both fit.
    for vm_id in ids:
        assert stack.api.act(vm_id, "start")["status"] == "running"
    hosts = {stack.api.vm(i)["host_id"] for i in ids}
    assert len(hosts) == 2, "two empty nodes of one size get one VM each"
    first, second = stack.nodes
    assert len(first.vmm_pids()) == 1 and len(second.vmm_pids()) == 1
    # The death of one node doesn't affect the other's VMs.
    on_first = next(iter(first.vmm_pids()))
    on_second = next(iter(second.vmm_pids()))
    first.kill()
    stack.wait_state(on_first, "unknown", 15)
    assert stack.api.act(on_second, "pause")["status"] == "paused"
    first.start()
    stack.wait_state(on_first, "running", 15)


def test_a_vmm_that_is_slow_to_answer_is_not_given_up(stack):
    """Like on a host under load: the monitor is silent while the agent recovers, and answers later."""
    node = stack.nodes[0]
    vm = start_guests(stack, 1)[0]
    pid = node.vmm_pids()[vm]
    os.kill(pid, signal.SIGSTOP)
    try:
        node.kill()
        node.start()
        wait_for("the VM is unknown", lambda: stack.api.vm(vm)["status"] == "unknown", 30)
        refused = stack.api.call("POST", f"/vms/{vm}/pause")
        assert refused.status_code in (409, 503), refused.text
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for("the VM is running again", lambda: stack.api.vm(vm)["status"] == "running", 60)
    assert stack.api.act(vm, "pause")["status"] == "paused"
    assert node.vmm_pids()[vm] == pid
