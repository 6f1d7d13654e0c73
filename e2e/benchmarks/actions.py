"""What is asked of a VM that runs, and of an agent that was killed."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor

from bench import BANNER, end, median_ms, Qmp, row, wait_text


def pause_resume(b):
    vm = b.start()
    wait_text(b.console(vm), BANNER)
    process, serial, monitor = b.bare()
    wait_text(serial, BANNER)
    qmp = Qmp(monitor)
    times = {key: [] for key in ("floor stop", "floor cont", "pause", "resume")}
    time.sleep(1)
    for _ in range(40):
        for name, command in (("floor stop", "stop"), ("floor cont", "cont")):
            begun = time.monotonic()
            qmp.command(command)
            times[name].append(time.monotonic() - begun)
        for action in ("pause", "resume"):
            begun = time.monotonic()
            b.post(f"/vms/{vm}/{action}")
            times[action].append(time.monotonic() - begun)
    end(process)
    b.api.delete(vm)
    return {k: median_ms(v) for k, v in times.items()}


@row(6, "pause at REST", "≤ 3 × QMP stop")
def pause(b):
    b.pause_resume = pause_resume(b)
    return b.pause_resume["floor stop"], b.pause_resume["pause"], "ms"


@row(6.5, "resume at REST", "≤ 3 × QMP cont")
def resume(b):
    measured = getattr(b, "pause_resume", None) or pause_resume(b)
    return measured["floor cont"], measured["resume"], "ms"


@row(7, "force-stop until reaped", "≤ 3 × kill and wait")
def force_stop(b):
    ours, floor = [], []
    for _ in range(6):
        process, serial, _ = b.bare()
        wait_text(serial, BANNER)
        begun = time.monotonic()
        end(process)
        floor.append(time.monotonic() - begun)
        vm = b.start()
        wait_text(b.console(vm), BANNER)
        time.sleep(0.3)
        begun = time.monotonic()
        b.post(f"/vms/{vm}/force-stop")
        ours.append(time.monotonic() - begun)
        b.api.delete(vm)
    return median_ms(floor), median_ms(ours), "ms"


def observed(b):
    return {vm["id"]: (vm["status"], vm["observed_at"]) for vm in b.api.all_vms()}


def restarted_until_seen(b, vms, state):
    """Kills the agent, starts it, and returns when it began, once REST shows what the new one says of each VM."""
    before = observed(b)
    b.node.kill()
    begun = time.monotonic()
    b.node.start()
    while True:
        now = observed(b)
        if all(now[vm][0] == state and now[vm][1] != before[vm][1] for vm in vms):
            return begun


@row(10, "agent killed → 4 VMs controllable again (agent's start to REST)", "≤ 70 ms")
def recovery(b):
    vms = [b.start() for _ in range(4)]
    for vm in vms:
        wait_text(b.console(vm), BANNER)
    time.sleep(1)
    taken = []
    for _ in range(5):
        begun = restarted_until_seen(b, vms, "running")
        for vm in vms:
            b.post(f"/vms/{vm}/pause")
            b.post(f"/vms/{vm}/resume")
        taken.append(time.monotonic() - begun)
        time.sleep(0.5)
    for vm in vms:
        b.api.delete(vm)
    return None, median_ms(taken), "ms"


def hundred(b):
    """Guests that are up and idle, but for the line that each writes a second: a hundred that boot would be what is measured."""
    vms = []
    for i in range(100):
        vms.append(b.api.create(f"hundred-{i}", memory_size=96 << 20))
        b.post(f"/vms/{vms[-1]}/start")
        if i % 4 == 3:
            for vm in vms[-4:]:
                wait_text(b.console(vm), BANNER)
    time.sleep(1)
    return vms


def of_each(b, vms, action):
    """The action of all VMs, by eight clients."""
    def ask(some):
        connection = http.client.HTTPConnection("127.0.0.1", b.stack.server.port)
        try:
            for vm in some:
                connection.request("POST", f"/vms/{vm}/{action}")
                response = connection.getresponse()
                body = response.read()
                assert response.status < 300, body
        finally:
            connection.close()

    clients = 8
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, (vms[i::clients] for i in range(clients))))


@row(10.5, "agent killed → 100 VMs controllable again, each paused at REST", "≤ 1000 ms")
def recovery_of_hundred(b):
    vms = hundred(b)
    taken = []
    for _ in range(5):
        begun = restarted_until_seen(b, vms, "running")
        of_each(b, vms, "pause")
        taken.append(time.monotonic() - begun)
        of_each(b, vms, "resume")
        time.sleep(2)
    for vm in vms:
        b.api.delete(vm)
    return None, median_ms(taken), "ms"
