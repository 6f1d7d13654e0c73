"""Access to the host of kvm-lab/run.sh: a shell in it, by which a test kills processes and asks the kernel."""

import os
import re
import socket

from . import paths
from .stack import wait_for


NODE = "/var/lib/qarax/node"  # the node's data_dir, in kvm-lab/node.yaml


def address() -> str | None:
    """HOST:PORT of the lab's shell; None where no lab is up."""
    return os.environ.get("QARAX_LAB") or None


def own_test_parts() -> list[str]:
    """What of qarax_plugin_cloud_hv_test wants the real program, by its sources: a test's name must be known without a lab."""
    files = sorted((paths.ROOT / "plugins/hypervisors/cloud_hypervisor").glob("*_test.cpp"))
    source = "".join(file.read_text() for file in files)
    given = re.findall(r"^INSTANTIATE_TEST_SUITE_P\(Real, (\w+),", source, re.M)
    tests = re.findall(r"^TEST_[FP]\((\w+), (\w+)\)", source, re.M)
    return [f"Real/{suite}.{name}/*" for suite, name in tests if suite in given] + [f"{suite}.{name}" for suite, name in tests if suite == "RealGuest"]


class Shell:
    """A shell in the lab that stays open, used line by line."""

    def __init__(self, where):
        self.socket = socket.create_connection(where, timeout=120)
        self.file = self.socket.makefile("r", errors="replace")

    def send(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\n")

    def line(self) -> str:
        line = self.file.readline()
        assert line, "the lab's shell has ended"
        return line.rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


# Connects its stdin and stdout to a supervisor's socket. In perl, which every Debian has, because busybox's nc knows no unix
# sockets. It sends `attach` itself, because the shell that starts it would read input that follows the command line.
BRIDGE = ("use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new($ARGV[0]) or die; my $b; syswrite $s, \"attach\\n\"; if (fork) { "
          "while (sysread STDIN, $b, 4096) { syswrite $s, $b } shutdown $s, 1 } else { while (sysread $s, $b, 4096) { syswrite STDOUT, $b } }")


class GuestShell:
    """The shell on a guest's console, for input and output, through the socket of its supervisor in the lab."""

    def __init__(self, shell: Shell, socket_path: str):
        self.shell = shell
        shell.send(f"exec perl -e '{BRIDGE}' {socket_path} 2>&1")
        assert (said := shell.line()) == "ok", said

    def ask(self, command: str) -> list[str]:
        """Returns the lines of the answer, without the guest's own lines in between and without the echo of the command."""
        self.shell.send(f"{command}; echo done=$((6 * 7))")
        lines = []
        while "done=42" not in (line := self.shell.line().strip("\r")):
            lines.append(line)
        return [line for line in lines if not line.startswith("qarax uptime") and command not in line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shell.__exit__()


class Lab:
    def __init__(self, where: str):
        host, port = where.rsplit(":", 1)
        self.where = (host, int(port))

    def shell(self) -> Shell:
        return Shell(self.where)

    def run(self, script: str, timeout: float = 60) -> str:
        """Returns the script's output; its status must be 0. Processes it leaves in the background must not keep its output open."""
        with socket.create_connection(self.where, timeout=timeout) as shell:
            shell.sendall(f"{{\n{script}\n}} 2>&1 </dev/null\necho \"lab-status $?\"\n".encode())
            shell.shutdown(socket.SHUT_WR)
            said = b""
            while part := shell.recv(65536):
                said += part
        text, _, status = said.decode(errors="replace").rpartition("lab-status ")
        assert status.strip() == "0", f"in the lab: {script!r} ended with {status.strip() or 'nothing'}: {text[-2000:]}"
        return text

    def guest(self, vm_id, incarnation: int = 1) -> GuestShell:
        return GuestShell(self.shell(), f"{NODE}/vms/{vm_id}/run/{incarnation}/control.sock")

    def argvs(self) -> dict[int, list[str]]:
        """pid → command line of every process, read by a single program, because starting one takes long in a lab under TCG."""
        out = {}
        for line in self.run("grep -a '' /proc/[0-9]*/cmdline || true").splitlines():
            match = re.match(r"/proc/(\d+)/cmdline:(.*)", line)
            if match:
                out.setdefault(int(match[1]), match[2].rstrip("\0").split("\0"))
        return out

    def vmm_pids(self) -> dict[str, int]:
        """VM id → pid of its VMM, found by the supervisor that is its parent, without asking the agent."""
        argvs = self.argvs()
        parents = {int(pid): int(parent) for pid, parent in
                   re.findall(r"/stat:(\d+) \(.*\) \S (\d+) ", self.run("grep -a '' /proc/[0-9]*/stat || true"))}
        out = {}
        for pid, argv in argvs.items():
            above = argvs.get(parents.get(pid, 0), [])
            if argv[0].rsplit("/", 1)[-1].startswith(("qemu-system", "cloud-hypervisor")) and "--dir" in above:
                out[above[above.index("--dir") + 1].split("/vms/")[1].split("/")[0]] = pid
        return out

    def vcpus(self) -> str:
        """For guests that print nothing: what the lab's kernel says of their vCPU threads, twice, a second apart. A vCPU that
        computes is R and its guest time grows; one that waits for an interrupt is S in kvm_vcpu_block. Also each console's last line."""
        said = []
        for vm_id, pid in self.vmm_pids().items():
            look = f"for t in /proc/{pid}/task/*; do echo $(sed 's/.*) //' $t/stat | cut -d' ' -f1,12,13,41) $(cat $t/wchan) $(cat $t/comm); done"
            threads = self.run(f"{look}; sleep 1; {look}; true").splitlines()
            lines = [line for line in threads if re.match(r"\S \d+ \d+ [1-9]", line)]
            last = self.run(f"tail -qn 1 {NODE}/vms/{vm_id}/run/*/console.log || true").strip()
            said.append(f"{vm_id}, VMM {pid}, last line {last!r}; state, user, system and guest ticks, where:")
            said += lines or ["no vCPU has run"]
        return "\n".join(said) or "no VMM runs"

    def agent(self) -> int | None:
        return next((pid for pid, argv in self.argvs().items() if argv[0].endswith("/qarax-node")), None)

    def kill_agent(self) -> None:
        """Kills the agent with -9; it isn't started again before release_agent()."""
        pid = self.agent()
        assert pid is not None, "no agent runs in the lab"
        self.run(f": >/run/hold; kill -9 {pid}")

    def release_agent(self) -> None:
        self.run("rm -f /run/hold")
        wait_for("an agent in the lab", self.agent, 30, every=0.2)
