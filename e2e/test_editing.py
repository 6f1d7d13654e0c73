"""PATCH, tags, conditional requests and pages, over real programs; what a start froze survives a change of the spec."""

import json
import uuid

import pytest

from framework.stack import wait_for

MIB = 1024 * 1024


def named(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def make(api, **more) -> str:
    return api.create(**{"name": named("vm"), "memory_size": 128 * MIB, **more})


def resolved(stack, vm: str) -> dict:
    return json.loads((stack.nodes[0].vm_dir(vm) / "vm.json").read_text())["resolved"]


@pytest.mark.guest
def test_a_larger_vm_boots_larger_on_the_same_machine(stack):
    api = stack.api
    vm = make(api, hypervisor="qemu", name="grows")
    api.act(vm, "start")
    stack.wait_console(vm, "qarax guest: 1 vCPU, 128 MiB")
    refused = api.call("PATCH", f"/vms/{vm}", json={"memory_size": 192 * MIB})
    assert refused.status_code == 409 and refused.json()["errors"][0]["pointer"] == "/memory_size", refused.text
    assert api.call("PATCH", f"/vms/{vm}", json={"tags": ["while-running"]}).json()["tags"] == ["while-running"]
    api.act(vm, "force-stop")
    before = resolved(stack, vm)
    changed = api.ok("PATCH", f"/vms/{vm}", json={"memory_size": 192 * MIB, "boot_vcpus": 2}).json()
    assert changed["memory_size"] == 192 * MIB and changed["max_vcpus"] == 2
    api.act(vm, "start")
    stack.wait_console(vm, "qarax guest: 2 vCPU, 192 MiB")
    after = resolved(stack, vm)
    assert after["memory_size"] == 192 * MIB and after["config"] == before["config"], "what was frozen stays"
    api.delete(vm)


def test_two_editors_don_t_overwrite_each_other(simulated):
    api = simulated.api
    vm = make(api)
    seen = api.ok("GET", f"/vms/{vm}")
    etag = seen.headers["ETag"]
    assert api.call("GET", f"/vms/{vm}", headers={"If-None-Match": etag}).status_code == 304
    first = api.ok("PATCH", f"/vms/{vm}", json={"description": "one"}, headers={"If-Match": etag})
    second = api.call("PATCH", f"/vms/{vm}", json={"description": "two"}, headers={"If-Match": etag})
    assert second.status_code == 412 and second.json()["type"].endswith("/precondition-failed")
    assert second.headers["ETag"] == first.headers["ETag"]
    assert api.vm(vm)["description"] == "one"
    assert api.call("DELETE", f"/vms/{vm}", headers={"If-Match": etag}).status_code == 412
    assert api.call("DELETE", f"/vms/{vm}", headers={"If-Match": first.headers["ETag"]}).status_code == 204


def test_edits_and_etags_survive_the_server(stack):
    api = stack.api
    vm = make(api, hypervisor="simulator", tags=["a"])
    old = api.ok("GET", f"/vms/{vm}").headers["ETag"]
    api.ok("PATCH", f"/vms/{vm}", json={"tags": ["b", "c"], "name": "renamed", "memory_size": 64 * MIB})
    stack.server.kill()
    stack.server.start()
    wait_for("the server is back", lambda: api.call("GET", "/livez").status_code == 200)
    shown = api.ok("GET", "/vms?tags=b,c").json()
    assert [v["name"] for v in shown] == ["renamed"] and shown[0]["memory_size"] == 64 * MIB
    assert api.call("PATCH", f"/vms/{vm}", json={}, headers={"If-Match": old}).status_code == 412
    api.delete(vm)


def test_an_etag_names_the_same_version_after_a_restart(stack):
    """Only the server's process has changed, so an ETag from before is still valid, even before the host has reported."""
    api = stack.api
    host = f"/hosts/{api.hosts()[0]['id']}"
    paths = {host: {"host_user": "me"}}
    for state in ("created", "running", "paused", "shutdown"):
        vm = make(api, hypervisor="simulator")
        for action in {"created": (), "running": ("start",), "paused": ("start", "pause"), "shutdown": ("start", "force-stop")}[state]:
            api.act(vm, action)
        paths[f"/vms/{vm}"] = {"description": "after"}
    tags = {path: api.ok("GET", path).headers["ETag"] for path in paths}

    def restart() -> None:
        stack.server.kill()
        stack.server.start()
        wait_for("the server is back", lambda: api.call("GET", "/livez").status_code == 200)

    restart()
    stack.wait_host(host.rsplit("/", 1)[1], "up")
    for path, tag in tags.items():
        # If the killed server hadn't written the end of a job yet, the job ends again.
        wait_for(f"{path} as it was", lambda p=path, t=tag: api.call("GET", p, headers={"If-None-Match": t}).status_code == 304)
    # Without a node the VMs' states are unknown, but what users have set is as before. An acknowledged create also syncs
    # everything before it, so the restarted server doesn't find a job unfinished that had ended.
    make(api, hypervisor="simulator")
    stack.nodes[0].kill()
    restart()
    for path, patch in paths.items():
        changed = api.call("PATCH", path, json=patch, headers={"If-Match": tags[path]})
        assert changed.status_code == 200, f"{path}: {changed.text}"
        assert api.call("PATCH", path, json=patch, headers={"If-Match": tags[path]}).status_code == 412, path
    stack.nodes[0].start()
    for path in paths:
        if path != host:
            wait_for("deleted", lambda p=path: api.call("DELETE", p).status_code in (204, 404), 30)


def test_pages_by_their_links(simulated):
    api = simulated.api
    tag = named("page")
    made = [make(api, tags=[tag]) for _ in range(5)]
    seen, path = [], f"/vms?limit=2&tags={tag}"
    while path:
        page = api.ok("GET", path)
        seen += [vm["id"] for vm in page.json()]
        path = page.links.get("next", {}).get("url")
    assert seen == made
    for vm in made:
        api.delete(vm)


def test_a_host_moves_and_goes(stack):
    api = stack.api
    host = api.hosts()[0]
    vm = make(api, hypervisor="simulator")
    api.act(vm, "start")
    assert api.call("DELETE", f"/hosts/{host['id']}").json()["type"].endswith("/host-in-use")
    assert api.ok("PATCH", f"/hosts/{host['id']}", json={"name": "renamed"}).json()["status"] == "up", \
        "a name alone cuts no connection"
    # Nothing listens on that port: the host's VM is unknown, never shutdown.
    api.ok("PATCH", f"/hosts/{host['id']}", json={"port": 1})
    assert api.vm(vm)["status"] == "unknown"
    api.ok("PATCH", f"/hosts/{host['id']}", json={"port": host["port"]})
    assert api.ok("POST", f"/hosts/{host['id']}/init").json()["status"] == "up"
    assert api.vm(vm)["status"] == "running"
    api.delete(vm)
    assert api.call("DELETE", f"/hosts/{host['id']}").status_code == 204
    assert api.hosts() == []


@pytest.mark.parametrize("patch,pointer", [({"status": "running"}, "/status"), ({"name": "../x"}, "/name"),
                                           ({"config": {"disk": "/etc/passwd"}}, "/config/disk"),
                                           ({"boot_vcpus": 0}, "/boot_vcpus"), ({"tags": ["a", "a"]}, "/tags/1")])
def test_a_bad_patch_names_the_member(simulated, patch, pointer):
    vm = make(simulated.api)
    refused = simulated.api.call("PATCH", f"/vms/{vm}", json=patch)
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == pointer, refused.text
    simulated.api.delete(vm)
