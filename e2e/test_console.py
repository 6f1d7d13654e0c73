"""GET /vms/{id}/console/attach: a guest's serial console in both directions, on real guests."""

import os
import signal
import struct
import time
import uuid

import pytest

from framework.stack import Stack, wait_for
from framework.websocket import CLOSE, PING, Closed, Refused, WebSocket


def started(stack, cmdline: str = "", **spec) -> str:
    """A VM whose guest has spoken: from here on a shell reads its console."""
    if cmdline:
        spec["config"] = {**spec.get("config", {})}
    vm_id = stack.api.create(f"vm-{uuid.uuid4().hex[:8]}", **spec)
    stack.api.act(vm_id, "start")
    stack.wait_console(vm_id, "qarax uptime", 180)
    return vm_id


def attach(stack, vm_id: str, query: str = "", **more) -> WebSocket:
    return WebSocket(stack.server.base, f"/vms/{vm_id}/console/attach{query}", **more)


def ask(socket: WebSocket, command: str, answer: str, timeout: float = 60) -> bytes:
    """Types a command at the guest's shell, and reads on until its answer, which the echo of the command isn't."""
    socket.send(command.encode() + b"\n")
    return socket.read_until(answer.encode(), timeout)


@pytest.mark.guest
def test_a_command_is_typed_and_its_answer_read(stack):
    vm_id = started(stack)
    with attach(stack, vm_id) as socket:
        seen = ask(socket, "echo product=$((6 * 7))", "product=42")
        assert b"qarax guest:" in seen, "all that was kept came first"
        # Text is typed as binary is, and messages are no units.
        socket.send("echo te")
        socket.send("xt=$((2", final=False)
        socket.send("", PING)
        socket.send(b" + 3))\n", 0)
        socket.read_until(b"text=5", 60)
        assert socket.close(1000, "enough").code == 1000
    assert b"product=42" in stack.api.ok("GET", f"/vms/{vm_id}/console").content, "it is in the log like everything"
    # What was typed before the close frame arrives.
    with attach(stack, vm_id, "?tail=0") as socket:
        socket.send(b"echo late=$((3 * 5))\n")
        socket.close()
    stack.wait_console(vm_id, "late=15", 60)
