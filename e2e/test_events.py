"""GET /events: changes on a node are reported to many readers at once, and a kill -9 of the server loses none."""

import json
import time

import requests

from framework.events import Reader, becomes
from framework.stack import wait_for


def test_the_life_of_a_vm(simulated):
    reader = Reader(simulated.api)
    try:
        vm_id = simulated.api.create("told", hypervisor="simulator")
        simulated.api.act(vm_id, "start")
        simulated.api.act(vm_id, "pause")
        simulated.api.delete(vm_id)
        reader.wait("deleted", lambda e: e["event"] == "vm.deleted" and e["vm_id"] == vm_id)
        mine = [e for e in reader.events if e.get("vm_id") == vm_id]
        changes = [(e["previous_status"], e["new_status"]) for e in mine if e["event"] == "vm.status_changed"]
        assert changes[:2] == [("created", "running"), ("running", "paused")]
        assert all(e["vm_name"] == "told" for e in mine)
        assert next(e for e in mine if e["event"] == "vm.status_changed")["host_id"] == simulated.api.hosts()[0]["id"]
        numbers = [int(i.split("-")[1]) for i in reader.ids]
        assert numbers == sorted(numbers)
    finally:
        reader.close()


def test_two_hundred_readers_and_a_slow_one(simulated):
    api = simulated.api
    vm_id = api.create("watched", hypervisor="simulator")
    api.act(vm_id, "start")
    threads_before = len(list(__import__("pathlib").Path(f"/proc/{simulated.server.pid}/task").iterdir()))
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=256))
    readers = [session.get(api.base + "/events", params={"vm_id": vm_id, "type": "vm.status_changed"}, stream=True, timeout=30) for _ in range(200)]
    try:
        assert all(r.status_code == 200 for r in readers)
        threads = len(list(__import__("pathlib").Path(f"/proc/{simulated.server.pid}/task").iterdir()))
        assert threads < threads_before + 40, "readers cost no thread each"
        # None of the readers reads, and requests are still served.
        begun = time.monotonic()
        api.act(vm_id, "pause")
        assert time.monotonic() - begun < 5
        for response in readers:
            for line in response.iter_lines(chunk_size=1):
                if line.startswith(b"data: ") and json.loads(line[6:])["new_status"] == "paused":
                    break
    finally:
        for response in readers:
            response.close()
        api.delete(vm_id)


def test_nothing_is_missed_over_a_killed_server(stack):
    reader = Reader(stack.api, "?type=vm.created,vm.deleted")
    try:
        made = []
        for turn in range(3):
            for i in range(20):
                made.append(stack.api.create(f"vm-{turn}-{i}"))
            stack.server.kill()
            stack.server.start()
            wait_for("server ready", lambda: requests.get(stack.server.base + "/livez", timeout=5).status_code == 200)
        made.append(stack.api.create("last"))
        reader.wait("the last one", lambda e: e["vm_id"] == made[-1])
        assert [e["vm_id"] for e in reader.events if e["event"] == "vm.created"] == made, "each once, in order"
        assert not [c for c in reader.controls if c[0] == "gap"]
    finally:
        reader.close()


def test_a_node_that_goes_and_comes_is_told(stack):
    vm_id = stack.api.create("sim", hypervisor="simulator")
    stack.api.act(vm_id, "start")
    reader = Reader(stack.api)
    try:
        stack.nodes[0].kill()
        reader.wait("unknown", becomes(vm_id, "unknown"))
        reader.wait("host down", lambda e: e["event"] == "host.status_changed" and e["new_status"] == "down")
        stack.nodes[0].start()
        reader.wait("host up", lambda e: e["event"] == "host.status_changed" and e["new_status"] == "up")
        reader.wait("running again", lambda e: becomes(vm_id, "running")(e) and e["previous_status"] == "unknown")
    finally:
        reader.close()


def test_what_is_no_position_is_refused(simulated):
    response = simulated.api.call("GET", "/events?after=yesterday")
    assert response.status_code == 400 and response.json()["type"].endswith("/bad-query")
    # An id from before the database was set back, or from another database.
    response = simulated.api.call("GET", "/events?after=99-5&follow=false")
    assert "event: gap" in response.text and '"reason":"epoch"' in response.text
