"""Checks, once everything is up again after a kill, that nothing was lost, leaked or left undecided. See README.md."""

import collections
import json

from framework.stack import Node, Stack, wait_for

from .model import BEGINS, GONE, Asked, Vm, allowed

SETTLE = 30.0


class Judge:
    """Knows the VMs as they were last seen, and counts the faults."""

    def __init__(self, stack: Stack, node: Node, say):
        self.stack = stack
        self.node = node
        self.say = say
        self.vms: list[Vm] = []
        self.faults = collections.defaultdict(list)

    def count(self) -> int:
        return sum(map(len, self.faults.values()))

    def judge(self, asks: list, vmm_killed: Vm | None) -> None:
        for asked in asks:
            self.await_job(asked)
            asked.vm.history.append((asked.action, asked.before, asked.status))
            if asked.action == "create":
                self._judge_create(asked)
            else:
                self._judge_asked(asked, vmm_killed)
        asked_of = {id(a.vm) for a in asks}
        for vm in self.vms:
            if id(vm) not in asked_of and vm.state != GONE and vm is not vmm_killed:
                self._judge_bystander(vm)
        self._judge_processes()
        self._judge_jobs()
        self.vms = [vm for vm in self.vms if vm.state != GONE]

    def await_job(self, asked: Asked) -> None:
        """Waits for the job that a 202 has promised. The job's end then takes the place of the answer."""
        if asked.status != 202:
            return
        job_id = json.loads(asked.text)["job_id"]
        job = {}

        def ended():
            nonlocal job
            job = self.stack.api.ok("GET", f"/jobs/{job_id}").json()
            return job["state"] != "running"

        try:
            wait_for(f"the end of job {job_id}", ended, SETTLE, 0.01)
        except AssertionError as e:
            self.fault("job not final" if job else "lost", asked, f"it was promised, and: {e}")
        error = job.get("error") or {}
        if job.get("state") == "failed" and not error:
            self.fault("wrong", asked, f"job {job_id} failed without an error")
        asked.text = json.dumps(error or job)
        # Status 0 means that nobody knows what became of it, so a job that has failed mustn't get it.
        unsaid = 500 if job.get("state") == "failed" else 0
        asked.status = 200 if job.get("state") == "completed" else error.get("status", unsaid)

    def _judge_asked(self, asked: Asked, vmm_killed: Vm | None) -> None:
        document = self._settled(asked.vm)
        if document is None:
            asked.vm.state = GONE
            return
        seen = document["status"]
        may = allowed(asked, vmm_killed is asked.vm)
        if seen not in may:
            kind = "lost" if asked.acknowledged else "wrong"
            if seen == GONE and asked.action != "delete":
                kind = "vm lost"
            self.fault(kind, asked, f"is {seen}, may be {sorted(may)}")
        asked.vm.state = seen
        if seen != GONE:
            self._judge_snapshots(asked)
            words = {asked.vm.description} if asked.description is None else {asked.description}
            self._judge_words(asked.vm, words if asked.acknowledged else words | {asked.vm.description}, document)
        # 422: no host fits, because the only one is down at that moment.
        if not asked.acknowledged and 400 <= asked.status < 500 and asked.status not in (404, 409, 422):
            self.fault("wrong", asked, f"refused with {asked.status}: {asked.text[:300]}")

    def _judge_bystander(self, vm: Vm) -> None:
        document = self._settled(vm)
        if document is None:
            vm.state = GONE
            return
        seen = document["status"]
        if seen != vm.state:
            self.fault("vm lost", None, f"{vm.name} was {vm.state} and nobody asked anything of it, is {seen}; {vm.history}")
        vm.state = seen
        if seen != GONE:
            self._judge_words(vm, {vm.description}, document)

    def _judge_words(self, vm: Vm, may: set, document: dict) -> None:
        if document["description"] not in may:
            self.fault("lost", None, f"{vm.name} is described as {document['description']!r}, may be {may}; {vm.history}")
        vm.description = document["description"]

    def _judge_snapshots(self, asked: Asked) -> None:
        """Each snapshot must exist completely or not at all, both on the server and on disk, and none may disappear by itself."""
        listed = {s["id"]: s["status"] for s in self.stack.api.ok("GET", f"/vms/{asked.vm.id}/snapshots").json()}
        if set(listed.values()) - {"ready"}:
            self.fault("wrong", asked, f"snapshots that are neither ready nor gone: {listed}")
        promised = asked.vm.snapshots | ({json.loads(asked.text)["id"]} if asked.action == "snapshot" and asked.acknowledged else set())
        if promised - set(listed):
            self.fault("lost", asked, f"snapshots {promised - set(listed)} aren't there")
        made = set(listed) - asked.vm.snapshots
        if len(made) > (asked.action == "snapshot"):
            self.fault("wrong", asked, f"snapshots {made} were made, more than were asked for")
        folder = self.node.vm_dir(asked.vm.id) / "snapshots"
        kept = {p.name for p in folder.iterdir() if not p.name.startswith(".")} if folder.exists() else set()
        if kept != set(listed):
            self.fault("leak", asked, f"on the disk are snapshots {kept}, listed are {set(listed)}")
        asked.vm.snapshots = set(listed)

    def saw_the_end(self, vm: Vm) -> None:
        """The end of a killed VMM must be reported within a second, whatever was asked of its VM meanwhile."""
        seen = lambda: self.stack.api.call("GET", f"/vms/{vm.id}")  # noqa: E731
        try:
            wait_for("the end is seen", lambda: seen().json()["status"] in ("shutdown", 404), 1, 0.01)
        except AssertionError:
            self.fault("wrong", None, f"the VMM of {vm.name} was killed, and a second later it is {seen().json()['status']}; {vm.history}")

    def _judge_create(self, asked: Asked) -> None:
        found = [v for v in self.stack.api.vms() if v["name"] == asked.vm.name]
        if not found:
            if asked.acknowledged:
                self.fault("lost", asked, "was answered 201 and isn't there")
            return
        if asked.acknowledged and found[0]["id"] != asked.text:
            self.fault("lost", asked, f"has another id than the answer's {asked.text}")
        asked.vm.id, asked.vm.state = found[0]["id"], "created"
        self.vms.append(asked.vm)

    def _settled(self, vm: Vm) -> dict | None:
        """Returns the VM's document once no job works on it, with the status GONE if there is none. A job that never ends, or
        a state that stays unknown, is a fault that is counted here; the answer is then None."""
        seen = {}

        def rest():
            nonlocal seen
            response = self.stack.api.call("GET", f"/vms/{vm.id}")
            if response.status_code == 404:
                seen = {"status": GONE}
                return True
            seen = response.json()
            return not seen["activity"] and seen["status"] != "unknown"

        try:
            wait_for(f"{vm.name} at rest", rest, SETTLE, 0.01)
        except AssertionError:
            kind = "job not final" if seen.get("activity") else "vm lost"
            self.fault(kind, None, f"{vm.name} stays {seen.get('status')} ({seen.get('status_reason')}), activity {seen.get('activity')}; {vm.history}")
            # The run goes on without this VM.
            self.stack.api.call("DELETE", f"/vms/{vm.id}")
            return None
        return seen

    def _judge_processes(self) -> None:
        """Each running VM must have a VMM, any other VM none, and a VMM that nothing has ended must be the same as before."""
        want = {vm.id for vm in self.vms if vm.state in ("running", "paused")}
        try:
            wait_for("VMMs as the VMs say", lambda: set(self.node.vmm_pids()) == want, 5, 0.02)
        except AssertionError:
            have = set(self.node.vmm_pids())
            for extra in have - want:
                self.fault("leak", None, f"a VMM runs for {extra}, {self._history_of(extra)}")
            for missing in want - have:
                self.fault("vm lost", None, f"no VMM runs for {missing}, {self._history_of(missing)}")
        pids = self.node.vmm_pids()
        for vm in self.vms:
            now = pids.get(vm.id)
            started = vm.history and vm.history[-1][0] in BEGINS
            if vm.pid and now and vm.pid != now and not started:
                self.fault("vm lost", None, f"{vm.name} has another VMM than before; {vm.history}")
            vm.pid = now
        folders = {p.name for p in (self.node.data / "vms").iterdir()} if (self.node.data / "vms").exists() else set()
        for extra in folders - {vm.id for vm in self.vms if vm.state != GONE}:
            try:
                wait_for("no folder", lambda: not (self.node.data / "vms" / extra).exists(), 5, 0.02)
            except AssertionError:
                self.fault("leak", None, f"a folder is left of {extra}, {self._history_of(extra)}")

    def _judge_jobs(self) -> None:
        unfinished = []

        def all_ended():
            response = self.stack.api.session.get(self.stack.server.base + "/jobs", timeout=10)
            if response.status_code != 200:
                self.fault("wrong", None, f"GET /jobs is {response.status_code}: {response.text[:300]}")
                return True
            unfinished[:] = [j for j in response.json() if j["state"] not in ("completed", "failed", "superseded", "cancelled")]
            # Jobs of VMs are judged when their VMs are at rest. A host's job may still be continued by a server that has just started.
            return all(j["vm_id"] for j in unfinished)

        try:
            wait_for("the host's jobs have ended", all_ended, SETTLE, 0.02)
        except AssertionError:
            pass
        for job in unfinished:
            self.fault("job not final", None, json.dumps(job))

    def judge_events(self, ids: list, gaps: list) -> None:
        """A reader that came back with Last-Event-ID after each kill must have been given each number once, in order."""
        for before, after in zip(ids, ids[1:]):
            (epoch, seq), (next_epoch, next_seq) = (map(int, one.split("-")) for one in (before, after))
            # Each run of the server has its own epoch.
            if next_epoch < epoch or next_seq != seq + 1:
                self.fault("events", None, f"after event {before} came {after}")
        for gap in gaps:
            self.fault("events", None, f"its reader was told of a gap: {gap}")

    def _history_of(self, vm_id: str) -> list:
        return next((vm.history for vm in self.vms if vm.id == vm_id), ["a VM that is gone"])

    def fault(self, kind: str, asked: Asked | None, text: str) -> None:
        if asked is not None:
            text = f"{asked.action} of {asked.vm.name} from {asked.before} answered {asked.status or 'nothing'}: {text}; {asked.vm.history}"
        self.faults[kind].append(text)
        self.say(f"FAULT {kind}: {text}")
