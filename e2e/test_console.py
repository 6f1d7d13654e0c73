"""GET /vms/{id}/console/attach: a guest's serial console in both directions, on real guests."""

import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from framework.stack import Stack, wait_for
from framework.websocket import PING, Refused, WebSocket


def started(stack, **spec) -> str:
    """Starts a VM and waits for its guest's first output: from then on a shell reads the console."""
    vm_id = stack.api.create(f"vm-{uuid.uuid4().hex[:8]}", hypervisor="qemu", **spec)
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax uptime", 180)
    return vm_id


def attach(stack, vm_id: str, query: str = "", **more) -> WebSocket:
    return WebSocket(stack.server.base, f"/vms/{vm_id}/console/attach{query}", **more)


def refused(stack, vm_id: str, query: str = "", **more) -> Refused:
    with pytest.raises(Refused) as e:
        attach(stack, vm_id, query, **more)
    return e.value


def attach_unless(status: int, stack, vm_id: str) -> WebSocket | None:
    try:
        return attach(stack, vm_id, "?tail=0")
    except Refused as e:
        assert e.status == status, e.problem
        return None


def ask(socket: WebSocket, command: str, answer: str, timeout: float = 60) -> bytes:
    """Types a command at the guest's shell, and reads until its answer. The command's echo must not contain the answer."""
    socket.send(command.encode() + b"\n")
    return socket.read_until(answer.encode(), timeout)


@pytest.mark.guest
def test_a_command_is_typed_and_its_answer_read(stack):
    vm_id = started(stack)
    with attach(stack, vm_id) as socket:
        seen = ask(socket, "echo product=$((6 * 7))", "product=42")
        assert b"qarax guest:" in seen, "all that was kept came first"
        # Text messages are input like binary ones, and message boundaries don't matter.
        socket.send("echo te")
        socket.send("xt=$((2", final=False)
        socket.send(b"", PING)
        socket.send(b" + 3))\n", 0)
        socket.read_until(b"text=5", 60)
        assert socket.close(1000, "enough").code == 1000
    assert "product=42" in stack.api.console(vm_id), "it is in the log like everything"
    # Input that was sent before the close frame arrives, even if nobody waits for the answer.
    with attach(stack, vm_id, "?tail=0") as socket:
        socket.send(b"echo late=$((3 * 5))\n")
        assert socket.close().code == 1000
    stack.wait_console(vm_id, "late=15", 60)
    with attach(stack, vm_id, "?tail=20") as socket:
        assert len(socket.receive(60)) >= 20
    with attach(stack, vm_id, "?tail=0") as socket:
        assert b"late=15" not in socket.read_until(b"qarax uptime", 60), "only what comes from now on"


@pytest.mark.guest
def test_clients_share_a_console_and_none_waits_for_another(stack):
    vm_id = started(stack)
    with attach(stack, vm_id, "?tail=0") as one, attach(stack, vm_id, "?tail=0") as two, attach(stack, vm_id, "?tail=0"):
        one.send(b"echo of=$((10 + 1))\n")
        two.read_until(b"of=11", 60)
        one.read_until(b"of=11", 60)
        two.send(b"echo of=$((20 + 2))\n")
        one.read_until(b"of=22", 60)
        # The third client reads nothing of this.
        one.send(b"i=0; while [ $i -lt 2000 ]; do echo $i.$i.$i.$i.$i.$i.$i.$i.$i.$i.$i.$i; i=$((i+1)); done; echo done=$((3 * 11))\n")
        seen = two.read_until(b"done=33", 120)
        assert b"1999.1999" in seen
        assert b"1999.1999" in one.read_until(b"done=33", 120)
        # A console accepts eight clients.
        more = [attach(stack, vm_id, "?tail=0") for _ in range(5)]
        full = refused(stack, vm_id)
        assert full.status == 503 and full.slug == "console-closed" and "8 clients" in full.problem["detail"], full.problem
        for socket in more:
            socket.socket.close()
        wait_for("a place that its client has left", lambda: attach_unless(503, stack, vm_id)).close()


@pytest.mark.guest
def test_the_guests_end_is_1000(stack):
    vm_id = started(stack)
    with attach(stack, vm_id) as socket:
        socket.send(b"echo o >/proc/sysrq-trigger\n")
        _, end = socket.read_to_end(60)
        assert end.code == 1000 and "guest" in end.reason, end
    stack.wait_state(vm_id, "shutdown")
    over = refused(stack, vm_id)
    assert over.status == 409 and over.slug == "wrong-state" and "shutdown" in over.problem["detail"]
    stack.api.act(vm_id, "start")
    with attach(stack, vm_id) as socket:
        socket.read_until(b"qarax uptime", 180)
        stack.api.act(vm_id, "force-stop")
        _, end = socket.read_to_end(60)
        assert end.code == 1000, end


@pytest.mark.guest
def test_a_lost_node_is_1011_and_the_guest_goes_on(stack):
    vm_id = started(stack)
    node = stack.nodes[0]
    with attach(stack, vm_id) as socket:
        ask(socket, "before=$((40 + 4)); echo set=$before", "set=44")
        node.kill()
        _, end = socket.read_to_end(30)
        assert end.code == 1011 and "node" in end.reason, end
    gone = wait_for("the server to know", lambda: (lambda r: r if r.status == 503 else None)(refused(stack, vm_id)))
    assert gone.slug == "node-unreachable", gone.problem
    node.start()
    stack.wait_state(vm_id, "running", 60)
    with attach(stack, vm_id, "?tail=0") as socket:
        ask(socket, "echo still=$before", "still=44")


@pytest.mark.guest
def test_a_client_that_is_gone_leaves_its_place(request):
    stack = Stack({"limits": {"console_attachments": 2}})
    try:
        stack.add_node()
        vm_id = started(stack)
        with attach(stack, vm_id) as one, attach(stack, vm_id) as two:
            third = refused(stack, vm_id)
            assert third.status == 429 and third.slug == "quota-exceeded" and "limits.console_attachments" in third.problem["detail"]
            one.socket.close()
            with wait_for("the place", lambda: attach_unless(429, stack, vm_id)) as again:
                ask(again, "echo sum=$((1 + 1))", "sum=2")
                # Half open: the connection exists, but its other side answers no more.
                two.answers_pings = False
                begun = time.monotonic()
                with ThreadPoolExecutor(1) as pool:
                    reading = pool.submit(two.read_to_end, 60)
                    # A client that reads answers its pings and stays connected.
                    while not reading.done():
                        ask(again, "echo sum=$((1 + 2))", "sum=3")
                        time.sleep(1)
                _, end = reading.result()
                assert end.code == 1006 and two.pings == 1 and 25 < time.monotonic() - begun < 45, (end, two.pings)
                ask(again, "echo sum=$((2 + 2))", "sum=4")
    finally:
        left = stack.close(keep=getattr(getattr(request.node, "report_call", None), "failed", False))
        assert not left, left


@pytest.mark.guest
def test_sigterm_ends_attachments_with_1001(stack):
    vm_id = started(stack)
    with attach(stack, vm_id) as one, attach(stack, vm_id) as two:
        one.read_until(b"qarax uptime", 60)
        begun = time.monotonic()
        stack.server.process.send_signal(signal.SIGTERM)
        _, end = one.read_to_end(10)
        assert end.code == 1001, end
        assert two.read_to_end(10)[1].code == 1001
        assert stack.server.process.wait(timeout=10) == 0
        assert time.monotonic() - begun < 5
    stack.server.process = None
    stack.server.start()
    wait_for("the server again", lambda: stack.api.vm(vm_id)["status"] == "running")
    with attach(stack, vm_id, "?tail=0") as socket:
        ask(socket, "echo sum=$((1 + 3))", "sum=4")


def test_what_cannot_be_attached_to_says_why(simulated):
    api = simulated.api
    vm_id = api.create(f"vm-{uuid.uuid4().hex[:8]}", hypervisor="simulator")
    unknown = refused(simulated, str(uuid.uuid4()))
    assert unknown.status == 404 and unknown.slug == "vm-not-found"
    assert refused(simulated, "not-a-uuid").status == 400
    assert refused(simulated, vm_id, "?tail=-1").status == 400
    created = refused(simulated, vm_id)
    assert created.status == 409 and created.slug == "wrong-state" and "created" in created.problem["detail"]
    plain = api.call("GET", f"/vms/{vm_id}/console/attach")
    assert plain.status_code == 426 and plain.headers["Upgrade"] == "websocket" and plain.json()["type"].endswith("/upgrade-required")
    old = refused(simulated, vm_id, headers={"Sec-WebSocket-Version": "8"})
    assert old.status == 426 and old.headers["sec-websocket-version"] == "13" and "'8'" in old.problem["detail"]
    assert refused(simulated, vm_id, headers={"Sec-WebSocket-Key": "short"}).status == 400
    assert refused(simulated, vm_id, headers={"Origin": "https://elsewhere.example"}).slug == "forbidden-origin"
    assert refused(simulated, vm_id, headers={"Origin": f"http://localhost:{simulated.server.port}"}).status == 409
    api.act(vm_id, "start")
    none = refused(simulated, vm_id)
    assert none.status in (409, 503) and "console" in none.problem["detail"], none.problem
    api.delete(vm_id)
