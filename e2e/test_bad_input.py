"""Bad input: each is answered by a problem document that names the field or object and the way out, and changes nothing."""

import select
import socket
import time
import uuid

import pytest

from framework.stack import Stack

MIB = 1024 * 1024


def new_vm(**changes) -> dict:
    return {"name": f"vm-{uuid.uuid4().hex[:8]}", "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 128 * MIB, **changes}


def problem(response, status: int) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"].startswith("application/problem+json")
    body = response.json()
    for key in ("type", "title", "status", "detail", "instance", "message", "request_id"):
        assert key in body, f"{key} is missing in {body}"
    assert body["status"] == status and body["message"] == body["detail"]
    assert body["request_id"] == response.headers["X-Request-Id"]
    return body


BODIES = [
    # body, status, pointer in errors[] or None, part of the detail
    (b"{", 400, None, "JSON"),
    (b"", 400, None, ""),
    (b"[" * 100 + b"]" * 100, 400, None, "64 levels"),
    (b'{"name":"a","name":"b"}', 400, "/name", "duplicate"),
    (b'{"name":"a\\u0000b"}', 400, "/name", "NUL"),
    (b'{"name":"\xff"}', 400, "/name", "UTF-8"),
    (b'{"name":"\\ud800"}', 400, "/name", "surrogate"),
    (b"{} x", 400, None, "after the document"),
]


@pytest.mark.parametrize("body,status,pointer,words", BODIES, ids=range(len(BODIES)))
def test_not_json(simulated, body, status, pointer, words):
    before = simulated.api.vms()
    p = problem(simulated.api.call("POST", "/vms", data=body, headers={"Content-Type": "application/json"}), status)
    assert words in p["detail"]
    if pointer:
        assert pointer in [e["pointer"] for e in p["errors"]]
    assert simulated.api.vms() == before


FIELDS = [
    (dict(boot_vcpus=0), "/boot_vcpus"),
    (dict(description="a\u0007b"), "/description"),
    (dict(description="\u001b[31m"), "/description"),
    (dict(boot_vcpus=-1), "/boot_vcpus"),
    (dict(boot_vcpus=2.9), "/boot_vcpus"),
    (dict(boot_vcpus=True), "/boot_vcpus"),
    (dict(boot_vcpus="1"), "/boot_vcpus"),
    (dict(boot_vcpus=4294967298), "/boot_vcpus"),
    (dict(boot_vcpus=4, max_vcpus=2), "/max_vcpus"),
    (dict(memory_size="128M"), "/memory_size"),
    (dict(memory_size=0), "/memory_size"),
    (dict(memory_size=-1), "/memory_size"),
    (dict(memory_size=None), "/memory_size"),
    (dict(name=""), "/name"),
    (dict(name="x" * 254), "/name"),
    (dict(name="../../etc/passwd"), "/name"),
    (dict(name="a\nb"), "/name"),
    (dict(name="$(reboot)"), "/name"),
    (dict(name=7), "/name"),
    (dict(boot_source_id="not-a-uuid"), "/boot_source_id"),
    (dict(cpu_topology={"packages": 0}), "/cpu_topology/packages"),
    (dict(cpu_topology={"cores": 1}), "/cpu_topology/cores"),
    (dict(nonsense=1), "/nonsense"),
    (dict(config={"kernel": "/etc/shadow"}), "/config/kernel"),
]


@pytest.mark.parametrize("changes,pointer", FIELDS, ids=[f"{p[1:]}-{n}" for n, (_, p) in enumerate(FIELDS)])
def test_field(simulated, changes, pointer):
    before = simulated.api.vms()
    p = problem(simulated.api.call("POST", "/vms", json=new_vm(**changes)), 422)
    assert pointer in [e["pointer"] for e in p["errors"]], p
    assert simulated.api.vms() == before


def test_missing_name(simulated):
    body = new_vm()
    del body["name"]
    p = problem(simulated.api.call("POST", "/vms", json=body), 422)
    assert [e["pointer"] for e in p["errors"]] == ["/name"]


def test_wrong_content_type(simulated):
    problem(simulated.api.call("POST", "/vms", data=b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415)


def test_body_too_large(simulated):
    problem(simulated.api.call("POST", "/vms", data=b" " * (2 * MIB), headers={"Content-Type": "application/json"}), 413)


def test_duplicate_name(simulated):
    body = new_vm()
    first = simulated.api.ok("POST", "/vms", json=body).text
    p = problem(simulated.api.call("POST", "/vms", json=body), 409)
    assert body["name"] in p["detail"]
    simulated.api.delete(first)
    second = simulated.api.ok("POST", "/vms", json=body).text
    simulated.api.delete(second)


def test_memory_beyond_the_host(simulated):
    before = simulated.api.vms()
    p = problem(simulated.api.call("POST", "/vms", json=new_vm(memory_size=1 << 50)), 422)
    assert simulated.api.vms() == before
    assert "memory" in str(p), p
    assert "node1" in str(p), "each host is named with its reason"


def test_unknown_hypervisor_lists_those_that_exist(simulated):
    p = problem(simulated.api.call("POST", "/vms", json=new_vm(hypervisor="vaporware")), 422)
    assert "vaporware" in p["detail"] and "simulator" in str(p)


def test_unknown_boot_source(simulated):
    """Only the node knows its boot sources, so it is the start, or its dry run, that is refused."""
    unknown = "6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55"
    vm_id = simulated.api.create("elsewhere", hypervisor="simulator", boot_source_id=unknown)
    for query in ("?dry_run=true", ""):
        p = problem(simulated.api.call("POST", f"/vms/{vm_id}/start{query}"), 422)
        assert p["type"].endswith("/boot-source-not-found") and unknown in p["detail"]
    assert simulated.api.vm(vm_id)["status"] == "created"
    simulated.api.delete(vm_id)


@pytest.mark.parametrize("method,action", [("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop"), ("POST", "/pause"), ("GET", "/console")])
def test_bad_and_unknown_uuid(simulated, method, action):
    problem(simulated.api.call(method, f"/vms/not-a-uuid{action}"), 400)
    unknown = str(uuid.uuid4())
    p = problem(simulated.api.call(method, f"/vms/{unknown}{action}"), 404)
    assert unknown in p["detail"]


def test_actions_in_the_wrong_state(simulated):
    vm_id = simulated.api.create(new_vm()["name"])
    for action in ("pause", "resume", "reboot"):
        p = problem(simulated.api.call("POST", f"/vms/{vm_id}/{action}"), 409)
        assert "created" in p["detail"]
    assert simulated.api.act(vm_id, "start")["status"] == "running"
    assert simulated.api.act(vm_id, "pause")["status"] == "paused"
    p = problem(simulated.api.call("POST", f"/vms/{vm_id}/start"), 409)
    assert "paused" in p["detail"]
    assert simulated.api.vm(vm_id)["status"] == "paused"
    simulated.api.delete(vm_id)


def test_a_simulated_vm_is_visibly_simulated(simulated):
    vm_id = simulated.api.create(new_vm()["name"], hypervisor="simulator")
    vm = simulated.api.act(vm_id, "start")
    assert vm["hypervisor"] == "simulator" and vm["accelerator"] == "simulated"
    simulated.api.delete(vm_id)


def test_routes(simulated):
    problem(simulated.api.call("GET", "/nothing/here"), 404)
    response = simulated.api.call("PUT", "/vms")
    problem(response, 405)
    assert "POST" in response.headers["Allow"]


def test_foreign_origin_and_host(simulated):
    problem(simulated.api.call("GET", "/vms", headers={"Origin": "http://evil.example"}), 403)
    problem(simulated.api.call("GET", "/vms", headers={"Host": "evil.example"}), 403)
    assert simulated.api.call("GET", "/vms", headers={"Origin": simulated.server.base}).status_code == 200


def test_request_id_is_echoed(simulated):
    assert simulated.api.call("GET", "/vms", headers={"X-Request-Id": "abc-123"}).headers["X-Request-Id"] == "abc-123"


def raw(stack) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.server.port), timeout=60)


@pytest.mark.parametrize("path", ["/vms/../hosts", "/vms/%2e%2e/hosts", "/vms/%00", "/vms/%zz", "//vms"])
def test_paths_that_are_none(simulated, path):
    with raw(simulated) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        head = s.makefile("rb").readline()
    assert head.split()[1] in (b"400", b"404"), head


@pytest.fixture
def impatient(request):
    """A server that waits two seconds for a request to arrive."""
    made = Stack({"limits": {"request_timeout": "2s"}})
    yield made
    left = made.close(keep=getattr(getattr(request.node, "report_call", None), "failed", False))
    assert not left, "left behind: " + "; ".join(left)


def test_a_thousand_connections_and_one_that_dribbles(impatient):
    held = [raw(impatient) for _ in range(1000)]
    try:
        slow = held[0]
        request = b"GET /" + b"a" * 500
        begun = time.monotonic()
        sent = 0
        # A byte every 50 ms is quick enough for any limit of a single read, and would take 25 s for all.
        while sent < len(request) and not select.select([slow], [], [], 0.05)[0]:
            slow.sendall(request[sent:sent + 1])
            sent += 1
            if sent == 5:
                asked = time.monotonic()
                assert impatient.api.call("GET", "/vms").status_code == 200, "others are served meanwhile"
                assert time.monotonic() - asked < 5
                for s in held[1:50]:
                    s.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                for s in held[1:50]:
                    assert b"200" in s.recv(64)
        assert sent < len(request), "it is cut in the middle"
        assert time.monotonic() - begun > 1.5, "and not before its time"
        reply = b""
        while piece := slow.recv(4096):
            reply += piece
        assert reply.startswith(b"HTTP/1.1 408 ") and b"request-timeout" in reply, reply
        held[999].sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200" in held[999].recv(64), "who hasn't begun may wait longer"
    finally:
        for s in held:
            s.close()


def test_hang_up_in_mid_request(simulated):
    for _ in range(50):
        s = raw(simulated)
        s.sendall(b"POST /vms HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"name\":")
        s.close()
    assert simulated.api.call("GET", "/livez").status_code == 200
