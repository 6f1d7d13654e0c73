"""What server and agent hold in memory, idle and by the VM: PSS, in which shared pages count by share."""

import pathlib
import time

from actions import hundred
from bench import row
from framework.stack import Stack


def pss(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)


def idle(b):
    if not hasattr(b, "idle"):
        fresh = Stack()
        fresh.add_node()
        time.sleep(1)
        b.idle = pss(fresh.server.pid), pss(fresh.nodes[0].pid)
        fresh.close()
    return b.idle


@row(15, "idle memory of the server (PSS)", "≤ 20 MiB")
def server_memory(b):
    return None, idle(b)[0], "MiB"


@row(15.5, "idle memory of the agent (PSS)", "≤ 15 MiB")
def agent_memory(b):
    return None, idle(b)[1], "MiB"


def supervisors(node):
    """Their processes, by the folder in their arguments."""
    data = str(node.data).encode()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"qarax-supervisor") and any(word.startswith(data) for word in words[1:]):
            yield int(entry.name)


@row(15.7, "memory of agent and supervisor for each of 100 paused VMs (PSS)", "≤ 1 MiB")
def memory_by_vm(b):
    before = pss(b.node.pid)
    vms = hundred(b)
    found = list(supervisors(b.node))
    assert len(found) == len(vms), f"{len(found)} supervisors of {len(vms)} VMs"
    after = pss(b.node.pid) + sum(pss(pid) for pid in found)
    for vm in vms:
        b.api.delete(vm)
    return None, (after - before) / len(vms), "MiB"
