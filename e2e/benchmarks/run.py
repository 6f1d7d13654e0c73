"""Benchmarks of the first path: floor, ours, ratio and target in one table. `run.py [row…]`; see README.md."""

import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
os.environ.setdefault("QARAX_BUILD", str(ROOT / "build" / "bench"))
sys.path.insert(0, str(HERE.parent))

from framework import paths  # noqa: E402
from framework.stack import Stack, free_port, wait_for  # noqa: E402

QEMU = "/usr/bin/qemu-system-x86_64"
FIRST = "Linux version"
BANNER = "qarax guest:"
MEMORY = 128 * 1024 * 1024
ROWS = {}


def row(number, what, target):
    def register(measure):
        ROWS[number] = (what, target, measure)
        return measure
    return register


def median_ms(values):
    return statistics.median(values) * 1000


def wait_text(path, text, timeout=120.0):
    """Seconds on the monotonic clock when `text` stands in the file; polled every half millisecond."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if text in pathlib.Path(path).read_text(errors="replace"):
                return time.monotonic()
        except FileNotFoundError:
            pass
        time.sleep(0.0005)
    raise AssertionError(f"{text!r} not in {path}")


class Qmp:
    """A monitor connection as a floor: nothing but a socket and lines."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                assert time.monotonic() < deadline
                time.sleep(0.0005)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name):
        self.socket.sendall(json.dumps({"execute": name}).encode() + b"\n")
        while "return" not in json.loads(self.file.readline()):
            pass


class Bench:
    def __init__(self):
        self.stack = Stack({"log": {"level": "warn"}})
        self.node = self.stack.add_node(settings={"log": {"level": "warn"}})
        self.api = self.stack.api
        self.api.contract = None  # the client's own checks are no part of what is measured
        self.connection = http.client.HTTPConnection("127.0.0.1", self.stack.server.port)
        self.temp = pathlib.Path(tempfile.mkdtemp(prefix="qarax-bench-"))
        self.count = 0
        vm = self.start("argv")
        pid = self.node.vmm_pids()[vm]
        argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        self.argv = argv
        self.api.delete(vm)

    def post(self, path):
        self.connection.request("POST", path)
        response = self.connection.getresponse()
        body = response.read()
        assert response.status < 300, body
        return body

    def create(self, name=None):
        self.count += 1
        return self.api.create(name or f"b{self.count}")

    def start(self, name=None):
        vm = self.create(name)
        self.post(f"/vms/{vm}/start")
        return vm

    def console(self, vm):
        return self.node.vm_dir(vm) / "run" / "1" / "console.log"

    def bare(self, argv=None, paused=False):
        """Our own command line without us: the sockets become a file and a socket that QEMU makes."""
        self.count += 1
        serial = self.temp / f"serial{self.count}"
        monitor = self.temp / f"monitor{self.count}"
        out = []
        argv = list(argv or self.argv)
        skip = False
        for i, arg in enumerate(argv):
            if skip:
                skip = False
                continue
            if arg == "-S" and not paused:
                continue
            if arg == "-chardev" and argv[i + 1].startswith("socket,id=serial0"):
                out += ["-chardev", f"file,id=serial0,path={serial}"]
                skip = True
            elif arg == "-chardev" and argv[i + 1].startswith("socket,id=monitor0"):
                out += ["-chardev", f"socket,id=monitor0,path={monitor},server=on,wait=off"]
                skip = True
            else:
                out.append(arg)
        process = subprocess.Popen(out, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return process, str(serial), str(monitor)

    def plain(self):
        """A bzImage on q35 as a person would type it."""
        guest = paths.guest_dir()
        self.count += 1
        serial = self.temp / f"serial{self.count}"
        process = subprocess.Popen(
            [QEMU, "-M", "q35,accel=tcg", "-m", "128", "-display", "none", "-kernel", str(guest / "vmlinuz"), "-initrd", str(paths.guest_initramfs(guest)),
             "-append", "console=ttyS0 reboot=k panic=1", "-serial", f"file:{serial}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return process, str(serial)

    def close(self):
        for entry in self.temp.iterdir():
            entry.unlink()
        self.temp.rmdir()
        print("left behind:", self.stack.close() or "nothing")


def end(process):
    process.kill()
    process.wait()


@row(1, "create + start → first guest output", "≤ 1.05 × bare QEMU")
def first_output(b):
    ours, floor = [], []
    for _ in range(6):
        begun = time.monotonic()
        process, serial, _ = b.bare()
        floor.append(wait_text(serial, FIRST) - begun)
        end(process)
        begun = time.monotonic()
        vm = b.start()
        ours.append(wait_text(b.console(vm), FIRST) - begun)
        b.api.delete(vm)
    return median_ms(floor), median_ms(ours), "ms"


@row(2, "start call alone", "≤ 1.15 × exec, QMP, cont")
def start_call(b):
    ours, floor = [], []
    for _ in range(8):
        begun = time.monotonic()
        process, _, monitor = b.bare(paused=True)
        Qmp(monitor).command("cont")
        floor.append(time.monotonic() - begun)
        end(process)
        vm = b.create()
        begun = time.monotonic()
        b.post(f"/vms/{vm}/start")
        ours.append(time.monotonic() - begun)
        b.api.delete(vm)
    return median_ms(floor), median_ms(ours), "ms"


@row(3, "our boot profile (PVH) → banner, against a plain bzImage on q35", "≤ 0.70 × plain")
def boot_profile(b):
    ours, floor = [], []
    for _ in range(4):
        begun = time.monotonic()
        process, serial = b.plain()
        floor.append(wait_text(serial, BANNER) - begun)
        end(process)
        begun = time.monotonic()
        process, serial, _ = b.bare()
        ours.append(wait_text(serial, BANNER) - begun)
        end(process)
    return median_ms(floor), median_ms(ours), "ms"


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


@row(9, "8 cold starts at once, VM/s", "≥ 0.95 × limited to the cores")
def eight(b):
    from concurrent.futures import ThreadPoolExecutor

    ours, floor = [], []

    def one_bare(_):
        process, serial, _ = b.bare()
        wait_text(serial, BANNER)
        return process

    for _ in range(2):
        begun = time.monotonic()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            processes = list(pool.map(one_bare, range(8)))
        floor.append(8 / (time.monotonic() - begun))
        for process in processes:
            end(process)
        vms = [b.create() for _ in range(8)]
        begun = time.monotonic()

        def one_ours(vm):
            b.api.__class__(b.api.base).act(vm, "start")
            wait_text(b.console(vm), BANNER, 180)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one_ours, vms))
        ours.append(8 / (time.monotonic() - begun))
        for vm in vms:
            b.api.delete(vm)
    return statistics.median(floor), statistics.median(ours), "VM/s"


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
    return 70.0, median_ms(taken), "ms"


@row(10.5, "agent killed → 100 VMs, guests paused, seen again at REST", "≤ 1000 ms")
def recovery_of_hundred(b):
    vms = []
    for i in range(100):
        vms.append(b.api.create(f"hundred-{i}", memory_size=32 << 20))
        b.post(f"/vms/{vms[-1]}/start")
        b.post(f"/vms/{vms[-1]}/pause")  # a hundred guests that boot would be what is measured
    time.sleep(1)
    taken = []
    for _ in range(5):
        begun = restarted_until_seen(b, vms, "paused")
        taken.append(time.monotonic() - begun)
        time.sleep(0.5)
    for vm in vms:
        b.api.delete(vm)
    return 1000.0, median_ms(taken), "ms"


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


def raw_sqlite(path, count):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE vms (id TEXT PRIMARY KEY, ordinal INTEGER UNIQUE, project TEXT, name TEXT, spec TEXT, desired TEXT, observed TEXT, created TEXT, updated TEXT, UNIQUE (project, name))")
    begun = time.monotonic()
    for i in range(count):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO vms VALUES (?,?,?,?,?,?,?,?,?)", (f"id-{i}-{'x' * 30}", i, "default", f"name-{i}", "s" * 300, "d" * 60, "o" * 60, "t" * 24, "t" * 24))
        db.execute("COMMIT")
    rate = count / (time.monotonic() - begun)
    db.close()
    return rate


def creates(b, connections):
    ours, floor = [], []
    for turn in range(3):
        path = b.temp / f"creates{connections}-{turn}.db"
        floor.append(raw_sqlite(path, 1000))
        for left in b.temp.glob("creates*"):
            left.unlink()
        before = {vm["id"] for vm in b.api.all_vms()}
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", "-d1s", "-s", str(HERE / "create.lua"), f"http://127.0.0.1:{b.stack.server.port}"], capture_output=True, text=True, check=True).stdout
        rate = float(next(line.split()[1] for line in out.splitlines() if line.startswith("Requests/sec")))
        made = {vm["id"] for vm in b.api.all_vms()} - before
        assert len(made) >= rate * 0.9 and "Non-2xx" not in out, out
        ours.append(rate)
        for vm in made:
            b.api.delete(vm)
    return statistics.median(floor), statistics.median(ours), "/s"


@row(13, "durable creates/s at REST, one at a time", "≥ 0.85 × SQLite FULL")
def creates_alone(b):
    return creates(b, 1)


@row(13.2, "durable creates/s at REST, 16 connections (commits are shared)", "≥ 0.85 × SQLite FULL one at a time")
def creates_together(b):
    return creates(b, 16)


def creates_on_postgres(connections):
    from postgres_creates import Creates

    both = Creates()
    try:
        turns = [(both.hand(connections), both.ours(connections)) for _ in range(3)]
    finally:
        both.close()
    return *(statistics.median(side) for side in zip(*turns)), "/s"


@row(13.3, "durable creates/s at REST on PostgreSQL, one at a time", "≥ 0.85 × the same statements by hand")
def creates_on_postgres_alone(_):
    return creates_on_postgres(1)


@row(13.4, "durable creates/s at REST on PostgreSQL, 16 connections", "≥ 0.85 × the same statements by hand, 16 clients")
def creates_on_postgres_together(_):
    return creates_on_postgres(16)


@row(13.5, "list 1,000 VMs with state (row 12), at the client", "≤ 2.5 ms")
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
    return 2.5, median_ms(taken), "ms"


def pss(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)


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
    return 1.0, median_ms(taken), "ms"


@row(15, "idle memory of the server (PSS)", "≤ 20 MiB")
def server_memory(_):
    fresh = Stack()
    fresh.add_node()
    time.sleep(1)
    measured = pss(fresh.server.pid)
    fresh.agent_pss = pss(fresh.nodes[0].pid)
    global AGENT
    AGENT = fresh.agent_pss
    fresh.close()
    return 20.0, measured, "MiB"


@row(15.5, "idle memory of the agent (PSS)", "≤ 15 MiB")
def agent_memory(b):
    if "AGENT" not in globals():
        server_memory(b)
    return 15.0, AGENT, "MiB"


def main():
    wanted = [float(a) for a in sys.argv[1:]] or sorted(ROWS)
    b = Bench()
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{os.cpu_count()} × {cpu}, Linux {os.uname().release}, {subprocess.run([QEMU, '--version'], capture_output=True, text=True).stdout.splitlines()[0]}, build {paths.BUILD.name}\n")
    print("| # | what | floor | ours | ratio | target |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    try:
        for number in wanted:
            what, target, measure = ROWS[number]
            floor, ours, unit = measure(b)
            print(f"| {number:g} | {what} | {floor:.4g} {unit} | {ours:.4g} {unit} | {ours / floor:.2f} | {target} |", flush=True)
    finally:
        b.close()


if __name__ == "__main__":
    main()
