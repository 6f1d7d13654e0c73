"""The states that a VM may be in after what its owner was told; judge.py judges by this."""

from dataclasses import dataclass, field

# The state that each action leads to, and the actions that the harness asks for in each state.
TARGET = {"start": "running", "stop": "shutdown", "force-stop": "shutdown", "pause": "paused", "resume": "running", "reboot": "running", "restore": "running"}
ACTIONS = {
    "created": ["start", "start", "delete"],
    "running": ["pause", "stop", "force-stop", "reboot", "delete", "stop", "snapshot"],
    "paused": ["resume", "resume", "stop", "delete", "snapshot"],
    "shutdown": ["start", "start", "restore", "restore", "delete"],  # restore becomes start if there is no snapshot
}
BEGINS = ("start", "restore")
HOST_ACTIONS = ("init", "leftovers/collect")  # requested with an Idempotency-Key, and repeated until they are answered
GONE = "gone"


@dataclass
class Vm:
    id: str
    name: str
    state: str  # as the harness last saw it, or GONE
    pid: int | None = None  # pid of its VMM
    snapshots: set = field(default_factory=set)  # ids of snapshots that must exist
    history: list = field(default_factory=list)


@dataclass
class Asked:
    """One request and its answer: acknowledged (2xx), refused (another status) or unanswered (status 0)."""
    vm: Vm
    action: str
    before: str
    status: int = 0
    text: str = ""

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


def allowed(asked: Asked, vmm_killed: bool) -> set:
    """Returns the states that are allowed once everything is up again and the VM is at rest."""
    if asked.action == "delete":
        states = {GONE} if asked.acknowledged else {GONE, asked.before, "shutdown"}
    else:
        target = TARGET.get(asked.action, asked.before)  # a snapshot changes no state
        states = {target} if asked.acknowledged else {target, asked.before}
        if asked.action in BEGINS and not asked.acknowledged:
            states.add("shutdown")  # the start was undone
    # The VMM may have been killed before or after the action. A VM that was deleted stays gone.
    if vmm_killed and states != {GONE}:
        states.add("shutdown")
    return states
