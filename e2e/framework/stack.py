"""One server and its nodes as a user runs them: own ports, own folders. At the end everything is stopped and checked."""

import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import time
import shutil

import yaml

from . import paths
from .api import Api, Problem


def _ports():
    """Ports below the range that the kernel gives to clients, because a client could take a port after it was chosen here. Each
    worker of pytest-xdist has its own. 0 (any port) if there are none below."""
    lowest_of_clients = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    mine = list(range(10000 + worker, lowest_of_clients, workers))
    random.shuffle(mine)
    return itertools.cycle(mine or [0])


_next_ports = _ports()


def free_port() -> int:
    while True:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", next(_next_ports)))
            return s.getsockname()[1]


def wait_for(what: str, probe, timeout: float = 30, every: float = 0.02):
    """Returns the probe's first true answer. A failure shows its last answer or exception."""
    deadline = time.monotonic() + timeout
    last = None
    while time.monotonic() < deadline:
        try:
            last = probe()
            if last:
                return last
        except (OSError, Problem, AssertionError) as e:
            last = e
        time.sleep(every)
    raise AssertionError(f"{what}: not within {timeout} s; last: {last!r}")


def is_alive(pid: int) -> bool:
    """False also for a zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Program:
    """A qarax program that can be started, killed and started again. One log file covers all its runs."""

    def __init__(self, name: str, folder: pathlib.Path, env: dict | None = None):
        self.name = name
        self.folder = folder
        self.config_path = folder / "config.yaml"
        self.log_path = folder / "log"
        self.env = env or {}
        self.under: list = []  # a command that becomes the program, such as unshare
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        assert self.process is None
        env = {k: v for k, v in os.environ.items() if not k.startswith(("QARAX_SERVER_", "QARAX_NODE_"))}
        env.pop("DATABASE_URL", None)
        env.update(self.env)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.under, str(paths.program(self.name)), "--config", str(self.config_path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True,
            )

    def kill(self, sig: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(sig)
        code = self.process.wait(timeout=30)
        self.process = None
        return code

    def stop(self) -> int:
        return self.kill(signal.SIGTERM)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


class Node(Program):
    def __init__(self, folder: pathlib.Path, plugins: list, boot: dict, settings: dict, env: dict | None = None):
        super().__init__("qarax-node", folder, env)
        self.port = free_port()
        self.identities: set = set()
        settings = {**settings}
        self.data = pathlib.Path(settings.get("data_dir", folder / "data"))
        self.config = {
            "listen": {"address": "127.0.0.1", "port": self.port, **settings.pop("listen", {})},
            "data_dir": str(self.data),
            "boot": boot,
            "plugins": plugins,
            "log": {"level": "debug"},
            **settings,
        }
        self.write_config()

    def write_config(self) -> None:
        self.config_path.write_text(yaml.safe_dump(self.config))

    def kill(self, sig: int = signal.SIGKILL) -> int:
        # A test may empty the folder afterwards. The next run is another node then, and this one's cgroups must still be found.
        self.note_identity()
        return super().kill(sig)

    def note_identity(self) -> None:
        identity = self.data / "node_id"
        if identity.exists():
            self.identities.add(identity.read_text().strip()[:8])

    def cgroups(self) -> list:
        """The cgroups of all node identities that this program has had, the innermost first."""
        self.note_identity()
        return [path for name in self.identities for root in pathlib.Path("/sys/fs/cgroup").glob(f"**/qarax-{name}")
                for path in sorted([root, *(p for p in root.rglob("*") if p.is_dir())], reverse=True)]

    def vm_dir(self, vm_id: str) -> pathlib.Path:
        return self.data / "vms" / vm_id

    def vmm_pids(self) -> dict:
        """VM id → pid of its VMM, found by QEMU's -uuid argument, or for other VMMs by the supervisor above it, without
        asking the agent."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                argv = entry.read_bytes().split(b"\0")
                if argv[0].endswith((b"/cloud-hypervisor", b"/fake_vmm")):
                    parent = (entry.parent / "stat").read_text().rsplit(")", 1)[1].split()[1]
                    above = pathlib.Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
                    run_dir = pathlib.Path(above[above.index(b"--dir") + 1].decode())
                    if run_dir.is_relative_to(self.data):
                        found[run_dir.parents[1].name] = int(entry.parent.name)
                    continue
            except (OSError, ValueError):
                continue
            if b"qemu-system" not in argv[0] or b"-uuid" not in argv:
                continue
            if str(self.data).encode() not in b" ".join(argv) and not self.vm_dir(argv[argv.index(b"-uuid") + 1].decode()).exists():
                continue
            found[argv[argv.index(b"-uuid") + 1].decode()] = int(entry.parent.name)
        return found

    def supervisor_pid(self, vm_id: str) -> int | None:
        """The pid of the VM's supervisor, found by its command line."""
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                argv = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if argv[0].endswith(b"qarax-supervisor") and f"{self.vm_dir(vm_id)}/".encode() in b" ".join(argv):
                return int(entry.parent.name)
        return None

    def reboot_host(self) -> None:
        """Simulates a host that crashed and came back: no process is left, and the folders are from another boot."""
        self.kill()
        for vm_id, vmm in self.vmm_pids().items():
            # The supervisor first: on a crashed host nobody records how the VMM ended.
            for pid in (self.supervisor_pid(vm_id), vmm):
                os.kill(pid, signal.SIGKILL)
                wait_for(f"{pid} has ended", lambda p=pid: not is_alive(p), 10, 0.005)
        for group in self.cgroups():
            wait_for(f"{group} is empty", lambda g=group: g.rmdir() or True, 10)
        for file in [*self.data.glob("vms/*/vm.json"), *self.data.glob("vms/*/run/*/supervisor.json")]:
            document = json.loads(file.read_text())
            document["boot_identity" if file.name == "vm.json" else "boot_id"] = "00000000-0000-4000-8000-000000000000"
            file.write_text(json.dumps(document))
        self.start()


class Server(Program):
    def __init__(self, folder: pathlib.Path, settings: dict, env: dict | None = None):
        super().__init__("qarax-server", folder, env)
        self.port = free_port()
        self.data = pathlib.Path(settings.get("data_dir", folder / "data"))
        config = {
            "listen": {"address": "127.0.0.1", "port": self.port},
            "data_dir": str(self.data),
            "log": {"level": "debug"},
            **settings,
        }
        self.config_path.write_text(yaml.safe_dump(config))
        self.base = f"http://127.0.0.1:{self.port}"


class Stack:
    def __init__(self, server_settings: dict | None = None, accelerator: str = "tcg", server_env: dict | None = None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="qarax-e2e-"))
        self.accelerator = accelerator
        self.nodes: list[Node] = []
        (self.folder / "server").mkdir()
        self.server = Server(self.folder / "server", server_settings or {}, server_env)
        self.server.start()
        self.api = Api(self.server.base)
        try:
            wait_for("server ready", lambda: self.server_alive() and self.api.session.get(self.server.base + "/livez", timeout=5).status_code == 200)
            self.api.load_contract()
        except BaseException:  # the caller doesn't have it yet and so can't end it
            if self.server.process.poll() is None:
                self.server.kill()
            raise

    def server_alive(self) -> bool:
        code = self.server.process.poll()
        if code is not None:
            raise RuntimeError(f"qarax-server ended with {code}:\n{self.server.log()}")
        return True

    def qemu_plugin(self, **config) -> dict:
        return {"path": str(paths.plugin("qemu")), "required": True, "config": {"accelerator": self.accelerator, **config}}

    def simulator_plugin(self, **config) -> dict:
        return {"path": str(paths.plugin("simulator")), "required": True, "config": config}

    def boot(self, cmdline: str = "console=ttyS0 reboot=k panic=1") -> dict:
        guest = paths.guest_dir()
        return {"kernel": str(guest / "vmlinuz"), "initramfs": str(paths.guest_initramfs(guest)), "cmdline": cmdline}

    def add_node(self, name: str = "node1", plugins: list | None = None, boot: dict | None = None, settings: dict | None = None,
                 env: dict | None = None, register: bool = True, under: list | None = None) -> Node:
        folder = self.folder / name
        folder.mkdir()
        plugins = [self.qemu_plugin(), self.simulator_plugin()] if plugins is None else plugins
        node = Node(folder, plugins, self.boot() if boot is None else boot, settings or {}, env)
        self.nodes.append(node)
        node.under = under or []
        node.start()
        if register:
            self.register(name, node)
        return node

    def register(self, name: str, node: Node) -> str:
        response = self.api.ok("POST", "/hosts", json={"name": name, "address": "127.0.0.1", "port": node.port})
        host_id = response.text
        self.wait_host(host_id, "up")
        return host_id

    def wait_host(self, host_id: str, status: str, timeout: float = 30) -> dict:
        return wait_for(f"host {host_id} {status}", lambda: next((h for h in self.api.hosts() if h["id"] == host_id and h["status"] == status), None), timeout)

    def wait_state(self, vm_id: str, state: str, timeout: float = 30) -> dict:
        return wait_for(f"VM {vm_id} {state}", lambda: (lambda v: v if v["status"] == state else None)(self.api.vm(vm_id)), timeout)

    def wait_console(self, vm_id: str, text: str, timeout: float = 60) -> str:
        return wait_for(f"{text!r} on the console of {vm_id}", lambda: (lambda c: c if text in c else None)(self.api.console(vm_id)), timeout, every=0.1)

    def close(self, keep: bool = False) -> list:
        """Ends everything; returns what was left behind (which makes a test fail)."""
        left = []
        if self.server.process is None:
            self.server.start()
        for node in self.nodes:
            if node.process is None:
                node.start()
        try:
            for vm in self.api.vms():
                wait_for(f"delete {vm['name']}", lambda v=vm: self.api.call("DELETE", f"/vms/{v['id']}").status_code in (204, 404), 30, 0.2)
        except Exception as e:  # noqa: BLE001 - reported as a leftover, so that the rest is still ended
            left.append(f"a VM could not be deleted: {e}")
        for program in [self.server, *self.nodes]:
            if program.process is not None:
                code = program.stop()
                if code != 0:
                    left.append(f"{program.name} ended with {code} at SIGTERM")
        markers = [str(folder).encode() for folder in (self.folder, *(node.data for node in self.nodes))]
        deadline = time.monotonic() + 5
        while True:
            alive = []
            for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    argv = entry.read_bytes()
                except OSError:
                    continue
                if any(marker in argv for marker in markers) and int(entry.parent.name) != os.getpid():
                    alive.append((int(entry.parent.name), argv.replace(b"\0", b" ")[:160]))
            if not alive or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for pid, argv in alive:
            left.append(f"process {pid} still runs: {argv!r}")
            os.kill(pid, signal.SIGKILL)
        for group in (group for node in self.nodes for group in node.cgroups()):
            left.append(f"cgroup {group}")
            with contextlib.suppress(OSError):  # still busy for a moment after its last process was killed
                group.rmdir()
        if keep or left:
            print(f"kept for inspection: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return left


def uptimes(console: str) -> list:
    """The values of the uptime lines that the guest prints once a second, in order."""
    return [float(m) for m in re.findall(r"qarax uptime (\d+\.\d+)", console)]


def no_line_missing(console: str) -> None:
    """Checks that each of the guest's numbered uptime lines is there exactly once: none was lost, and the guest wasn't restarted."""
    numbers = [int(m) for m in re.findall(r"qarax uptime \d+\.\d+ line (\d+)\r?\n", console)]
    assert numbers and numbers == list(range(1, len(numbers) + 1)), f"the guest's uptime lines on the console: {numbers}"
