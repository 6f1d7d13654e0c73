"""?dry_run=true tells what a change would lead to and changes nothing; /diagnosis tells why a VM is in its state."""

import os
import re
import signal
import uuid

import pytest

from framework.stack import wait_for

MIB = 1024 * 1024


def body(**more) -> dict:
    return {"name": f"vm-{uuid.uuid4().hex[:8]}", "memory_size": 128 * MIB, **more}


def told(response) -> dict:
    assert response.status_code == 200 and response.headers["Content-Type"].startswith("application/vnd.qarax.dry-run+json"), response.text
    return response.json()


@pytest.mark.guest
def test_a_create_is_tried_at_the_plugin(stack):
    api = stack.api
    dry = told(api.call("POST", "/vms?dry_run=true", json=body(hypervisor="qemu")))
    assert dry["host"] == "node1" and dry["hypervisor"] == "qemu" and dry["changes"] is True
    assert re.fullmatch(r"pc-q35-\d+\.\d+", dry["resolved"]["config"]["machine"]), "the plugin froze what isn't said"
    refused = api.call("POST", "/vms?dry_run=true", json=body(hypervisor="qemu", config={"machine": "no-such-machine"}))
    assert refused.status_code == 422 and refused.json()["step"] == "resolve", refused.text
    assert refused.json()["causes"], "the plugin's own words are the last cause"
    huge = api.call("POST", "/vms?dry_run=true", json=body(memory_size=1 << 50))
    assert huge.status_code == 422 and huge.json()["step"] == "placement" and huge.json()["errors"]
    assert api.vms() == []


def test_actions_are_only_judged(simulated):
    api = simulated.api
    vm = api.create(**body(hypervisor="simulator"))
    assert told(api.call("POST", f"/vms/{vm}/start?dry_run=true"))["changes"] is True
    assert api.call("POST", f"/vms/{vm}/pause?dry_run=true").status_code == 409
    assert told(api.call("POST", f"/vms/{vm}/stop?dry_run=true"))["changes"] is False
    assert told(api.call("PATCH", f"/vms/{vm}?dry_run=true", json={"memory_size": 64 * MIB}))["resolved"]["memory_size"] == 64 * MIB
    assert told(api.call("DELETE", f"/vms/{vm}?dry_run=true"))["action"] == "delete"
    assert api.vm(vm)["status"] == "created" and api.vm(vm)["memory_size"] == 128 * MIB
    host = api.hosts()[0]
    api.act(vm, "start")
    assert api.call("DELETE", f"/hosts/{host['id']}?dry_run=true").json()["type"].endswith("/host-in-use")
    assert told(api.call("PATCH", f"/hosts/{host['id']}?dry_run=true", json={"port": 1}))["notes"]
    assert told(api.call("POST", "/hosts?dry_run=true", json={"name": "other", "address": "192.0.2.1", "port": 1}))["action"] == "add-host"
    assert told(api.call("POST", f"/hosts/{host['id']}/init?dry_run=true"))["changes"] is False
    assert [h["name"] for h in api.hosts()] == [host["name"]] and api.hosts()[0]["status"] == "up"
    api.delete(vm)


def test_sizes_and_snapshots_too(simulated):
    api = simulated.api
    vm = api.create(**body(hypervisor="simulator", max_vcpus=2))
    api.act(vm, "start")
    larger = told(api.call("PUT", f"/vms/{vm}/resize?dry_run=true", json={"desired_vcpus": 2}))
    assert larger["action"] == "resize" and larger["changes"] is True
    assert api.call("PUT", f"/vms/{vm}/resize?dry_run=true", json={"desired_vcpus": 3}).status_code == 422
    assert told(api.call("POST", f"/vms/{vm}/snapshots?dry_run=true", json={"name": "one"}))["action"] == "snapshot"
    assert api.ok("GET", f"/vms/{vm}/snapshots").json() == [] and api.vm(vm)["boot_vcpus"] == 1
    snapshot = api.ok("POST", f"/vms/{vm}/snapshots", json={"name": "one"}).json()["id"]
    assert api.call("POST", f"/vms/{vm}/snapshots?dry_run=true", json={"name": "one"}).json()["type"].endswith("/name-taken")
    api.act(vm, "force-stop")
    assert told(api.call("POST", f"/vms/{vm}/restore?dry_run=true", json={"snapshot_id": snapshot}))["host"] == "node1"
    told(api.call("DELETE", f"/vms/{vm}/snapshots/{snapshot}?dry_run=true"))
    assert api.vm(vm)["status"] == "shutdown" and len(api.ok("GET", f"/vms/{vm}/snapshots").json()) == 1
    api.delete(vm)


@pytest.mark.guest
def test_a_diagnosis_names_causes_and_no_paths(stack):
    api = stack.api
    vm = api.create(**body(hypervisor="qemu"))
    api.act(vm, "start")
    stack.wait_console(vm, "qarax guest:")
    running = api.ok("GET", f"/vms/{vm}/diagnosis").json()
    assert running["observed"]["source"].startswith("the node of host node1, session ") and not running["drift"]
    assert "qarax guest:" in running["console"] and running["host"]["status"] == "up"
    os.kill(stack.nodes[0].vmm_pids()[vm], signal.SIGKILL)
    stack.wait_state(vm, "shutdown", 5)
    dead = api.ok("GET", f"/vms/{vm}/diagnosis").json()
    assert dead["drift"] and dead["desired"] == {"status": "running", "origin": "user", "revision": dead["desired"]["revision"]}
    assert dead["vm"]["exit"]["signal"] == 9 and "signal 9" in dead["observed"]["reason"]
    stack.nodes[0].kill()
    lost = wait_for("the host is down", lambda: (lambda d: d if d["host"]["status"] == "down" else None)(api.ok("GET", f"/vms/{vm}/diagnosis").json()))
    assert lost["notes"] and "qarax guest:" not in lost["console"]
    for document in (running, dead, lost):
        assert str(stack.folder) not in str(document), "no document names a path of the host"
    stack.nodes[0].start()
    stack.wait_host(api.hosts()[0]["id"], "up")
    api.delete(vm)
