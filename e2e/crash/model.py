"""The states that a VM may be in after what its owner was told; judge.py judges by this."""

from dataclasses import dataclass, field

# The state that each action leads to, and the actions that the harness asks for in each state.
TARGET = {"start": "running", "stop": "shutdown", "force-stop": "shutdown", "pause": "paused", "resume": "running", "reboot": "running", "restore": "running"}
ACTIONS = {
    "created": ["start", "start", "delete", "describe"],
    "running": ["pause", "stop", "force-stop", "reboot", "delete", "stop", "snapshot", "describe"],
    "paused": ["resume", "resume", "stop", "delete", "snapshot", "describe"],
    "shutdown": ["start", "start", "restore", "restore", "delete", "describe"],  # restore becomes start if there is no snapshot
}
BEGINS = ("start", "restore")
# Actions that can be requested with Prefer: respond-async, and with an Idempotency-Key.
IN_BACKGROUND = (*TARGET, "delete")
KEYED = ("create", "snapshot", *TARGET)
HOST_ACTIONS = ("init", "leftovers/collect")  # requested with an Idempotency-Key, and repeated until they are answered
GONE = "gone"


@dataclass
class Vm:
    id: str
    name: str
    state: str  # as the harness last saw it, or GONE
    pid: int | None = None  # pid of its VMM
    snapshots: set = field(default_factory=set)  # ids of snapshots that must exist
    description: str | None = None
    history: list = field(default_factory=list)


@dataclass
class Asked:
    """One request and its answer: acknowledged (2xx), refused (another status) or unanswered (status 0)."""
    vm: Vm
    action: str
    before: str
    status: int = 0
    text: str = ""
    description: str | None = None  # the new description, of a describe
    key: str | None = None  # Idempotency-Key; the request is repeated until it is answered
    in_background: bool = False  # answered 202 at once; Judge.await_job() replaces the answer by the job's end

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def answered(self) -> bool:
        """Whether the answer is final. A client with a key repeats the request otherwise."""
        return self.status not in (0, 503) and "idempotency-in-progress" not in self.text


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
