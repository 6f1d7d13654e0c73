"""What the rows stand on: one stack, its QEMU's own command line as a floor, the table that rows enter themselves in."""

import http.client
import json
import os
import pathlib
import select
import socket
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
from framework.stack import Stack  # noqa: E402

QEMU = "/usr/bin/qemu-system-x86_64"
FIRST = "Linux version"
BANNER = "qarax guest:"
ROWS = {}


def row(number, what, target):
    """Enters a function that answers (floor, ours, unit); the floor is None where the target is an absolute figure."""
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
        # One that idled for the length of another row is closed by the server, rightly.
        if self.connection.sock is not None and select.select([self.connection.sock], [], [], 0)[0]:
            self.connection.close()
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
