"""What may be true of a VM, from what its owner was told: by this judge.py judges."""

from dataclasses import dataclass, field

# The state that each action leads to, and from where the harness asks for it.
TARGET = {"start": "running", "stop": "shutdown", "force-stop": "shutdown", "pause": "paused", "resume": "running", "reboot": "running", "restore": "running"}
ACTIONS = {
    "created": ["start", "start", "delete"],
    "running": ["pause", "stop", "force-stop", "reboot", "delete", "stop", "snapshot"],
    "paused": ["resume", "resume", "stop", "delete", "snapshot"],
    "shutdown": ["start", "start", "restore", "restore", "delete"],  # restore: start, where there is no snapshot
}
BEGINS = ("start", "restore")
HOST_ACTIONS = ("init", "leftovers/collect")  # of the host, with an Idempotency-Key: asked again until they are answered
GONE = "gone"


@dataclass
class Vm:
    id: str
    name: str
    state: str  # as the harness last saw it, or GONE
    pid: int | None = None  # of its VMM
    snapshots: set = field(default_factory=set)  # ids that it has for certain
    history: list = field(default_factory=list)


@dataclass
class Asked:
    """One request and its answer. acknowledged: 2xx; else refused (a status) or unanswered (0)."""
    vm: Vm
    action: str
    before: str
    status: int = 0
    text: str = ""

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


def allowed(asked: Asked, vmm_killed: bool) -> set:
    """The states that may be seen once everything is up again and the VM is at rest."""
    if asked.action == "delete":
        states = {GONE} if asked.acknowledged else {GONE, asked.before, "shutdown"}
    else:
        target = TARGET.get(asked.action, asked.before)  # a snapshot changes no state
        states = {target} if asked.acknowledged else {target, asked.before}
        if asked.action in BEGINS and not asked.acknowledged:
            states.add("shutdown")  # undone
    # Its VMM may have been killed before or after the action; a stop that was answered stays a stop.
    if vmm_killed and states != {GONE}:
        states.add("shutdown")
    return states
