"""When stored state is wrong: a database that was set back, copied or lost, a node's folder that was emptied or cloned, VMs that
only one side knows. Guests run on through all of this, and no VM is reported as `shutdown` because it is absent."""

import json
import os
import shutil
import sqlite3
import subprocess

import pytest
import yaml

from framework import paths
from framework.api import Api
from framework.stack import Server, free_port, no_line_missing, uptimes, wait_for


def answers(server) -> bool:
    return Api(server.base).session.get(server.base + "/livez", timeout=5).status_code == 200


def restart(server) -> None:
    server.start()
    wait_for("the server answers", lambda: answers(server))


def copy_database(server, to) -> None:
    """Like `sqlite3 qarax.db .backup`: a consistent copy, also while the server runs."""
    with sqlite3.connect(server.data / "qarax.db") as source, sqlite3.connect(to) as target:
        source.backup(target)
    source.close()
    target.close()


def remove_database(server) -> None:
    for name in ("qarax.db", "qarax.db-wal", "qarax.db-shm"):
        (server.data / name).unlink(missing_ok=True)


def host(api, **wanted) -> dict:
    return next(h for h in api.hosts() if all(h[k] == v for k, v in wanted.items()))


def adopt(api, host_id: str) -> dict:
    plan = api.ok("POST", f"/hosts/{host_id}/adopt").json()
    assert not plan["applied"]
    again = api.ok("POST", f"/hosts/{host_id}/adopt?dry_run=true").json()
    assert again["plan"] == plan["plan"], "a plan that was only looked at is the same the next time"
    done = api.ok("POST", f"/hosts/{host_id}/adopt?plan={plan['plan']}").json()
    assert done["applied"]
    return {vm["id"]: vm for vm in done["vms"]}


@pytest.mark.guest
def test_a_restored_backup_is_noticed_and_the_guests_do_not_notice(stack):
    node, server, api = stack.nodes[0], stack.server, stack.api
    old = api.create("old")
    api.act(old, "start")
    stack.wait_console(old, "qarax uptime", 120)
    copy_database(server, stack.folder / "backup.db")
    server.stop()
    restart(server)
    stack.wait_state(old, "running")
    later = api.create("later", hypervisor="simulator", description="after the backup")
    api.act(later, "start")
    gone = api.create("gone", hypervisor="simulator")
    api.act(gone, "start")
    api.delete(gone)
    api.act(old, "pause")
    api.act(old, "resume")
    pids = node.vmm_pids()
    server.stop()
    remove_database(server)
    shutil.copy(stack.folder / "backup.db", server.data / "qarax.db")
    restart(server)

    def refused():
        response = api.call("POST", "/vms", json={"name": "new", "memory_size": 1 << 27})
        return response.json() if response.status_code == 503 else None

    problem = wait_for("the server notices", refused)
    assert problem["type"].endswith("/read-only") and "/adopt" in problem["detail"]
    assert api.call("GET", "/readyz").status_code == 503
    assert api.vm(old)["status"] == "unknown"
    assert api.call("DELETE", f"/vms/{old}?forget=true").status_code == 503
    node1 = host(api, name="node1")
    assert node1["status"] == "down" and "this database knows nothing of" in node1["status_reason"]
    assert node.vmm_pids() == pids, "nobody touched the guests"

    done = adopt(api, node1["id"])
    assert {vm: line["action"] for vm, line in done.items()} == {old: "raise", later: "create"}
    stack.wait_state(old, "running")
    assert stack.wait_state(later, "running")["description"] == "after the backup"
    assert api.vm(later)["name"] == "later"
    assert node.vmm_pids() == pids
    assert api.act(old, "pause")["status"] == "paused", "numbers go on above the node's"
    assert api.act(old, "resume")["status"] == "running"
    restart_count = len(uptimes(api.console(old)))
    wait_for("the guest goes on", lambda: len(uptimes(api.console(old))) > restart_count)
    server.stop()
    restart(server)
    # Not named "new": before the server noticed the old backup it may have accepted a create of that name.
    assert api.create("newer", hypervisor="simulator"), "after the adopt it is a server like any other"


def event_id(server) -> tuple[int, int]:
    """Returns epoch and number of the last event."""
    with sqlite3.connect(server.data / "qarax.db") as database:
        last = database.execute("SELECT epoch, seq FROM event_counter").fetchone()
    database.close()
    return last


def told_everything(stack, node) -> None:
    """Waits until the node knows the position of everything acknowledged so far."""
    position = event_id(stack.server)[1]
    wait_for("the node was told", lambda: json.loads((node.data / "position.json").read_text())["position"] >= position, 10)


def test_an_old_backup_is_noticed_whatever_was_changed_since(bare_stack):
    """The backup was made by the same server that is lost later, and no change since then was a command to a node."""
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    server, api = stack.server, stack.api
    web, gone = api.create("web", description="old words"), api.create("gone")
    api.act(web, "start")
    copy_database(server, stack.folder / "backup.db")
    never = api.create("never")
    api.ok("PATCH", f"/vms/{web}", json={"name": "front", "tags": ["prod"], "description": "later words"})
    api.delete(gone)
    told_everything(stack, node)
    wait_for("the node keeps it", lambda: "later words" in (node.vm_dir(web) / "vm.json").read_text())
    kept = (node.vm_dir(web) / "vm.json").read_text()
    server.kill()
    remove_database(server)
    shutil.copy(stack.folder / "backup.db", server.data / "qarax.db")
    restart(server)
    wait_for("the server notices", lambda: api.call("GET", "/readyz").status_code == 503)
    refused = api.call("POST", "/vms", json={"name": "new", "memory_size": 1 << 27})
    assert refused.status_code == 503 and refused.json()["type"].endswith("/read-only")
    assert "has heard of change" in refused.json()["detail"] and "/adopt" in refused.json()["detail"]
    assert api.vm(web)["name"] == "web" and api.vm(gone)["name"] == "gone"
    node1 = host(api, name="node1")
    assert node1["status"] == "down" and "has heard of change" in node1["status_reason"]

    epoch = event_id(server)[0]
    line = adopt(api, node1["id"])[web]
    assert line["action"] == "raise" and line["name"] == "front"
    assert "name, description, tags" in line["note"], line["note"]
    now = stack.wait_state(web, "running")
    assert (now["name"], now["description"], now["tags"]) == ("front", "later words", ["prod"])
    assert (node.vm_dir(web) / "vm.json").read_text() == kept, "nobody wrote older words over them"
    assert api.call("GET", f"/vms/{never}").status_code == 404, "what no node was given is lost, and the server said so"
    assert event_id(server)[0] > epoch, "ids that come again are another epoch's"
    # A server with the latest database is never suspected.
    assert api.create("newer")
    told_everything(stack, node)
    server.kill()
    restart(server)
    stack.wait_host(node1["id"], "up")
    assert api.call("GET", "/readyz").status_code == 200


def test_an_event_id_of_a_lost_database_is_a_gap_however_far_the_next_one_has_counted(bare_stack):
    server, api = bare_stack.server, bare_stack.api
    api.create("web")
    copy_database(server, bare_stack.folder / "backup.db")
    seen = "%d-%d" % event_id(server)
    api.create("lost")
    of_lost = "%d-%d" % event_id(server)
    server.kill()
    restart(server)
    after = lambda position: api.call("GET", f"/events?follow=false&after={position}").text  # noqa: E731
    assert "event: gap" not in after(of_lost), "an ordinary restart misses nothing"
    assert after(seen).count("event: vm.created") == 1
    # With the backup, and then without a database: the ids continue after those that clients have seen.
    for backup in (bare_stack.folder / "backup.db", None):
        server.kill()
        remove_database(server)
        if backup:
            shutil.copy(backup, server.data / "qarax.db")
        restart(server)
        for i in range(5):
            api.create(f"vm{i}")
        assert "event: gap" in after(of_lost), backup
        assert ("event: gap" in after(seen)) == (backup is None), "the backup has what was seen by then, and says so"


def test_a_lost_database_brings_sizes_and_snapshots_back(bare_stack):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    server, api = stack.server, stack.api
    web = api.create("web", memory_size=128 << 20)
    api.act(web, "start")
    snapshot = api.ok("POST", f"/vms/{web}/snapshots", json={"name": "before"}).json()
    api.act(web, "force-stop")
    api.ok("PATCH", f"/vms/{web}", json={"memory_size": 256 << 20, "boot_vcpus": 2, "max_vcpus": 2, "tags": ["big"]})
    wait_for("the node keeps it", lambda: "big" in (node.vm_dir(web) / "vm.json").read_text())
    before = api.vm(web)
    server.kill()
    remove_database(server)
    restart(server)
    again = api.ok("POST", "/hosts", json={"name": "again", "address": "127.0.0.1", "port": node.port}).text
    stack.wait_host(again, "down")
    assert adopt(api, again)[web]["note"] == "1 snapshot comes back"
    now = stack.wait_state(web, "shutdown")
    for field in ("name", "tags", "memory_size", "boot_vcpus", "max_vcpus", "created_at", "incarnation"):
        assert now[field] == before[field], field
    listed = api.ok("GET", f"/vms/{web}/snapshots").json()
    assert [(s["id"], s["name"], s["status"], s["size"]) for s in listed] == [(snapshot["id"], "before", "ready", snapshot["size"])]
    assert api.act(web, "start")["memory_size"] == 256 << 20
    api.act(web, "force-stop")
    restored = api.ok("POST", f"/vms/{web}/restore", json={"snapshot_id": snapshot["id"]}).json()
    assert restored["status"] == "running" and restored["memory_size"] == 128 << 20


def test_a_proof_whose_host_never_comes_back_is_forgotten_with_it(bare_stack):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    vm = stack.api.create("web")
    stack.api.act(vm, "start")
    copy_database(stack.server, stack.folder / "backup.db")
    stack.server.stop()
    restart(stack.server)
    stack.wait_state(vm, "running")
    stack.server.stop()
    remove_database(stack.server)
    shutil.copy(stack.folder / "backup.db", stack.server.data / "qarax.db")
    restart(stack.server)
    wait_for("the server notices", lambda: stack.api.call("GET", "/readyz").status_code == 503)
    node.kill()
    gone = host(stack.api, name="node1")["id"]
    assert stack.api.call("DELETE", f"/vms/{vm}?forget=true").json()["type"].endswith("/read-only")
    refused = stack.api.call("DELETE", f"/hosts/{gone}")
    assert refused.status_code == 409 and "?forget=true" in refused.json()["detail"], refused.text
    assert stack.api.call("DELETE", f"/hosts/{gone}?forget=true").status_code == 204
    assert stack.api.call("GET", "/readyz").status_code == 200
    assert stack.api.vms() == [] and stack.api.hosts() == []
    assert stack.api.create("new")


@pytest.mark.guest
def test_a_lost_database_comes_back_from_the_node(stack):
    node, server, api = stack.nodes[0], stack.server, stack.api
    web = api.create("web", memory_size=160 << 20, description="the words", hypervisor="qemu")
    api.act(web, "start")
    off = api.create("off", hypervisor="simulator")
    api.act(off, "start")
    api.act(off, "force-stop")
    stack.wait_console(web, "qarax uptime", 120)
    # Changes after the starts are stored on the node, too.
    for vm, change in ((web, {"description": "other words", "tags": ["prod"]}), (off, {"name": "renamed", "restart_policy": "on-failure"})):
        api.ok("PATCH", f"/vms/{vm}", json=change)
        word = next(iter(change.values()))
        wait_for(f"the node keeps {word}", lambda: word in (node.vm_dir(vm) / "vm.json").read_text())
    before = {vm: api.vm(vm) for vm in (web, off)}
    pids = node.vmm_pids()
    server.stop()
    remove_database(server)
    restart(server)
    assert api.vms() == []
    response = api.ok("POST", "/hosts", json={"name": "again", "address": "127.0.0.1", "port": node.port})
    down = stack.wait_host(response.text, "down")
    assert "belongs to cluster" in down["status_reason"] and "/adopt" in down["status_reason"]
    assert api.call("POST", f"/hosts/{down['id']}/adopt?plan=0000").json()["type"].endswith("/plan-changed")
    assert api.vms() == []
    adopt(api, down["id"])
    for vm, status in ((web, "running"), (off, "shutdown")):
        now = stack.wait_state(vm, status)
        for field in ("id", "name", "description", "tags", "restart_policy", "memory_size", "boot_vcpus", "hypervisor", "incarnation", "created_at", "desired_status"):
            assert now[field] == before[vm][field], field
    assert node.vmm_pids() == pids
    seen = len(uptimes(api.console(web)))
    wait_for("the guest goes on", lambda: len(uptimes(api.console(web))) > seen + 1)
    no_line_missing(api.console(web))
    assert api.act(off, "start")["incarnation"] == before[off]["incarnation"] + 1
    assert api.act(web, "stop")["status"] == "shutdown"


def test_of_two_servers_only_one_commands(bare_stack):
    """A second server starts on a copy of the database while the first one still runs."""
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    vm = stack.api.create("web")
    stack.api.act(vm, "start")
    (stack.folder / "second" / "data").mkdir(parents=True)
    copy_database(stack.server, stack.folder / "second" / "data" / "qarax.db")
    second = Server(stack.folder / "second", {})
    second.start()
    try:
        wait_for("the second server answers", lambda: answers(second))
        other = Api(second.base)
        wait_for("the second commands", lambda: other.vm(vm)["status"] == "running")
        assert other.act(vm, "pause")["status"] == "paused"
        # The first server notices it, trusts nothing that it knew, and changes nothing.
        wait_for("the first gives up", lambda: host(stack.api, name="node1")["status"] == "down" and stack.api.call("GET", "/readyz").status_code == 503)
        refused = stack.api.call("DELETE", f"/vms/{vm}?forget=true")
        assert refused.status_code == 503 and refused.json()["type"].endswith("/read-only")
        assert stack.api.vm(vm)["status"] == "unknown"
        assert stack.api.call("POST", f"/vms/{vm}/resume").status_code == 503, "nobody can say how it is"
        assert other.vm(vm)["status"] == "paused"
    finally:
        second.stop()
    adopt(stack.api, host(stack.api, name="node1")["id"])
    stack.wait_state(vm, "paused")
    assert stack.api.act(vm, "resume")["status"] == "running"
    assert node.process.poll() is None


def test_a_cloned_node_folder_is_refused_until_it_is_rehomed(bare_stack):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    vm = stack.api.create("web")
    stack.api.act(vm, "start")
    clone = stack.folder / "clone"
    clone.mkdir()
    shutil.copytree(node.data, clone / "data", symlinks=True, ignore=lambda folder, names: [n for n in names if n.endswith(".sock")])
    port = free_port()
    config = clone / "config.yaml"
    config.write_text(yaml.safe_dump({**node.config, "listen": {"address": "127.0.0.1", "port": port}, "data_dir": str(clone / "data")}))

    def run(*words):
        return subprocess.run([str(paths.program("qarax-node")), *words, "--config", str(config)], capture_output=True, text=True, timeout=30)

    refused = run()
    assert refused.returncode == 1
    assert "Two nodes of one id" in refused.stderr and "qarax-node rehome" in refused.stderr
    assert stack.api.vm(vm)["status"] == "running"
    done = run("rehome")
    assert done.returncode == 0, done.stderr
    assert (clone / "data" / f"vms-of-{(node.data / 'node_id').read_text().strip()}" / vm).is_dir()
    log = open(clone / "log", "wb")
    second = subprocess.Popen([str(paths.program("qarax-node")), "--config", str(config)], stdout=log, stderr=log)
    try:
        made = wait_for("the second node is up", lambda: stack.api.ok("POST", "/hosts", json={"name": "clone", "address": "127.0.0.1", "port": port}).text)
        up = stack.wait_host(made, "up")
        assert up["node_id"] != host(stack.api, name="node1")["node_id"]
        assert stack.api.ok("GET", f"/hosts/{made}/unmanaged").json() == []
        assert stack.api.vm(vm)["status"] == "running"
    finally:
        second.terminate()
        assert second.wait(20) == 0
        log.close()


def test_an_emptied_node_folder_shows_nothing_as_shutdown(bare_stack):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    vm = stack.api.create("web")
    stack.api.act(vm, "start")
    # The whole folder is gone: the node then reports another id.
    node.stop()
    node.data.rename(stack.folder / "aside")
    node.start()
    down = wait_for("the host is down for it", lambda: (lambda h: h if "which host node1 is" in (h["status_reason"] or "") else None)(host(stack.api, name="node1")))
    assert down["status"] == "down" and down["node_id"] in down["status_reason"]
    assert stack.api.vm(vm)["status"] == "unknown"
    node.stop()
    shutil.rmtree(node.data)
    (stack.folder / "aside").rename(node.data)
    # Only the VM's folder is gone: the node has the same id, and doesn't know the VM.
    (node.data / "vms" / vm).rename(stack.folder / "vm-aside")
    node.start()
    stack.wait_host(down["id"], "up")
    missing = stack.wait_state(vm, "unknown")
    assert missing["status_reason"].startswith("missing")
    refused = stack.api.call("POST", f"/vms/{vm}/start")
    assert refused.status_code == 409, "it may still run"
    # Only the folder's content is gone: damage proves nothing.
    node.stop()
    (node.data / "vms" / vm).mkdir()
    node.start()
    stack.wait_host(down["id"], "up")
    assert stack.wait_state(vm, "unknown")["status_reason"]
    node.stop()
    shutil.rmtree(node.data / "vms" / vm)
    (stack.folder / "vm-aside").rename(node.data / "vms" / vm)
    node.start()
    stack.wait_state(vm, "running")


def test_what_only_the_node_knows_is_adopted_or_removed_by_an_explicit_call(bare_stack):
    stack = bare_stack
    node = stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    ids = [stack.api.create(name) for name in ("one", "two")]
    for vm in ids:
        stack.api.act(vm, "start")
    stack.server.stop()
    with sqlite3.connect(stack.server.data / "qarax.db") as database:
        database.execute("DELETE FROM jobs")
        database.execute("DELETE FROM reservations")
        database.execute("DELETE FROM vms")
    database.close()
    restart(stack.server)
    node1 = host(stack.api, name="node1")["id"]
    stack.wait_host(node1, "up")
    assert stack.api.vms() == []
    listed = stack.api.ok("GET", f"/hosts/{node1}/unmanaged").json()
    assert {vm["id"] for vm in listed} == set(ids) and {vm["status"] for vm in listed} == {"running"}
    assert sorted(p.name for p in (node.data / "vms").iterdir()) == sorted(ids), "nothing happens to them by itself"
    assert stack.api.ok("POST", f"/hosts/{node1}/unmanaged/{ids[0]}/adopt").json()["status"] == "running"
    assert stack.api.act(ids[0], "pause")["status"] == "paused"
    assert stack.api.call("DELETE", f"/hosts/{node1}/unmanaged/{ids[0]}").status_code == 404, "it is the server's now"
    assert stack.api.call("DELETE", f"/hosts/{node1}/unmanaged/{ids[1]}").status_code == 204
    assert not (node.data / "vms" / ids[1]).exists()
    assert stack.api.ok("GET", f"/hosts/{node1}/unmanaged").json() == []
    assert os.path.exists(node.data / "tombstones" / f"{ids[1]}.json")
