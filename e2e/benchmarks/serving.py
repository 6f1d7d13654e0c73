"""What the server answers by itself, and how soon it tells of a change."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time

from bench import end, median_ms, row
from framework import paths
from framework.stack import free_port, wait_for


def wrk(port, path):
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c16", "-d4s", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    return float(next(line.split()[1] for line in out.splitlines() if line.startswith("Requests/sec")))


@row(11, "GET one VM, requests/s, one core, 16 connections", "≥ 0.65 × Beast")
def get_one(b):
    vm = b.create()
    document = b.api.call("GET", f"/vms/{vm}").text
    floor_program = next(paths.BUILD.rglob("beast_floor"), None)
    assert floor_program is not None, f"no beast_floor in {paths.BUILD}: build the preset bench"
    port = free_port()
    floor_process = subprocess.Popen(["taskset", "-c", "0", str(floor_program), str(port), str(len(document))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(["taskset", "-a", "-p", "-c", "0", str(b.stack.server.pid)], check=True, stdout=subprocess.DEVNULL)
    ours, floor = [], []
    try:
        def listening():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_for("beast floor", listening)
        for _ in range(3):
            floor.append(wrk(port, "/"))
            ours.append(wrk(b.stack.server.port, f"/vms/{vm}"))
    finally:
        end(floor_process)
        subprocess.run(["taskset", "-a", "-p", "-c", f"0-{os.cpu_count() - 1}", str(b.stack.server.pid)], check=False, stdout=subprocess.DEVNULL)
        b.api.delete(vm)
    return statistics.median(floor), statistics.median(ours), "/s"


@row(12, "list 1,000 VMs with state, at the client", "≤ 2.5 ms")
def list_thousand(b):
    b.connection.close()  # an idle one was closed by the server meanwhile; the next request opens another
    while len(b.api.vms()) < 1000:
        b.create()
    taken = []
    for _ in range(30):
        begun = time.monotonic()
        b.connection.request("GET", "/vms")
        response = b.connection.getresponse()
        body = response.read()
        taken.append(time.monotonic() - begun)
        assert response.status == 200 and len(json.loads(body)) >= 1000
    for vm in b.api.vms():
        b.api.delete(vm["id"])
    return None, median_ms(taken), "ms"


@row(14, "change on the node → event at a REST client (SQLite, commit included)", "p50 ≤ 1 ms")
def node_event(b):
    """A simulated VM's end comes at an instant that its file tells; from then on it is the way of every observation."""
    client = socket.create_connection(("127.0.0.1", b.stack.server.port))
    client.sendall(b"GET /events?type=vm.status_changed&status=shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n")
    seen = b""
    while b"retry" not in seen:
        seen += client.recv(65536)
    taken = []
    for turn in range(100):
        vm = b.api.create(f"event-{turn}", hypervisor="simulator", config={"exit_after_ms": 60})
        b.post(f"/vms/{vm}/start")
        ends = json.loads((b.node.vm_dir(vm) / "run" / "1" / "simulated.json").read_text())["ends_ns"] / 1e9
        seen = b""
        while vm.encode() not in seen:
            seen += client.recv(65536)
        taken.append(time.monotonic() - ends)
        b.api.delete(vm)
    client.close()
    print(f"  row 14: p50 {median_ms(taken):.3f} ms, p99 {sorted(taken)[98] * 1000:.3f} ms", file=sys.stderr)
    return None, median_ms(taken), "ms"
