"""?wait_for= on start and GET: a state, a text on the console, and the answer when the wait fails."""

import threading
import time
import uuid

import pytest

MIB = 1024 * 1024


def make(api, **more) -> str:
    return api.create(**{"name": f"vm-{uuid.uuid4().hex[:8]}", "memory_size": 128 * MIB, **more})


@pytest.mark.guest
def test_start_answers_when_the_guest_speaks(stack):
    api = stack.api
    vm = make(api, hypervisor="qemu")
    started = api.ok("POST", f"/vms/{vm}/start?wait_for=console:qarax guest:&timeout=2m").json()
    assert started["status"] == "running"
    assert "qarax guest:" in api.console(vm), "it was there when the answer came"
    late = api.call("GET", f"/vms/{vm}?wait_for=console:no guest says this&timeout=500ms")
    assert late.status_code == 504 and late.json()["type"].endswith("/wait-timeout"), late.text
    assert "qarax guest:" in late.json()["console_tail"]
    # Following without a tail begins at the start of the log.
    with api.session.get(f"{api.base}/vms/{vm}/console?follow=true", stream=True, timeout=30) as followed:
        told = b""
        for piece in followed.iter_content(None):
            told += piece
            if b"qarax guest:" in told:
                break
    assert b"Linux version" in told, told[:200]
    threading.Timer(0.3, lambda: api.session.post(f"{api.base}/vms/{vm}/force-stop", timeout=30)).start()
    ended = api.call("GET", f"/vms/{vm}?wait_for=console:no guest says this&timeout=60s")
    assert ended.status_code == 409 and ended.json()["type"].endswith("/wait-ended"), ended.text
    # The console of a VM that has ended is its complete log; it contains no paths of the host.
    over = api.ok("GET", f"/vms/{vm}/console?follow=true")
    assert "qarax guest:" in over.text
    api.delete(vm)


def test_a_state_is_waited_for(simulated):
    api = simulated.api
    vm = make(api, hypervisor="simulator")
    in_vain = api.call("GET", f"/vms/{vm}?wait_for=running&timeout=100ms")
    assert in_vain.status_code == 504 and "created" in in_vain.json()["detail"]
    seen = []
    waiter = threading.Thread(target=lambda: seen.append(api.session.get(f"{api.base}/vms/{vm}?wait_for=running&timeout=60s", timeout=70).json()))
    waiter.start()
    api.act(vm, "start")
    waiter.join(30)
    assert seen and seen[0]["status"] == "running"
    for query in ("wait_for=stopped", "wait_for=console:", "wait_for=running&timeout=soon", "wait_for=running&timeout=2h"):
        assert api.call("GET", f"/vms/{vm}?{query}").status_code == 400, query
    api.delete(vm)


def test_waits_keep_nobody_else(simulated):
    api = simulated.api
    vm = make(api, hypervisor="simulator")
    answers = []
    waiters = [threading.Thread(target=lambda: answers.append(api.session.get(f"{api.base}/vms/{vm}?wait_for=running&timeout=60s", timeout=70).status_code))
               for _ in range(80)]
    for waiter in waiters:
        waiter.start()
    begun = time.monotonic()
    assert api.vm(vm)["status"] == "created"
    assert time.monotonic() - begun < 5, "a plain GET isn't queued behind those who wait"
    api.act(vm, "start")
    for waiter in waiters:
        waiter.join(60)
    assert set(answers) <= {200, 503} and answers.count(200) >= 64, "so many wait at once; more are told to come back"
    api.delete(vm)
