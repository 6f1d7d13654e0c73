"""Faults of the machine below the programs: a full disk, a broken one, a database locked by others, a clock that jumps. Each time
the answer says what is wrong, no acknowledged change is lost, and everything works afterwards."""

import contextlib
import datetime
import sqlite3
import subprocess
import threading

import pytest

from crash.killpoint import helper
from framework import clock as clocks
from framework import disk as disks
from framework import postgres
from framework.api import Api
from framework.stack import Stack, wait_for


@pytest.fixture
def clock(tmp_path):
    if why := clocks.why_not():
        pytest.skip(why)
    return clocks.Clock(tmp_path)


@pytest.fixture
def disk():
    if why := disks.missing():
        pytest.skip(why)
    made = disks.Disk(64 << 20)
    yield made
    made.close()


@pytest.fixture
def server_on_disk(disk, request):
    """A server with its data on `disk`, and a node elsewhere, with the simulator."""
    stack = Stack({"data_dir": str(disk.folder / "server")})
    stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    yield stack
    left = stack.close(keep=getattr(getattr(request.node, "report_call", None), "failed", False))
    assert not left, "left behind: " + "; ".join(left)


def node_on_disk(stack, disk):
    """Real VMMs with a guest that halts at once."""
    return stack.add_node(plugins=[stack.qemu_plugin()], boot={"kernel": helper("idle_guest"), "cmdline": "idle"},
                          settings={"data_dir": str(disk.folder / "node")})


def restart(program, stack) -> None:
    program.start()
    wait_for("the server answers", lambda: stack.api.call("GET", "/livez", timeout=5).status_code == 200)
    wait_for("the host up", lambda: stack.api.hosts()[0]["status"] == "up")


def refused(response, status: int, slug: str, *words: str) -> None:
    problem = response.json()
    assert (response.status_code, problem["type"].rsplit("/", 1)[-1]) == (status, slug), problem
    assert all(word in problem["detail"] for word in words), problem


def test_a_full_disk_of_the_node(disk, bare_stack):
    stack, api = bare_stack, bare_stack.api
    node = node_on_disk(stack, disk)
    stopped, deleted, last, new = (api.create(name, memory_size=32 << 20) for name in ("stopped", "deleted", "last", "new"))
    for vm in (stopped, deleted, last):
        api.act(vm, "start")
    pids = node.vmm_pids()
    disk.fill()
    refused(api.call("POST", f"/vms/{new}/start"), 507, "disk-full", "VM new", "<data_dir>/vms")
    assert api.vm(new)["status"] == "created"
    assert node.vmm_pids() == pids, "who runs runs on, and nothing was begun"
    assert api.act(stopped, "force-stop")["status"] == "shutdown"
    api.delete(deleted)
    wait_for("their VMMs are gone", lambda: list(node.vmm_pids()) == [last])
    # The next agent knows what was done on the full disk.
    node.kill()
    restart(node, stack)
    assert stack.wait_state(stopped, "shutdown")
    assert not node.vm_dir(deleted).exists()
    # A server that starts now has a higher term, which its nodes must accept.
    disk.fill()
    stack.server.kill()
    restart(stack.server, stack)
    stack.wait_state(last, "running")
    api.delete(last)
    wait_for("its VMM is gone", lambda: not node.vmm_pids())
    disk.free()
    assert api.act(stopped, "start")["status"] == "running"


def test_a_broken_disk_of_the_node(disk, bare_stack):
    stack, api = bare_stack, bare_stack.api
    node = node_on_disk(stack, disk)
    first, second, new = (api.create(name, memory_size=32 << 20) for name in ("first", "second", "new"))
    for vm in (first, second):
        api.act(vm, "start")
    pids = node.vmm_pids()
    disk.fail()
    refused(api.call("POST", f"/vms/{new}/start"), 503, "disk-read-only", "VM new", "<data_dir>/vms")
    assert node.vmm_pids() == pids, "who runs runs on"
    for vm in (first, second):
        assert api.act(vm, "force-stop")["status"] == "shutdown", "what ends a VM works all the same"
    refused(api.call("DELETE", f"/vms/{second}"), 503, "disk-read-only", "VM second", "<data_dir>")
    assert not node.vmm_pids()
    node.kill()
    disk.repair()
    restart(node, stack)
    for vm in (first, second):
        stack.wait_state(vm, "shutdown")
        assert api.act(vm, "start")["status"] == "running"


def test_a_full_disk_of_the_server(disk, server_on_disk):
    stack, api = server_on_disk, server_on_disk.api
    running = api.create("running")
    stopped = [api.create(f"stopped-{i}") for i in range(8)]
    deleted = [api.create(f"deleted-{i}") for i in range(40)]
    for vm in (running, *stopped, *deleted[::2]):
        api.act(vm, "start")
    disk.fill()
    for method, path, body in (("POST", "/vms", {"name": "new"}), ("POST", f"/vms/{deleted[1]}/start", None), ("POST", f"/vms/{running}/pause", None)):
        refused(api.call(method, path, json=body), 507, "disk-full", str(disk.folder / "server"))
    assert {vm["id"]: vm["status"] for vm in api.vms()} == {
        running: "running", **dict.fromkeys(stopped + deleted[::2], "running"), **dict.fromkeys(deleted[1::2], "created")}
    # Stops and deletes work nevertheless, and are kept.
    for vm in stopped:
        assert api.act(vm, "stop")["status"] == "shutdown"
    for vm in deleted:
        api.delete(vm)
    assert {vm["id"] for vm in api.vms()} == {running, *stopped}
    stack.server.kill()
    restart(stack.server, stack)
    assert {vm["id"] for vm in api.vms()} == {running, *stopped}
    stack.wait_state(running, "running")
    disk.free()
    assert api.act(running, "pause")["status"] == "paused"
    assert api.create("new")


def test_a_broken_disk_of_the_server(disk, server_on_disk):
    stack, api = server_on_disk, server_on_disk.api
    known = {api.create("first"), api.create("second")}
    running = next(iter(known))
    api.act(running, "start")
    disk.fail()
    refused(api.call("POST", "/vms", json={"name": "new"}), 503, "store-unavailable", str(disk.folder / "server"))
    refused(api.call("POST", f"/vms/{running}/stop"), 503, "store-unavailable", str(disk.folder / "server"))
    assert {vm["id"] for vm in api.vms()} == known
    assert api.vm(running)["status"] == "running"
    stack.server.kill()
    disk.repair()
    restart(stack.server, stack)
    assert {vm["id"] for vm in api.vms()} == known
    stack.wait_state(running, "running")
    assert api.act(running, "stop")["status"] == "shutdown"


@contextlib.contextmanager
def held_sqlite(stack):
    """Another process holds the database's write lock."""
    other = sqlite3.connect(stack.server.data / "qarax.db", isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.close()


@contextlib.contextmanager
def held_postgres(url):
    """Another transaction has locked all tables."""
    other = subprocess.Popen(["psql", "-XAtq", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        tables = "SELECT string_agg(quote_ident(tablename), ', ') AS all_of_them FROM pg_tables WHERE schemaname = 'public' \\gset\n"
        other.stdin.write("BEGIN;\n" + tables + "LOCK TABLE :all_of_them IN ACCESS EXCLUSIVE MODE;\n\\echo held\n")
        other.stdin.flush()
        assert other.stdout.readline() == "held\n"
        yield
    finally:
        other.communicate()


def goes_on_around_a_held_database(stack, held) -> None:
    """No change is acknowledged that isn't stored, reads work meanwhile, and waiting changes are done afterwards."""
    api = stack.api
    running = api.create("running")
    api.act(running, "start")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(Api(stack.server.base).create("waits")))
    with held:
        waiting.start()
        for _ in range(20):
            assert api.vm(running)["status"] == "running"
            assert api.call("GET", "/livez").status_code == 200
        assert not answers
    waiting.join()
    assert {vm["id"] for vm in api.vms()} == {running, *answers} and len(answers) == 1
    assert api.act(running, "stop")["status"] == "shutdown"


def stays_true_while_held(stack, held, *words: str) -> None:
    """The lock isn't released: waiting clients are told what holds it, and the VMs' states stay correct."""
    api = stack.api
    running = api.create("still-running")
    api.act(running, "start")
    with held:
        for _ in range(3):
            refused(api.call("POST", "/vms", json={"name": "new"}), 503, "store-unavailable", *words)
            assert api.vm(running)["status"] == "running"
            assert api.hosts()[0]["status"] == "up"
    assert api.act(running, "stop")["status"] == "shutdown"
    assert api.create("new")


def test_a_database_file_that_somebody_else_holds(bare_stack):
    stack = bare_stack
    stack.add_node(plugins=[stack.simulator_plugin()], boot={})
    goes_on_around_a_held_database(stack, held_sqlite(stack))
    stays_true_while_held(stack, held_sqlite(stack), str(stack.server.data / "qarax.db"), "locked")


@pytest.mark.skipif(not postgres.installed(), reason="the package postgresql is missing")
def test_a_postgres_that_somebody_else_holds(request):
    cluster = postgres.Postgres()
    stack = None
    try:
        url = cluster.database()
        stack = Stack({"database": url})
        stack.add_node(plugins=[stack.simulator_plugin()], boot={})
        goes_on_around_a_held_database(stack, held_postgres(url))
        stays_true_while_held(stack, held_postgres(url), "lock timeout")
    finally:
        left = stack.close() if stack else []
        cluster.end()
    assert not left, "left behind: " + "; ".join(left)


DAY = 24 * 3600


def test_a_clock_that_jumps(clock):
    stack = Stack(server_env=clock.env)
    try:
        stack.add_node(plugins=[stack.simulator_plugin()], boot={}, env=clock.env)
        api = stack.api
        vm = api.create("web")
        api.act(vm, "start")
        # The server may have tried to reach the node before it had started, so count from here on.
        downs = stack.server.log().count("the node is down")
        for number, jump in enumerate((DAY, -DAY, 365 * DAY, 0)):
            # A client waits across the jump, for longer than the start takes and much shorter than the clock jumps.
            waited, seen = api.create(f"waited-{number}"), []
            waiting = threading.Thread(target=lambda: seen.append(Api(stack.server.base).call("GET", f"/vms/{waited}?wait_for=running&timeout=60s").status_code))
            waiting.start()
            clock.set(jump)
            told = datetime.datetime.fromisoformat(api.vm(api.create(f"new-{number}"))["created_at"])
            assert abs((told - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - jump) < DAY / 2, "the clock did jump"
            assert api.vm(vm)["status"] == "running"
            assert api.hosts()[0]["status"] == "up"
            for action, state in (("pause", "paused"), ("resume", "running"), ("stop", "shutdown"), ("start", "running")):
                assert api.act(vm, action)["status"] == state
            api.act(waited, "start")
            waiting.join()
            assert seen == [200]
        assert stack.server.log().count("the node is down") == downs
    finally:
        left = stack.close()
    assert not left, "left behind: " + "; ".join(left)


def test_a_clock_that_jumps_makes_nothing_old(clock):
    """The age of jobs, events and Idempotency-Keys is the time for which servers have run, not a difference of clock times."""
    stack = Stack(server_env=clock.env)
    try:
        api = stack.api
        body = {"name": "keyed", "memory_size": 1 << 27}
        made = api.ok("POST", "/vms", json=body, headers={"Idempotency-Key": "keyed"})
        api.create("other")

        def kept() -> tuple:
            text = api.ok("GET", "/events?after=oldest&follow=false").text
            # Only their numbers, because each server has its own epoch.
            events = [line.rsplit("-", 1)[1] for line in text.splitlines() if line.startswith("id:")]
            return [job["id"] for job in api.ok("GET", "/jobs").json()], events[:2]

        jobs, events = kept()
        assert len(jobs) == 2 and len(events) == 2
        for jump in (400 * DAY, -400 * DAY, 0):
            clock.set(jump)
            # A server tidies up when it starts, and every minute.
            tidied = stack.server.log().count("tidied up")
            stack.server.kill()
            stack.server.start()
            wait_for("it has tidied up", lambda: stack.server.log().count("tidied up") > tidied)
            wait_for("it answers", lambda: api.call("GET", "/livez", timeout=5).status_code == 200)
            assert sorted(kept()[0]) == sorted(jobs), f"jobs after {jump}"
            assert kept()[1] == events, f"events after {jump}"
            again = api.call("POST", "/vms", json=body, headers={"Idempotency-Key": "keyed"})
            assert (again.status_code, again.text) == (201, made.text), f"the key after {jump}"
            assert again.headers["Idempotent-Replayed"] == "true"
    finally:
        left = stack.close()
    assert not left, "left behind: " + "; ".join(left)
