"""The server on PostgreSQL: the guarantees are those with SQLite, and a database that comes and goes loses nothing."""

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from framework import postgres
from framework.api import Api, Problem
from framework.stack import Server, Stack, wait_for

pytestmark = pytest.mark.skipif(not postgres.installed(), reason="the package postgresql is missing")


@pytest.fixture(scope="module")
def cluster():
    made = postgres.Postgres()
    yield made
    made.end()


@pytest.fixture
def link(cluster):
    made = postgres.Link(cluster.database())
    yield made
    made.end()


@pytest.fixture
def make_stack(request):
    made = []

    def make(url, node=False):
        stack = Stack({"database": url})
        made.append(stack)
        if node:
            stack.add_node(plugins=[stack.simulator_plugin()], boot={})
        return stack

    yield make
    failed = getattr(getattr(request.node, "report_call", None), "failed", False)
    left = [one for stack in made for one in stack.close(keep=failed)]
    for stack in made:
        assert "test@" not in stack.server.log(), "the password is in the log"
    assert not left, "left behind: " + "; ".join(left)


def serves(server) -> bool:
    return requests.get(server.base + "/livez", timeout=5).status_code == 200


def restart(stack):
    stack.server.start()
    wait_for("server ready", lambda: serves(stack.server), 60)


class Creators:
    """Clients that create VMs until they are told to end. Records their answers."""

    def __init__(self, base: str, count: int = 4):
        self.created = {}
        self.refused = []
        self.unanswered = 0
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(base, i)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, base, number):
        api = Api(base)
        count = 0
        while not self.ending.is_set():
            count += 1
            name = f"vm-{number}-{count}"
            try:
                vm_id = api.create(name)
                with self.lock:
                    self.created[vm_id] = name
            except Problem as problem:
                with self.lock:
                    self.refused.append((problem.status, problem.slug))
                time.sleep(0.05)
            except requests.RequestException:
                with self.lock:
                    self.unanswered += 1
                time.sleep(0.05)

    def wait_for_more(self, count: int):
        wanted = len(self.created) + count
        wait_for(f"{wanted} VMs created", lambda: len(self.created) >= wanted, 60)

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def test_lifecycle(cluster, make_stack):
    stack = make_stack(cluster.database(), node=True)
    api = stack.api
    vm_id = api.create("web", description="words with ' and ä")
    assert api.act(vm_id, "start")["status"] == "running"
    assert api.act(vm_id, "pause")["status"] == "paused"
    assert api.act(vm_id, "resume")["status"] == "running"
    assert api.call("POST", "/vms", json={"name": "web", "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 1 << 27}).status_code == 409
    assert api.call("GET", "/readyz").status_code == 200
    stack.server.kill()
    restart(stack)
    assert stack.wait_state(vm_id, "running")["description"] == "words with ' and ä"
    assert api.act(vm_id, "stop")["status"] == "shutdown"
    assert api.act(vm_id, "start")["status"] == "running"
    api.delete(vm_id)
    assert api.vms() == []


def test_a_killed_server_has_every_vm_that_it_answered(cluster, make_stack):
    stack = make_stack(cluster.database())
    creators = Creators(stack.server.base, 8)
    creators.wait_for_more(40)
    stack.server.kill()
    creators.end()
    assert not creators.refused
    restart(stack)
    assert set(creators.created) <= {vm["id"] for vm in stack.api.vms()}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restarted_database_loses_nothing(cluster, make_stack, end):
    stack = make_stack(cluster.database())
    creators = Creators(stack.server.base)
    creators.wait_for_more(20)
    for _ in range(3):
        getattr(cluster, end)()
        assert len(stack.api.vms()) >= len(creators.created) - 4, "reads go on"
        wait_for("a refusal", lambda: creators.refused)
        creators.refused.clear()
        cluster.resume()
        creators.wait_for_more(20)
    creators.end()
    assert set(creators.refused) <= {(503, "store-unavailable")}, set(creators.refused)
    assert creators.unanswered == 0
    known = {vm["id"]: vm["name"] for vm in stack.api.vms()}
    assert creators.created.items() <= known.items()
    stack.server.kill()
    restart(stack)
    assert {vm["id"]: vm["name"] for vm in stack.api.vms()} == known, "what was shown is what the database has"


@pytest.mark.parametrize("how", ["unanswered", "unheard"])
def test_a_commit_without_an_answer_that_took_effect(link, make_stack, how):
    stack = make_stack(link.url)
    stack.api.create("before")
    link.at_commit = how
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.api.create, "in-question")
        wait_for("the cut", lambda: link.cuts == 1)
        other = Api(stack.server.base)
        wait_for("others are refused at once", lambda: other.call("POST", "/vms", json={"name": "other"}, timeout=5).status_code == 503)
        assert [vm["name"] for vm in other.vms()] == ["before"], "what isn't known isn't shown, and reads go on"
        assert not waiting.done(), "nobody knows, so nobody is told"
        link.open()
        vm_id = waiting.result(timeout=30)
    assert stack.api.vm(vm_id)["name"] == "in-question"
    assert "took effect" in stack.server.log()
    assert stack.api.create("after")


@pytest.mark.parametrize("how", ["lost", "swallowed"])
def test_a_commit_that_never_got_there(link, make_stack, how):
    stack = make_stack(link.url)
    link.at_commit = how
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.api.create, "in-question")
        wait_for("the cut", lambda: link.cuts == 1)
        link.open()
        with pytest.raises(Problem) as refused:
            waiting.result(timeout=30)
    assert (refused.value.status, refused.value.slug) == (503, "store-unavailable")
    assert stack.api.vms() == []
    assert stack.api.create("in-question"), "its name was never taken"


def test_a_database_that_doesnt_answer(cluster, make_stack):
    stack = make_stack(cluster.database(), node=True)
    api = stack.api
    running = api.create("running")
    api.act(running, "start")
    creators = Creators(stack.server.base)
    creators.wait_for_more(20)
    with cluster.paused():
        ready = api.call("GET", "/readyz", timeout=15)
        assert ready.status_code == 503
        assert ["doesn't answer" in check["detail"] for check in ready.json()["checks"] if check["name"] == "store"] == [True]
        asked = {"name": "new", "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 1 << 27}
        new = api.call("POST", "/vms", json=asked, timeout=15)
        assert new.status_code == 503 and "doesn't answer" in new.json()["detail"], new.text
        assert api.vm(running)["status"] == "running" and api.hosts()[0]["status"] == "up"
        assert requests.get(stack.server.base + "/livez", timeout=5).status_code == 200
        # Changes of nodes are still seen and shown.
        stack.nodes[0].kill()
        wait_for("the host's loss is seen", lambda: api.hosts()[0]["status"] == "down")
        assert api.vm(running)["status"] == "unknown"
    creators.wait_for_more(20)
    creators.end()
    assert {status for status, _ in creators.refused} == {503} and creators.unanswered == 0, creators.refused
    assert api.call("GET", "/readyz").status_code == 200
    stack.nodes[0].start()
    stack.wait_state(running, "running")
    known = {vm["id"]: vm["name"] for vm in api.vms()}
    assert creators.created.items() <= known.items()
    stack.server.kill()
    restart(stack)
    assert {vm["id"]: vm["name"] for vm in api.vms()} == known, "what was shown is what the database has"


def events_of(api) -> list:
    text = api.call("GET", "/events?after=oldest&follow=false").text
    return [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:")]


# Answers that are a second late are waited for. The limit is five seconds: with answers almost that late, a request that needs
# several of them is given up, which is a refusal and has no other effect.
@pytest.mark.parametrize("late", [1.0, 4.2])
def test_answers_that_are_late_lose_nothing(link, make_stack, late):
    stack = make_stack(link.url, node=True)
    api = stack.api
    running = api.create("running")
    api.act(running, "start")
    before = len(events_of(api))
    link.late = late
    creators = Creators(stack.server.base, 2)
    wait_for("the end of a slow create", lambda: creators.created or creators.refused or creators.unanswered, 90)
    begin = time.monotonic()
    assert api.vm(running)["status"] == "running" and api.hosts()[0]["status"] == "up"
    assert time.monotonic() - begin < late, "reads don't wait"
    if late < 2:
        assert api.act(running, "pause")["status"] == "paused"
        assert creators.created and not creators.refused and not creators.unanswered, creators.refused
        assert "doesn't answer" not in stack.server.log()
    link.late = 0.0
    creators.end()
    assert {status for status, _ in creators.refused} <= {503} and not creators.unanswered, creators.refused
    seen = [(event["type"], event.get("new_status")) for event in events_of(api)[before:]]
    assert not [one for one in seen if one[0] == "host.status_changed" or one[1] == "unknown"], seen
    known = {vm["id"]: vm["name"] for vm in api.vms()}
    assert creators.created.items() <= known.items()
    stack.server.kill()
    restart(stack)
    assert {vm["id"]: vm["name"] for vm in api.vms()} == known
    stack.wait_state(running, "paused" if late < 2 else "running")


def test_a_server_that_ends_while_its_database_doesnt_answer(cluster, make_stack, tmp_path):
    stack = make_stack(cluster.database())
    vm_id = stack.api.create("kept")
    with cluster.paused():
        assert stack.api.call("GET", "/readyz", timeout=15).status_code == 503
        assert stack.server.stop() == 0
        stack.server.start()
        wait_for("it waits for it", lambda: "standing by" in stack.server.log())
    wait_for("it serves", lambda: serves(stack.server))
    assert stack.api.vm(vm_id)["name"] == "kept"


def test_a_server_waits_for_its_database(cluster, tmp_path):
    url = cluster.database()
    server = Server(tmp_path, {"database": url})
    cluster.stop()
    server.start()
    wait_for("it says so", lambda: "standing by" in server.log())
    assert server.stop() == 0, "SIGTERM ends the wait"
    server.start()
    wait_for("it says so again", lambda: server.log().count("standing by") == 2)
    cluster.resume()
    wait_for("it serves", lambda: serves(server))
    # A database that starts gives another reason than one that is away.
    said = re.findall(r"standing by: (.*)", server.log())[1:]
    assert all(one != after for one, after in zip(said, said[1:])), f"each reason once a start: {said}"
    assert server.stop() == 0
    assert "test@" not in server.log()


def test_a_second_server_stands_by_and_takes_over(cluster, make_stack, tmp_path):
    url = cluster.database()
    stack = make_stack(url)
    vm_id = stack.api.create("web")
    second = Server(tmp_path, {"database": url})
    second.start()
    wait_for("it stands by", lambda: "standing by" in second.log())
    stack.server.kill()
    wait_for("it takes over", lambda: serves(second))
    assert Api(second.base).vm(vm_id)["name"] == "web"
    assert second.stop() == 0
    restart(stack)


def test_a_server_that_was_replaced_ends(cluster, link, make_stack, tmp_path):
    stack = make_stack(link.url)
    stack.api.create("web")
    direct = cluster.url.rsplit("/", 1)[0] + "/" + link.url.rsplit("/", 1)[1]
    second = Server(tmp_path, {"database": direct})
    second.start()
    wait_for("it stands by", lambda: "standing by" in second.log())
    link.cut()
    wait_for("it takes over", lambda: serves(second))
    link.open()
    wait_for("the first one ends", lambda: stack.server.process.poll() is not None)
    assert stack.server.process.returncode == 1
    assert "another server has taken over" in stack.server.log()
    stack.server.process = None
    assert second.stop() == 0
    restart(stack)
