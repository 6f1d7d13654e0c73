"""Idempotency-Key: a request that is repeated, however often and whenever, also across a kill -9 of the server, is carried out
once and gets the same answer."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from crash.killpoint import Killpoint
from framework.stack import wait_for

MEMORY = 128 * 1024 * 1024


def body(name: str) -> dict:
    return {"name": name, "boot_vcpus": 1, "max_vcpus": 1, "memory_size": MEMORY, "hypervisor": "simulator"}


def post(stack, path: str, key: str, json=None, **headers) -> requests.Response:
    return requests.post(stack.server.base + path, json=json, headers={"Idempotency-Key": key, **headers}, timeout=90)


def until_answered(stack, path: str, key: str, json=None, **headers) -> requests.Response:
    """Repeats the request, like a client that was told to retry."""
    def probe():
        response = post(stack, path, key, json, **headers)
        again = response.status_code == 503 or (response.status_code == 409 and response.json()["type"].endswith("/idempotency-in-progress"))
        return None if again else [response]  # a Response with an error status is false
    return wait_for(f"an answer to {path}", probe, 60)[0]


def restart(stack) -> None:
    stack.server.kill()
    stack.server.start()
    wait_for("server ready", lambda: requests.get(stack.server.base + "/livez", timeout=5).status_code == 200)


def test_fifty_at_once_make_one_vm(simulated):
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: post(simulated, "/vms", "fifty", body("fifty")), range(50)))
    assert {r.status_code for r in replies} <= {201, 409}
    assert len({r.text for r in replies if r.status_code == 201}) == 1
    assert len([v for v in simulated.api.vms() if v["name"] == "fifty"]) == 1
    again = post(simulated, "/vms", "fifty", body("fifty"))
    assert again.status_code == 201 and again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == "/vms/" + again.text
    assert post(simulated, "/vms", "fifty", body("other")).status_code == 422
    simulated.api.delete(again.text)
    assert post(simulated, "/vms", "fifty", body("fifty")).text == again.text, "the first answer, whatever became of the VM"


def test_creates_over_a_killed_server(stack):
    """The server is killed during creates: each VM is made once, and a client that had an answer gets the same one again."""
    names = [f"vm{i}" for i in range(400)]
    answered: dict = {}
    lock = threading.Lock()
    enough = threading.Event()

    def create(name: str) -> None:
        try:
            response = post(stack, "/vms", "key-" + name, body(name))
        except requests.RequestException:
            return
        with lock:
            answered[name] = response.text
            if len(answered) == 150:
                enough.set()

    with ThreadPoolExecutor(16) as pool:
        for name in names:
            pool.submit(create, name)
        assert enough.wait(60)
        stack.server.kill()
    stack.server.start()
    wait_for("server ready", lambda: requests.get(stack.server.base + "/livez", timeout=5).status_code == 200)
    for name in names:
        text = until_answered(stack, "/vms", "key-" + name, body(name)).text
        assert answered.get(name, text) == text
    vms = stack.api.vms()
    assert sorted(v["name"] for v in vms) == sorted(names)


def test_a_start_over_a_killed_server(simulated):
    api = simulated.api
    vm_id = api.ok("POST", "/vms", json={**body("slowly"), "config": {"start_delay_ms": 2_000}}).text
    path = f"/vms/{vm_id}/start"

    def lost():
        try:
            post(simulated, path, "start-1")
        except requests.RequestException:
            pass

    first = threading.Thread(target=lost)
    first.start()
    job = wait_for("the job is recorded", lambda: next(iter(api.ok("GET", f"/jobs?vm_id={vm_id}&state=running").json()), None))
    # The first request is still in progress, now and after the kill.
    busy = post(simulated, path, "start-1")
    assert busy.status_code == 409 and busy.json()["job_id"] == job["id"]
    assert busy.json()["type"].endswith("/idempotency-in-progress")
    restart(simulated)
    first.join()
    answer = until_answered(simulated, path, "start-1")
    # The call to the node ended with the server, which doesn't cancel it (decision 0006): the node carries it through.
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.json().get("status") == "running", answer.text
    starts = [j for j in api.ok("GET", f"/jobs?vm_id={vm_id}").json() if j["action"] == "start"]
    assert [(j["id"], j["state"]) for j in starts] == [(job["id"], "completed")]
    api.act(vm_id, "force-stop")
    again = post(simulated, path, "start-1")
    assert (again.status_code, again.text) == (answer.status_code, answer.text), "the same answer, and no second start"
    assert api.vm(vm_id)["status"] in ("shutdown", "created")
    api.delete(vm_id)


def test_202_again(simulated):
    vm_id = simulated.api.ok("POST", "/vms", json=body("async")).text
    first = post(simulated, f"/vms/{vm_id}/start", "async-1", Prefer="respond-async")
    assert first.status_code == 202
    again = post(simulated, f"/vms/{vm_id}/start", "async-1", Prefer="respond-async")
    assert (again.status_code, again.text, again.headers["Location"]) == (202, first.text, first.headers["Location"])
    assert simulated.api.ok("GET", first.headers["Location"] + "?wait=30s").json()["state"] == "completed"
    simulated.api.delete(vm_id)


def shoot(stack, at: int, method: str, path: str, key: str) -> bool:
    """Makes one request and kills the server at its at-th call with an effect. Returns whether that happened."""
    shot = Killpoint(stack.server.pid, at)
    try:
        requests.request(method, stack.server.base + path, headers={"Idempotency-Key": key}, timeout=90)
    except requests.RequestException:
        pass
    if shot.end()[0] != "killed":
        return False
    stack.server.process.wait(10)
    stack.server.process = None
    stack.server.start()
    wait_for("server ready", lambda: requests.get(stack.server.base + "/livez", timeout=5).status_code == 200)
    return True


@pytest.mark.parametrize("action", ["init", "leftovers/collect"])
def test_host_actions_over_a_killed_server(stack, action):
    """The server is killed at each step in turn. The repeated request is answered as if nothing had happened."""
    api = stack.api
    host = api.hosts()[0]["id"]
    path = f"/hosts/{host}/{action}"
    for at in range(1, 60, 3):
        key = f"{action}-{at}"
        killed = shoot(stack, at, "POST", path, key)
        answer = until_answered(stack, path, key)
        assert answer.status_code == 200, f"killed at {at}: {answer.text}"
        assert post(stack, path, key).text == answer.text
        if not killed:
            break
    wait_for("no job is left", lambda: not api.ok("GET", f"/jobs?host_id={host}&state=running").json())


def test_a_vm_is_adopted_once_over_a_killed_server(stack):
    api, server = stack.api, stack.server
    host = api.hosts()[0]["id"]
    for at in range(1, 60, 4):
        vm = api.ok("POST", "/vms", json=body(f"stray-{at}")).text
        api.act(vm, "start")
        server.stop()
        with sqlite3.connect(server.data / "qarax.db") as database:
            database.execute("DELETE FROM reservations WHERE vm_id = ?", (vm,))
            database.execute("DELETE FROM vms WHERE id = ?", (vm,))
        database.close()
        server.start()
        wait_for("server ready", lambda: requests.get(server.base + "/livez", timeout=5).status_code == 200)
        stack.wait_host(host, "up")
        path = f"/hosts/{host}/unmanaged/{vm}/adopt"
        killed = shoot(stack, at, "POST", path, f"adopt-{at}")
        answer = until_answered(stack, path, f"adopt-{at}")
        assert answer.status_code == 200 and answer.json()["id"] == vm, f"killed at {at}: {answer.text}"
        jobs = [j for j in api.ok("GET", f"/jobs?vm_id={vm}").json() if j["action"] == "adopt-vm"]
        assert [j["state"] for j in jobs] == ["completed"]
        stack.wait_state(vm, "running")
        if not killed:
            break
