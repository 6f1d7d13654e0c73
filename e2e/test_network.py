"""The network between server and node is slow, silent, silent in one direction, or resets connections. Guests run on, no VM is taken
for ended, requests that were made meanwhile come to an end, and nothing is done twice."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from framework.cut import FROM_NODE, TO_NODE, Line
from framework.stack import Stack, no_line_missing, wait_for

pytestmark = pytest.mark.guest

HEARD_OF_MS = 5_000  # for so long a node that says nothing, or hears nothing, still counts as up


class Cut(Stack):
    """A server that can reach its node only through the line, because the node offers no unix socket."""

    def __init__(self):
        super().__init__()
        self.node = self.add_node(register=False, settings={"listen": {"unix_socket": "none"}})
        self.line = Line(self.node.port)
        self.host_id = self.api.ok("POST", "/hosts", json={"name": "node1", "address": "127.0.0.1", "port": self.line.port}).text
        self.wait_host(self.host_id, "up")

    def close(self, keep: bool = False) -> list:
        self.line.heal()
        try:
            return super().close(keep)
        finally:
            self.line.close()


@pytest.fixture
def cut(request):
    stack = Cut()
    try:
        yield stack
    finally:
        failed = getattr(getattr(request.node, "report_call", None), "failed", False)
        left = stack.close(keep=failed)
    assert not left, "left behind: " + "; ".join(left)


def running_guest(stack) -> str:
    vm = stack.api.create("guest", hypervisor="qemu")
    stack.api.act(vm, "start")
    stack.wait_console(vm, "qarax uptime", 180)
    return vm


def begin(stack, vm: str, action: str) -> str:
    response = stack.api.call("POST", f"/vms/{vm}/{action}", headers={"Prefer": "respond-async"})
    assert response.status_code == 202, response.text
    return response.json()["job_id"]


def begin_slow_start(stack, delay_ms: int) -> tuple:
    vm = stack.api.create("slow", hypervisor="simulator", config={"start_delay_ms": delay_ms})
    job = begin(stack, vm, "start")
    wait_for("its plugin is at it", lambda: (stack.node.vm_dir(vm) / "handle.json").exists())
    return vm, job


def ended(stack, job: str) -> dict:
    found = stack.api.ok("GET", f"/jobs/{job}?wait=60s").json()
    assert found["state"] in ("completed", "failed"), found
    assert found["state"] == "completed" or found["error"]["detail"], found
    return found


def runs_on(stack, vm: str, pids: dict) -> None:
    """Checks that the VMM is the same one and that the guest's output is complete."""
    assert stack.node.vmm_pids() == pids
    no_line_missing(stack.api.console(vm))


def was_started_once(stack, vm: str) -> None:
    assert stack.api.vm(vm)["incarnation"] == 1
    said = "started, no guest runs"
    assert stack.wait_console(vm, said).count(said) == 1


def is_unknown(stack, vm: str, busy: bool = True) -> dict:
    """Waits until the VM is unknown. `busy`: with a job whose end only its node knows."""
    found = stack.wait_state(vm, "unknown", 30)
    assert found["unknown_since"] and found["status_reason"] and found["observed_source"] == "server", found
    refused = stack.api.call("POST", f"/vms/{vm}/start")
    why = "is busy with pause" if busy else "may still run on host node1"
    assert refused.status_code == 409 and why in refused.json()["detail"], refused.text
    assert stack.api.call("DELETE", f"/vms/{vm}").status_code == 503
    return found


def test_a_slow_line_only_takes_longer(cut):
    vm = running_guest(cut)
    pids = cut.node.vmm_pids()
    cut.line.delay(0.2)
    # For longer than a silent node counts as up.
    until = time.monotonic() + 2 * HEARD_OF_MS / 1000
    while time.monotonic() < until:
        begun = time.monotonic()
        assert cut.api.act(vm, "pause")["status"] == "paused"
        assert time.monotonic() - begun > 0.4, "there and back"
        assert cut.api.act(vm, "resume")["status"] == "running"
        host = cut.api.hosts()[0]
        assert host["status"] == "up", host
    runs_on(cut, vm, pids)


def test_a_silent_line_makes_vms_unknown_and_nothing_else(cut):
    vm = running_guest(cut)
    pids = cut.node.vmm_pids()
    slow, start = begin_slow_start(cut, 8_000)
    cut.line.silence()
    # The server doesn't know yet: a client waits no longer than the server takes to find out.
    begun = time.monotonic()
    lost = cut.api.call("POST", f"/vms/{vm}/pause")
    assert lost.status_code == 503 and lost.json()["type"].endswith("/node-unreachable"), lost.text
    assert time.monotonic() - begun < 4 * HEARD_OF_MS / 1000
    found = is_unknown(cut, vm)
    assert "for 5 s" in found["status_reason"], "heartbeat or answer, whichever is missed first"
    pause = lost.json()["job_id"]
    assert cut.api.ok("GET", f"/jobs/{pause}").json()["state"] == "running", "its node has to say what became of it"
    assert cut.node.vmm_pids() == pids
    cut.line.heal()
    assert ended(cut, pause)["state"] == "completed"
    assert cut.wait_state(vm, "paused")["unknown_since"] is None
    assert cut.api.act(vm, "resume")["status"] == "running"
    assert ended(cut, start)["state"] == "completed"
    was_started_once(cut, slow)
    assert cut.node.vmm_pids() == pids


def test_a_node_that_is_not_heard_obeys_and_its_word_comes_later(cut):
    vm = running_guest(cut)
    pids = cut.node.vmm_pids()
    cut.line.silence(FROM_NODE)
    lost = cut.api.call("POST", f"/vms/{vm}/pause")
    assert lost.status_code == 503, lost.text
    is_unknown(cut, vm)
    cut.line.heal()
    assert ended(cut, lost.json()["job_id"])["state"] == "completed"
    cut.wait_state(vm, "paused")
    assert cut.api.act(vm, "resume")["status"] == "running"
    assert cut.node.vmm_pids() == pids


def test_a_node_that_does_not_hear_is_not_taken_for_one_that_is_there(cut):
    """Its heartbeats go on, but they prove only that one direction works."""
    vm = running_guest(cut)
    pids = cut.node.vmm_pids()
    cut.line.silence(TO_NODE)
    lost = cut.api.call("POST", f"/vms/{vm}/pause")
    assert lost.status_code == 503, lost.text
    found = is_unknown(cut, vm)
    assert "it answered nothing" in found["status_reason"]
    cut.line.heal()
    assert ended(cut, lost.json()["job_id"])["state"] == "completed"
    cut.wait_state(vm, "paused")
    assert cut.api.act(vm, "resume")["status"] == "running"
    assert cut.node.vmm_pids() == pids


def test_resets_in_mid_command_undo_nothing_and_repeat_nothing(cut):
    vm = running_guest(cut)
    pids = cut.node.vmm_pids()
    slow, start = begin_slow_start(cut, 4_000)
    for _ in range(3):
        wait_for("a connection to reset", cut.line.reset)
    assert cut.api.ok("GET", f"/jobs/{start}").json()["state"] == "running", "it would prove nothing else"
    assert ended(cut, start)["state"] == "completed"
    was_started_once(cut, slow)
    runs_on(cut, vm, pids)


def test_many_commands_under_resets_all_come_to_an_end(cut):
    vms = [cut.api.create(f"many-{i}", hypervisor="simulator", config={"start_delay_ms": 300}) for i in range(8)]
    jobs = [begin(cut, vm, "start") for vm in vms]
    with ThreadPoolExecutor(8) as pool:
        ends = [pool.submit(ended, cut, job) for job in jobs]
        while not all(end.done() for end in ends):
            wait_for("a connection to reset, or the end", lambda: cut.line.reset() or all(end.done() for end in ends))
        assert {end.result()["state"] for end in ends} == {"completed"}
    for vm in vms:
        was_started_once(cut, vm)
        assert cut.wait_state(vm, "running")["activity"] is None


def test_a_cut_and_a_killed_server_at_once(cut):
    vm = running_guest(cut)
    pids = cut.node.vmm_pids()
    slow, start = begin_slow_start(cut, 4_000)
    cut.line.silence()
    cut.server.kill()
    cut.server.start()
    wait_for("server back", lambda: cut.api.session.get(cut.server.base + "/livez", timeout=5).status_code == 200)
    is_unknown(cut, vm, busy=False)
    cut.line.heal()
    assert ended(cut, start)["state"] == "completed"
    was_started_once(cut, slow)
    cut.wait_state(vm, "running")
    runs_on(cut, vm, pids)
