"""Resize, snapshots, counters through the whole stack, and what is left if something ends in the middle."""

import contextlib
import os
import pathlib
import socket
import threading
import time

import pytest

from framework import paths
from framework.stack import uptimes, wait_for

MIB = 1024 * 1024


def simulated(stack, name: str, **spec) -> str:
    return stack.api.create(name, hypervisor="simulator", **spec)


def snapshots(stack, vm_id: str) -> list:
    return stack.api.ok("GET", f"/vms/{vm_id}/snapshots").json()


def folders(node, vm_id: str) -> list:
    folder = node.vm_dir(vm_id) / "snapshots"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def counters(stack, vm_id: str) -> dict:
    metrics = stack.api.ok("GET", f"/vms/{vm_id}/metrics").json()
    assert metrics["vm_id"] == vm_id
    return {c["name"]: c["value"] for c in metrics["counters"]}


def restore(stack, vm_id: str, snapshot_id: str):
    return stack.api.call("POST", f"/vms/{vm_id}/restore", json={"snapshot_id": snapshot_id})


def slug(response) -> str:
    return response.json()["type"].rsplit("/", 1)[-1]


def test_resize_running_and_stopped(stack):
    vm_id = simulated(stack, "web", max_vcpus=4, memory_hotplug_size=128 * MIB)
    put = lambda **size: stack.api.call("PUT", f"/vms/{vm_id}/resize", json=size)  # noqa: E731
    assert put(desired_vcpus=2).json()["boot_vcpus"] == 2, "of a VM that was never started it is the next start's"
    stack.api.act(vm_id, "start")
    grown = put(desired_vcpus=3, desired_ram=192 * MIB).json()
    assert (grown["boot_vcpus"], grown["memory_size"], grown["status"]) == (3, 192 * MIB, "running")
    for size, pointer in ((dict(desired_vcpus=5), "/desired_vcpus"), (dict(desired_ram=1024 * MIB), "/desired_ram")):
        refused = put(**size)
        assert (refused.status_code, slug(refused)) == (422, "validation")
        assert [e["pointer"] for e in refused.json()["errors"]] == [pointer], "the server's word and the plugin's look the same"
    assert stack.api.vm(vm_id)["memory_size"] == 192 * MIB
    beyond = put(desired_ram=1 << 50)
    assert (beyond.status_code, slug(beyond)) == (422, "no-host-fits")
    stack.api.act(vm_id, "pause")
    assert slug(put(desired_vcpus=1)) == "wrong-state"
    stack.api.act(vm_id, "force-stop")
    stack.server.kill()
    stack.server.start()
    stack.wait_state(vm_id, "shutdown")
    stack.wait_host(stack.api.hosts()[0]["id"], "up")
    kept = stack.api.act(vm_id, "start")
    assert (kept["boot_vcpus"], kept["memory_size"]) == (3, 192 * MIB), "a size outlives its incarnation and the server"


def test_snapshot_restore_delete(stack):
    node = stack.nodes[0]
    vm_id = simulated(stack, "web")
    nowhere = stack.api.call("POST", f"/vms/{vm_id}/snapshots")
    assert (nowhere.status_code, slug(nowhere)) == (409, "wrong-state")
    stack.api.act(vm_id, "start")
    made = stack.api.ok("POST", f"/vms/{vm_id}/snapshots", json={"name": "before"})
    assert made.status_code == 201 and stack.api.vm(vm_id)["status"] == "running"
    snapshot = made.json()
    assert snapshot["status"] == "ready" and snapshot["name"] == "before" and snapshot["size"] > 0
    assert snapshots(stack, vm_id) == [snapshot] == [stack.api.ok("GET", made.headers["Location"]).json()]
    assert folders(node, vm_id) == [snapshot["id"]]
    at_snapshot = counters(stack, vm_id)["simulated.uptime"]

    stack.api.act(vm_id, "stop")
    stack.server.kill()
    stack.server.start()
    stack.wait_state(vm_id, "shutdown")
    restored = restore(stack, vm_id, snapshot["id"])
    assert restored.status_code == 200 and restored.json()["status"] == "running" and restored.json()["incarnation"] == 2
    assert counters(stack, vm_id)["simulated.uptime"] < at_snapshot + 5e9, "it went on where it was"
    assert slug(restore(stack, vm_id, snapshot["id"])) == "wrong-state"

    assert stack.api.ok("DELETE", made.headers["Location"]).status_code == 204
    assert snapshots(stack, vm_id) == [] and folders(node, vm_id) == []
    stack.api.act(vm_id, "stop")
    assert slug(restore(stack, vm_id, snapshot["id"])) == "snapshot-not-found"
    assert slug(stack.api.call("GET", f"/vms/{vm_id}/metrics")) == "wrong-state"


def test_agent_killed_during_a_snapshot_leaves_nothing(stack):
    node = stack.nodes[0]
    vm_id = simulated(stack, "slow", config={"action_delay_ms": 2000})
    stack.api.act(vm_id, "start")
    answers = []
    caller = threading.Thread(target=lambda: answers.append(stack.api.call("POST", f"/vms/{vm_id}/snapshots")))
    caller.start()
    wait_for("the unfinished snapshot", lambda: folders(node, vm_id))
    node.kill()
    assert [name[:5] for name in folders(node, vm_id)] == [".new-"]
    node.start()
    stack.wait_state(vm_id, "running")
    caller.join()
    assert answers[0].status_code >= 400
    wait_for("the end of the job", lambda: not stack.api.vm(vm_id)["activity"])
    assert snapshots(stack, vm_id) == [] and folders(node, vm_id) == []
    assert stack.api.ok("POST", f"/vms/{vm_id}/snapshots").status_code == 201


def test_stop_overtakes_a_snapshot(stack):
    node = stack.nodes[0]
    vm_id = simulated(stack, "slow", config={"action_delay_ms": 5000})
    stack.api.act(vm_id, "start")
    job = stack.api.ok("POST", f"/vms/{vm_id}/snapshots", headers={"Prefer": "respond-async"})
    assert job.status_code == 202
    wait_for("the unfinished snapshot", lambda: folders(node, vm_id))
    assert stack.api.act(vm_id, "force-stop")["status"] == "shutdown"
    [left] = snapshots(stack, vm_id)
    assert left["status"] == "failed", "nobody knows how far its host has come"
    assert slug(restore(stack, vm_id, left["id"])) == "snapshot-not-found"
    assert stack.api.ok("DELETE", f"/vms/{vm_id}/snapshots/{left['id']}").status_code == 204
    assert snapshots(stack, vm_id) == [] and folders(node, vm_id) == []


def test_agent_killed_during_a_restore(stack):
    node = stack.nodes[0]
    vm_id = simulated(stack, "slow", config={"start_delay_ms": 2000})
    stack.api.act(vm_id, "start")
    snapshot = stack.api.ok("POST", f"/vms/{vm_id}/snapshots").json()
    stack.api.act(vm_id, "force-stop")
    answers = []
    caller = threading.Thread(target=lambda: answers.append(restore(stack, vm_id, snapshot["id"])))
    caller.start()
    wait_for("the restore's run folder", lambda: (node.vm_dir(vm_id) / "run" / "2").exists())
    node.kill()
    node.start()
    caller.join()
    stack.wait_state(vm_id, "shutdown")
    wait_for("the end of the job", lambda: not stack.api.vm(vm_id)["activity"])
    assert restore(stack, vm_id, snapshot["id"]).json()["status"] == "running", "and it can be asked for again"


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of its own is root's to mount")
def test_a_full_disk_leaves_nothing_and_the_vm_running(bare_stack):
    stack = bare_stack
    data = stack.folder / "node1" / "data"
    mount = f'mkdir -p {data} && mount -t tmpfs -o size=4m,mode=0700 tmpfs {data} && exec "$@"'
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={}, under=["unshare", "-m", "sh", "-c", mount, "sh"])
    node.data = pathlib.Path(f"/proc/{node.pid}/root") / data.relative_to("/")
    vm_id = simulated(stack, "web")
    stack.api.act(vm_id, "start")
    with open(node.data / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    full = stack.api.call("POST", f"/vms/{vm_id}/snapshots")
    assert (full.status_code, slug(full)) == (507, "disk-full"), full.text
    assert snapshots(stack, vm_id) == [] and folders(node, vm_id) == []
    assert stack.api.vm(vm_id)["status"] == "running"
    (node.data / "filler").unlink()
    assert stack.api.ok("POST", f"/vms/{vm_id}/snapshots").json()["status"] == "ready"
    stack.api.delete(vm_id)


def test_delete_takes_snapshots_along(stack):
    node = stack.nodes[0]
    vm_id = simulated(stack, "web")
    stack.api.act(vm_id, "start")
    stack.api.ok("POST", f"/vms/{vm_id}/snapshots")
    stack.api.delete(vm_id)
    assert not node.vm_dir(vm_id).exists()
    assert stack.api.call("GET", f"/vms/{vm_id}/snapshots").status_code == 404


def test_hosts_say_what_their_hypervisors_can(stack):
    [host] = stack.api.hosts()
    by_name = {p["name"]: p for p in host["plugins"]}
    assert by_name["simulator"]["capabilities"] == ["pause", "reboot", "resize", "snapshot", "counters"]
    plugins = {p["name"]: p for p in stack.api.ok("GET", f"/hosts/{host['id']}/plugins").json()}
    assert "qarax.hypervisor.snapshot/1" in plugins["simulator"]["interfaces"]
    assert "snapshot" in plugins["simulator"]["description"]["features"]


def test_what_a_hypervisor_lacks_is_refused_before_anything_is_recorded(bare_stack):
    """With a plugin in C that can pause and nothing else."""
    stack = bare_stack
    node = stack.add_node(plugins=[{"path": str(paths.BUILD / "core/src/plugin_host/fixtures/c_plugin.so"), "required": True}], boot={})
    assert stack.api.hosts()[0]["plugins"][0]["capabilities"] == ["pause"]
    vm_id = stack.api.create("web", hypervisor="c_plugin", max_vcpus=2)
    stack.api.act(vm_id, "start")
    before = stack.api.vm(vm_id)
    asked = {
        "reboot": ("POST", "reboot", None),
        "resize": ("PUT", "resize", {"desired_vcpus": 2}),
        "snapshot": ("POST", "snapshots", None),
        "counters": ("GET", "metrics", None),
    }
    for capability, (method, path, body) in asked.items():
        refused = stack.api.call(method, f"/vms/{vm_id}/{path}", json=body)
        assert (refused.status_code, slug(refused)) == (422, "unsupported-by-hypervisor"), refused.text
        assert f"hypervisor c_plugin 1.2.3 on host node1 lacks the capability {capability}" in refused.json()["detail"]
        assert "pause" in refused.json()["hint"]
    assert stack.api.vm(vm_id) == before and snapshots(stack, vm_id) == [] and folders(node, vm_id) == []
    assert stack.api.act(vm_id, "pause")["status"] == "paused", "and what it can it does"


# -- on real guests --


def needs(stack, capability: str) -> None:
    plugins = {p["name"]: p for p in stack.api.hosts()[0]["plugins"]}
    if capability not in plugins["qemu"]["capabilities"]:
        pytest.skip(f"this host's qemu can't {capability}")


class Shell:
    """The guest's console, for input and output, through the socket of its supervisor."""

    def __init__(self, node, vm_id: str, incarnation: int):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(node.vm_dir(vm_id) / "run" / str(incarnation) / "control.sock"))
        self.socket.sendall(b"attach\n")
        assert self.socket.recv(3, socket.MSG_WAITALL) == b"ok\n"

    def says(self, command: str, expected: str) -> bool:
        """Returns whether the command's answer contains `expected`; the guest's own lines may come in between."""
        # Computed by the guest, so that the echo of the command isn't taken for its end.
        self.socket.sendall(command.encode() + b"; echo done=$((6 * 7))\n")
        seen = b""
        deadline = time.monotonic() + 30
        while b"done=42" not in seen:
            assert time.monotonic() < deadline, f"no answer to {command!r}: {seen[-500:]!r}"
            piece = self.socket.recv(4096)
            assert piece, f"the console ended before {expected!r}: {seen[-500:]!r}"
            seen += piece
        return expected.encode() in seen

    def close(self) -> None:
        self.socket.close()


ONLINE = "for c in /sys/devices/system/cpu/cpu*/online; do echo 1 >$c; done; echo cpus=$(cat /sys/devices/system/cpu/online)"


@pytest.mark.guest
def test_the_guest_sees_its_new_vcpu(stack):
    needs(stack, "resize")
    vm_id = stack.api.create("web", max_vcpus=2)
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax uptime", 180)
    resized = stack.api.ok("PUT", f"/vms/{vm_id}/resize", json={"desired_vcpus": 2}).json()
    assert resized["boot_vcpus"] == 2
    shell = Shell(stack.nodes[0], vm_id, 1)
    try:
        wait_for("the guest's second CPU", lambda: shell.says("test -d /sys/devices/system/cpu/cpu1 && echo there=$((1 + 1))", "there=2"), every=0.2)
        wait_for("it at work", lambda: shell.says(ONLINE, "cpus=0-1"), every=0.2)
    finally:
        shell.close()
    stack.api.act(vm_id, "force-stop")
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax guest: 2 vCPU", 180)


@pytest.mark.guest
def test_a_guest_goes_on_where_its_snapshot_left_it(stack):
    needs(stack, "snapshot")
    vm_id = stack.api.create("web")
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax uptime", 180)
    snapshot = stack.api.ok("POST", f"/vms/{vm_id}/snapshots").json()
    left_at = uptimes(stack.api.console(vm_id))[-1]
    wait_for("two lines more", lambda: uptimes(stack.api.console(vm_id))[-1] >= left_at + 2)
    stack.api.act(vm_id, "force-stop")
    assert restore(stack, vm_id, snapshot["id"]).json()["status"] == "running"
    console = wait_for("an uptime line", lambda: (lambda c: c if uptimes(c) else None)(stack.api.console(vm_id)))
    assert "qarax guest:" not in console, "it wasn't booted"
    assert left_at - 1 <= uptimes(console)[0] <= left_at + 2.5, "the time in between isn't the guest's"
    assert stack.api.act(vm_id, "stop")["status"] == "shutdown", "it still hears its power button"


@pytest.mark.guest
def test_agent_killed_while_a_guest_is_written_down(stack):
    needs(stack, "snapshot")
    node = stack.nodes[0]
    vm_id = stack.api.create("web", memory_size=256 * MIB)
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax uptime", 180)
    caller = threading.Thread(target=lambda: stack.api.call("POST", f"/vms/{vm_id}/snapshots"))
    caller.start()
    wait_for("the snapshot's folder", lambda: folders(node, vm_id), every=0.001)
    node.kill()
    node.start()
    caller.join()
    stack.wait_state(vm_id, "running")
    wait_for("the end of the job", lambda: not stack.api.vm(vm_id)["activity"])
    # The snapshot may have been quicker than the kill, and is complete then.
    assert folders(node, vm_id) == [s["id"] for s in snapshots(stack, vm_id) if s["status"] == "ready"]
    assert len(snapshots(stack, vm_id)) == len(folders(node, vm_id))
    before = uptimes(stack.api.console(vm_id))[-1]
    wait_for("the guest to go on", lambda: uptimes(stack.api.console(vm_id))[-1] >= before + 2)
    taken = stack.api.ok("POST", f"/vms/{vm_id}/snapshots")
    assert taken.json()["status"] == "ready"
