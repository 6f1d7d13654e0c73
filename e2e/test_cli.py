"""The command line `qarax` against the real server, node and guests: what it prints, what it asks for, its exit codes."""

import http.server
import json
import os
import re
import select
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading

import pytest

from framework import paths
from framework.stack import Server, Stack, free_port, wait_for

DONE, REFUSED, USAGE, UNREACHABLE, TIMED_OUT = range(5)


def environment(**more) -> dict:
    env = {k: v for k, v in os.environ.items() if not k.startswith("QARAX_") and k != "NO_COLOR"}
    return {**env, **more}


class Cli:
    """`qarax` with the server of a stack in QARAX_URL; each call expects an exit code."""

    def __init__(self, url: str, **env):
        self.env = environment(QARAX_URL=url, **env)

    def popen(self, *args: str) -> subprocess.Popen:
        return subprocess.Popen([str(paths.program("qarax")), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.env)

    def run(self, *args: str, expect: int = DONE) -> subprocess.CompletedProcess:
        result = subprocess.run([str(paths.program("qarax")), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                errors="replace", timeout=120, env=self.env)
        assert result.returncode == expect, f"qarax {args}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert "\033[" not in result.stdout + result.stderr, "no colour where nobody looks"
        return result

    def json(self, *args: str):
        return json.loads(self.run(*args, "-o", "json").stdout)


def rows(table: str) -> list:
    """The table's rows as dicts, cut at the columns of its header. So this also tests that the columns are aligned."""
    lines = table.splitlines()
    starts = [m.start() for m in re.finditer(r"\S+", lines[0])] + [None]
    columns = [lines[0][a:b].strip() for a, b in zip(starts, starts[1:])]
    return [{c: line[a:b].strip() for c, a, b in zip(columns, starts, starts[1:])} for line in lines[1:]]


@pytest.mark.guest
def test_launch_to_delete(stack):
    cli = Cli(stack.server.base)
    assert "qarax launch" in cli.run("list").stderr, "an empty list says how to change that"

    launched = cli.run("launch", "web", "--memory", "128M", "--vcpus", "1")
    vm = stack.api.vms()[0]
    assert vm["name"] == "web" and vm["memory_size"] == 128 << 20 and vm["boot_vcpus"] == vm["max_vcpus"] == 1
    assert vm["status"] == "running"
    assert launched.stdout.strip() and launched.stdout.endswith("\n"), "the guest's first words"
    assert stack.api.console(vm["id"]).replace("\r", "").startswith(launched.stdout.replace("\r", "")[:20])
    for said in ("created VM web", vm["id"], "on host node1", "qemu", "accelerator tcg", "the guest speaks", "qarax console web"):
        assert said in launched.stderr

    cli.run("create", "a-much-longer-name", "--memory", "1G", "--hypervisor", "simulator")
    listed = {row["NAME"]: row for row in rows(cli.run("list").stdout)}
    assert listed["web"]["STATUS"] == "running" and listed["web"]["HOST"] == "node1" and listed["web"]["ID"] == vm["id"]
    assert listed["a-much-longer-name"]["MEMORY"] == "1G" and listed["a-much-longer-name"]["HOST"] == "-"
    assert cli.run("list", "--status", "running", "--names").stdout == "web\n"
    assert [v["id"] for v in cli.json("list")] == [v["id"] for v in stack.api.vms()]

    assert cli.run("pause", "web").stdout == "web is paused\n"
    assert stack.api.vm(vm["id"])["status"] == "paused"
    assert cli.run("resume", vm["id"]).stdout == "web is running\n", "an id does what a name does"
    assert stack.api.vm(vm["id"])["status"] == "running"
    assert re.search(r"^status: +running$", cli.run("show", "web").stdout, re.M)
    assert cli.json("show", "web")["id"] == vm["id"]

    stack.wait_console(vm["id"], "qarax uptime")
    assert "qarax guest: 1 vCPU, 128 MiB" in cli.run("console", "web").stdout
    assert re.fullmatch(r"(qarax uptime [\d.]+ line \d+\r?\n){2}", cli.run("console", "web", "--tail", "2").stdout) or \
        stack.api.console(vm["id"]).count("qarax uptime") < 2

    assert cli.run("stop", "web").stdout == "web is shutdown\n"
    assert stack.nodes[0].vmm_pids() == {}
    assert cli.run("start", "web").stdout == "web is running\n"
    assert cli.run("delete", "web").stdout == "web is deleted\n"
    assert cli.json("delete", "a-much-longer-name")["deleted"] is True
    assert stack.api.vms() == []


@pytest.mark.guest
def test_why_of_a_killed_vmm(stack):
    cli = Cli(stack.server.base)
    cli.run("launch", "victim", "--memory", "128M")
    vm_id = stack.api.vms()[0]["id"]
    running = cli.run("why", "victim").stdout
    assert re.search(r"^state: +running$", running, re.M) and "qarax console victim --follow" in running
    stack.wait_console(vm_id, "qarax uptime")
    os.kill(stack.nodes[0].vmm_pids()[vm_id], signal.SIGKILL)
    stack.wait_state(vm_id, "shutdown", 5)
    told = cli.run("why", "victim").stdout
    for pattern in (r"^state: +shutdown: .*signal 9", r"^asked for: +running$", r"^VMM ended: .*signal 9 \(SIGKILL\) at 20",
                    r"^accelerator: tcg: .+", r"^host: +node1 is up$", r"^  \| qarax uptime", r"^  journalctl -k on host node1",
                    r"^  qarax start victim"):
        assert re.search(pattern, told, re.M), f"{pattern} isn't in\n{told}"
    document = cli.json("why", "victim")
    assert document["vm"]["exit"]["signal"] == 9 and document["host"]["name"] == "node1"
    assert "qarax uptime" in document["console"] and any("qarax start victim" in step for step in document["next"])
    # The console of a VM that has ended is shown, and not waited for.
    over = cli.run("console", "victim", "--follow")
    assert "qarax uptime" in over.stdout and "victim is shutdown" in over.stderr and "qarax why victim" in over.stderr


@pytest.mark.guest
def test_follow_goes_on_until_the_guest_ends(stack):
    cli = Cli(stack.server.base)
    cli.run("launch", "talker", "--memory", "128M")
    vm_id = stack.api.vms()[0]["id"]
    follower = cli.popen("console", "talker", "--follow")
    seen = b""

    def heard(count: int) -> bool:
        nonlocal seen
        while select.select([follower.stdout], [], [], 0)[0]:
            piece = os.read(follower.stdout.fileno(), 65536)
            assert piece, follower.stderr.read()
            seen += piece
        return seen.count(b"qarax uptime") >= count

    try:
        wait_for("the guest's lines as it writes them", lambda: heard(3), 60)
        stack.api.act(vm_id, "force-stop")
        rest, note = follower.communicate(timeout=15)
        assert follower.returncode == DONE, note
        assert "talker is shutdown" in note.decode()
    finally:
        if follower.poll() is None:
            follower.kill()
            follower.communicate()


@pytest.mark.guest
def test_follow_tells_a_broken_stream_from_an_end(stack):
    cli = Cli(stack.server.base)
    cli.run("launch", "talker", "--memory", "128M")
    follower = cli.popen("console", "talker", "--follow")
    try:
        assert os.read(follower.stdout.fileno(), 1), "it follows"
        stack.server.kill()
        out, note = follower.communicate(timeout=15)
        assert follower.returncode == UNREACHABLE, note
        stack.server.start()
        wait_for("the server again", lambda: stack.api.vms())
    finally:
        if follower.poll() is None:
            follower.kill()
            follower.communicate()


@pytest.mark.guest
def test_launch_waits_until_the_guest_is_up(stack):
    cli = Cli(stack.server.base)
    launched = cli.run("launch", "web", "--memory", "128M", "--until", "qarax uptime 1")
    assert "qarax guest: 1 vCPU" in launched.stdout and "qarax uptime 1" in launched.stdout
    assert 'the guest has written "qarax uptime 1", ' in launched.stderr
    cli.run("delete", "web")
    late = cli.run("launch", "web", "--memory", "128M", "--until", "login:", "--timeout", "1", expect=TIMED_OUT)
    assert 'has not written "login:" within 1.0 s' in late.stderr


@pytest.mark.guest
def test_a_silent_guest_is_a_timeout(stack):
    result = Cli(stack.server.base).run("launch", "mute", "--memory", "128M", "--timeout", "0", expect=TIMED_OUT)
    assert "VM mute runs" in result.stderr and "qarax console mute --follow" in result.stderr
    assert stack.api.vms()[0]["status"] == "running"


def test_simulated_vms_have_no_console_to_wait_on(simulated):
    cli = Cli(simulated.server.base)
    result = cli.run("launch", "dry", "--timeout", "30")
    assert "no console" in result.stderr
    unseen = cli.run("launch", "unseen", "--until", "login:", expect=REFUSED)
    assert "VM unseen runs, and its hypervisor has no console that --until could wait on" in unseen.stderr
    cli.run("delete", "unseen")
    told = cli.run("why", "dry").stdout
    assert "qarax console dry" not in told and "simulator, has no console" in told, told
    # The log ends by itself, which must not be reported as a broken connection.
    followed = cli.run("console", "dry", "--follow")
    assert "no guest runs" in followed.stdout and "simulator, has no console to follow" in followed.stderr
    typed = subprocess.run([str(paths.program("qarax")), "console", "dry"], input=b"ls\n", capture_output=True, env=cli.env, timeout=60)
    assert typed.returncode == REFUSED and b"simulator, has no console to attach to" in typed.stderr, typed
    assert cli.run("reboot", "dry").stdout == "dry is running\n"
    assert cli.run("force-stop", "dry").stdout == "dry is shutdown\n"
    cli.run("delete", "dry")


def test_why_of_a_start_that_failed(simulated):
    cli = Cli(simulated.server.base)
    cli.run("create", "never", "--config", '{"failure_percent": 100}')
    failed = cli.run("start", "never", expect=REFUSED)
    assert "next: qarax why never" in failed.stderr
    told = cli.run("why", "never").stdout
    assert re.search(r"^last failed: the start of 20\S+: .*simulated failure of a start", told, re.M), told
    steps = told.split("what to do next:\n")[1].splitlines()
    job = cli.json("jobs", "never", "--state", "failed")[0]
    assert job["error"]["hint"] in steps[0] and f"qarax job {job['id']}" in steps[1], told
    assert steps[2] == "  qarax start never: start it again, once that cause is gone", told
    assert cli.json("why", "never")["last_failure"]["id"] == job["id"]
    cli.run("set", "never", "--config", '{"failure_percent": 0}')
    cli.run("start", "never")
    assert "last failed" not in cli.run("why", "never").stdout
    cli.run("delete", "never")


def test_hosts_and_plugins(simulated):
    cli = Cli(simulated.server.base)
    (host,) = rows(cli.run("hosts").stdout)
    assert host["NAME"] == "node1" and host["STATUS"] == "up" and host["HYPERVISOR"] == "simulator"
    (plugin,) = rows(cli.run("plugins", "node1").stdout)
    assert plugin["NAME"] == "simulator" and plugin["STATE"] == "ready" and plugin["ACCELERATOR"] == "simulated"
    assert cli.run("plugins").stdout == cli.run("plugins", simulated.api.hosts()[0]["id"]).stdout
    assert cli.json("plugins")[0]["plugins"][0]["state"] == "loaded"
    assert "qarax hosts" in cli.run("plugins", "nowhere", expect=REFUSED).stderr


def test_a_host_comes_and_goes(simulated):
    cli = Cli(simulated.server.base)
    gone = f"127.0.0.1:{free_port()}"
    added = cli.run("add-host", "other", gone)
    assert added.stdout.startswith("other is added (") and "next: qarax init-host other" in added.stderr
    host = next(h for h in simulated.api.hosts() if h["name"] == "other")
    assert f"{host['address']}:{host['port']}" == gone and host["id"] in added.stdout
    assert "next: qarax hosts" in cli.run("add-host", "other", gone, expect=REFUSED).stderr
    assert gone in cli.run("init-host", "other", expect=REFUSED).stderr
    assert cli.run("init-host", "node1").stdout == "node1 is up\n"
    assert cli.json("init-host", "node1")["status"] == "up"
    cli.run("create", "here")
    cli.run("start", "here")
    assert "next: qarax list" in cli.run("delete-host", "node1", expect=REFUSED).stderr
    cli.run("delete-host", "node1", "--forget", expect=REFUSED)
    cli.run("delete", "here")
    assert cli.run("delete-host", "other", "--forget").stdout == "other is deleted\n"
    assert [h["name"] for h in simulated.api.hosts()] == ["node1"]
    assert "no host has the name" in cli.run("delete-host", "other", expect=REFUSED).stderr


def test_what_only_the_node_knows(simulated):
    cli = Cli(simulated.server.base)
    assert "nothing is left over on node1" in cli.run("leftovers", "node1").stderr
    assert cli.json("leftovers", "node1", "--collect") == []
    assert "knows every VM" in cli.run("unmanaged", "node1").stderr
    cli.run("create", "planned")
    cli.run("start", "planned")
    plan = cli.run("adopt", "node1")
    assert "needs no adopt" in plan.stderr and "--plan" not in plan.stderr, "nothing to do is no plan"
    (line,) = rows(plan.stdout)
    assert line["NAME"] == "planned" and line["ACTION"] == "none"
    assert "plan" in cli.run("adopt", "node1", "--plan", "0000", expect=REFUSED).stderr
    cli.run("unmanaged", "node1", "--adopt", "6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55", expect=REFUSED)
    # A VM that only the node has: there is a plan although nothing is wrong with the host.
    vm_id = cli.json("show", "planned")["id"]
    simulated.server.stop()
    with sqlite3.connect(simulated.server.data / "qarax.db") as database:
        database.execute("DELETE FROM reservations WHERE vm_id = ?", (vm_id,))
        database.execute("DELETE FROM vms WHERE id = ?", (vm_id,))
    database.close()
    simulated.server.start()
    wait_for("the node again", lambda: cli.json("hosts")[0]["status"] == "up")
    plan = cli.run("adopt", "node1")
    assert "needs no adopt" not in plan.stderr and "1 would be taken over" in plan.stderr, plan.stderr
    assert re.search(r"qarax adopt node1 --plan \w+", plan.stderr)
    assert rows(plan.stdout)[0]["ACTION"] == "create"
    assert rows(cli.run("unmanaged", "node1").stdout)[0]["ID"] == vm_id
    cli.run("unmanaged", "node1", "--adopt", vm_id)
    cli.run("delete", "planned")


def test_a_host_that_is_not_up_is_not_said_to_be_known():
    """The node that answers at its address may be another host's, so it means nothing that the server knows that node's VMs."""
    host = {"id": "6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55", "name": "copy", "status": "down",
            "status_reason": "this node is host node1"}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps([] if self.path.endswith("/unmanaged") else [host]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        cli = Cli(f"http://127.0.0.1:{server.server_port}")
        told = cli.run("unmanaged", "copy").stderr
        host.update(status="up", status_reason=None)
        known = cli.run("unmanaged", "copy").stderr
        server.shutdown()
        thread.join()
    assert "knows every VM" not in told and "copy is down: this node is host node1" in told and "next: qarax hosts" in told
    assert known == "the server knows every VM of copy\n"


def test_the_servers_no_is_told_in_full(simulated):
    cli = Cli(simulated.server.base)
    missing = cli.run("pause", "nobody", expect=REFUSED)
    assert missing.stdout == "" and "nobody" in missing.stderr and "next: qarax list" in missing.stderr
    cli.run("show", "6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55", expect=REFUSED)
    cli.run("create", "taken")
    taken = cli.run("launch", "taken", expect=REFUSED)
    assert "taken" in taken.stderr and "hint: " in taken.stderr and "next: qarax show taken" in taken.stderr
    wrong = cli.run("pause", "taken", expect=REFUSED)
    assert "created" in wrong.stderr and "next: qarax why taken" in wrong.stderr
    small = cli.run("create", "small", "--memory", "1K", expect=REFUSED)
    assert "/memory_size" in small.stderr
    # If no host accepts the start, the VM stays. The message says so, and names each host's reason.
    unfit = cli.run("launch", "unfit", "--hypervisor", "nonesuch", expect=REFUSED)
    assert "nonesuch" in unfit.stderr
    for vm in cli.run("list", "--names").stdout.split():
        cli.run("delete", vm)


def test_the_deadline_is_exit_code_4_and_the_job_goes_on(simulated):
    cli = Cli(simulated.server.base)
    cli.run("create", "slow", "--config", '{"start_delay_ms": 1500}')
    late = cli.run("--wait", "0.3", "start", "slow", expect=TIMED_OUT)
    assert "may still be done" in late.stderr and "next: qarax why slow" in late.stderr
    simulated.wait_state(simulated.api.vms()[-1]["id"], "running")
    cli.run("force-stop", "slow")
    left = cli.run("--wait", "0", "start", "slow")
    assert "start is under way" in left.stdout and "job " in left.stderr
    simulated.wait_state(simulated.api.vms()[-1]["id"], "running")
    cli.run("delete", "slow")


def test_wait_goes_beyond_the_servers_own_limit():
    made = Stack(server_settings={"limits": {"action_wait": "1s"}, "vm": {"stop_timeout": "500ms"}})
    try:
        made.add_node(plugins=[made.simulator_plugin()], boot={})
        cli = Cli(made.server.base)
        cli.run("create", "slow", "--config", '{"start_delay_ms": 3000}')
        assert cli.run("start", "slow").stdout == "slow is running\n"
        cli.run("force-stop", "slow")
        late = cli.run("--wait", "1.5", "start", "slow", expect=TIMED_OUT)
        assert re.search(r"job: +[0-9a-f-]{36}", late.stderr)
        # The job's result counts then, whatever the VM's state shows.
        cli.run("create", "never", "--config", '{"start_delay_ms": 2000, "failure_percent": 100}')
        failed = cli.run("start", "never", expect=REFUSED)
        assert "simulated failure of a start" in failed.stderr and re.search(r"job: +[0-9a-f-]{36}", failed.stderr)
        cli.run("create", "kept", "--config", '{"action_delay_ms": 3000}')
        cli.run("start", "kept")
        assert cli.run("snapshot", "kept", "--name", "first").stdout.startswith("snapshot first of kept is ready")
        taking = cli.popen("snapshot", "kept", "--name", "second")
        kept = made.api.vms()[-1]["id"]
        given_up = 'code="504",method="POST",route="/vms/{id}/snapshots"} 2'
        wait_for("the server's limit has passed", lambda: given_up in made.api.call("GET", "/metrics").text)
        made.api.act(kept, "force-stop")
        out, err = taking.communicate(timeout=60)
        assert taking.returncode == REFUSED and out == b"" and b"superseded" in err, (out, err)
    finally:
        left = made.close()
    assert not left


def test_unreachable_server_is_exit_code_3(simulated):
    gone = f"http://127.0.0.1:{free_port()}"
    result = Cli(gone).run("list", expect=UNREACHABLE)
    assert gone in result.stderr and "refused" in result.stderr and "QARAX_URL" in result.stderr
    assert result.stdout == ""
    assert Cli("http://no-such-host.invalid:1").run("hosts", expect=UNREACHABLE).stderr
    assert Cli(simulated.server.base).run("--server", gone, "list", expect=UNREACHABLE), "the option wins over the environment"
    # The command's own version is known without a server.
    version = Cli(gone).run("version", expect=UNREACHABLE)
    assert version.stdout.startswith("qarax ")
    assert "qarax-server" in Cli(simulated.server.base).run("version").stdout


def test_somebody_else_at_that_address_is_not_our_server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")

        thread = threading.Thread(target=answer)
        thread.start()
        result = Cli(f"http://127.0.0.1:{listener.getsockname()[1]}").run("list", expect=UNREACHABLE)
        thread.join()
    assert "not in the form of a qarax server" in result.stderr


def test_a_line_that_breaks_leaves_it_open_whether_it_was_done(simulated):
    cli = Cli(simulated.server.base)
    cli.run("create", "torn", "--config", '{"start_delay_ms": 3000}')
    starting = cli.popen("start", "torn")
    wait_for("the job", lambda: cli.json("jobs", "torn", "--state", "running"))
    simulated.server.kill()
    out, err = starting.communicate(timeout=30)
    simulated.server.start()
    wait_for("the server again", lambda: simulated.api.vms())
    simulated.wait_state(simulated.api.vms()[-1]["id"], "running")
    cli.run("delete", "torn")
    assert starting.returncode == UNREACHABLE and out == b"", (out, err)
    assert b"broke off" in err and b"may be done, or still be done" in err and b"next: qarax why torn" in err, err


def test_wrong_usage_is_exit_code_2():
    cli = Cli("http://127.0.0.1:1")
    for words in ([], ["lunch", "web"], ["start"], ["start", "a", "b"], ["launch", "web", "--memory", "12Q"], ["list", "-o", "yaml"],
                  ["console", "web", "--follow", "--tail", "3"], ["--server", "localhost:8000", "list"]):
        result = cli.run(*words, expect=USAGE)
        assert result.stderr.startswith("qarax: ") and result.stdout == "", words
    for key in ("]", "^m", "F1"):
        assert "--detach-key" in cli.run("console", "web", "--detach-key", key, expect=USAGE).stderr
    assert "goes to the guest, every key but the detach key" in " ".join(cli.run("console", "--help").stdout.split())


def certificate(folder, name: str, alternative: str):
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
                    "/CN=localhost", "-addext", f"subjectAltName={alternative}", "-keyout", str(key), "-out", str(cert)],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    return key, cert


def test_a_token_is_not_shown_to_the_network():
    for command in (("list",), ("console", "web")):
        told = Cli("http://192.0.2.1:8000", QARAX_TOKEN="s3cret-of-the-test").run(*command, expect=USAGE)
        assert "https://" in told.stderr and "s3cret" not in told.stderr


def test_token_and_tls(tmp_path):
    key, cert = certificate(tmp_path, "server", "DNS:localhost")
    digest = subprocess.run([str(paths.program("qarax-server")), "--hash-token"], input="s3cret-of-the-test\n", capture_output=True, text=True, check=True)
    server = Server(tmp_path, {})
    server.config_path.write_text(json.dumps({
        "listen": {"address": "127.0.0.1", "port": server.port, "tls": {"cert": str(cert), "key": str(key)},
                   "token_sha256": digest.stdout.strip()},
        "data_dir": str(server.data)}))
    server.start()
    try:
        wait_for("the server listens", lambda: "listening on" in server.log() and server.process.poll() is None)
        url = f"https://localhost:{server.port}"
        assert Cli(url, QARAX_TOKEN="s3cret-of-the-test", QARAX_CA_FILE=str(cert)).json("list") == []
        assert Cli(url, QARAX_TOKEN="s3cret-of-the-test\r\n", QARAX_CA_FILE=str(cert)).json("list") == [], "as a file has it"
        torn = Cli(url, QARAX_TOKEN="s3cret-of-the-test\r\nX-Other: header", QARAX_CA_FILE=str(cert)).run("list", expect=USAGE)
        assert "control character" in torn.stderr and "s3cret" not in torn.stderr
        denied = Cli(url, QARAX_CA_FILE=str(cert)).run("list", expect=REFUSED)
        assert "QARAX_TOKEN" in denied.stderr
        # A server whose certificate isn't trusted gets no token.
        untrusted = Cli(url, QARAX_TOKEN="s3cret-of-the-test").run("list", expect=UNREACHABLE)
        assert "--ca-file" in untrusted.stderr and "s3cret" not in untrusted.stderr
        # Neither does one whose certificate is for another name, also on this machine.
        by_address = Cli(f"https://127.0.0.1:{server.port}", QARAX_TOKEN="s3cret-of-the-test", QARAX_CA_FILE=str(cert)).run("list", expect=UNREACHABLE)
        assert "s3cret" not in by_address.stderr
        # The system's authorities are trusted only if no CA file is given.
        assert Cli(url, QARAX_TOKEN="s3cret-of-the-test", SSL_CERT_FILE=str(cert)).json("list") == []
        key2, cert2 = certificate(tmp_path, "other", "IP:127.0.0.1")
        Cli(url, QARAX_TOKEN="s3cret-of-the-test", SSL_CERT_FILE=str(cert), QARAX_CA_FILE=str(cert2)).run("list", expect=UNREACHABLE)
        server.stop()
        cert.write_bytes(cert2.read_bytes())
        key.write_bytes(key2.read_bytes())
        server.start()
        wait_for("the server listens again", lambda: server.log().count("listening on") == 2 and server.process.poll() is None)
        assert Cli(f"https://127.0.0.1:{server.port}", QARAX_TOKEN="s3cret-of-the-test", QARAX_CA_FILE=str(cert2)).json("list") == []
    finally:
        server.stop()


def test_an_answer_over_tls_is_waited_for_once(tmp_path):
    """Poco waits for it in recv() and then, as long again, in poll(). A descriptor that doesn't block leaves the poll() alone."""
    key, cert = certificate(tmp_path, "server", "DNS:localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        cli = Cli(f"https://localhost:{listener.getsockname()[1]}", QARAX_CA_FILE=str(cert)).popen("--wait", "600", "list")

        def blocks() -> list:
            """Of each of its sockets."""
            out = []
            for fd in os.listdir(f"/proc/{cli.pid}/fd"):
                if os.readlink(f"/proc/{cli.pid}/fd/{fd}").startswith("socket:"):
                    with open(f"/proc/{cli.pid}/fdinfo/{fd}", encoding="ascii") as info:
                        flags = next(line for line in info if line.startswith("flags:"))
                    out.append(not int(flags.split()[1], 8) & os.O_NONBLOCK)
            return out

        try:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                assert connection.recv(65536).startswith(b"GET /")
                wait_for("it waits in poll() alone", lambda: blocks() == [False])
        finally:
            cli.kill()
            cli.communicate()


def test_bash_completes_commands_and_names(simulated, tmp_path):
    cli = Cli(simulated.server.base)
    for name in ("alpha", "alpine", "beta"):
        cli.run("create", name)
    script = tmp_path / "completion.bash"
    script.write_text(cli.run("completion", "bash").stdout)
    ask = tmp_path / "ask.bash"
    ask.write_text('source "$1"\nCOMP_LINE=$2 COMP_POINT=${#2}\n_qarax\nprintf "%s\\n" "${COMPREPLY[@]}"\n')

    def complete(line: str, url: str = simulated.server.base) -> list:
        line = line.replace("qarax", str(paths.program("qarax")), 1)
        result = subprocess.run(["bash", "--norc", str(ask), str(script), line], capture_output=True, text=True, timeout=30, env=environment(QARAX_URL=url))
        assert result.stderr == ""
        return result.stdout.split()

    try:
        assert complete("qarax pa") == ["pause"]
        assert {"launch", "why", "plugins"} <= set(complete("qarax "))
        assert complete("qarax start al") == ["alpha", "alpine"]
        assert complete("qarax start ") == ["alpha", "alpine", "beta"]
        assert complete("qarax -o json delete b") == ["beta"]
        assert complete("qarax delete --f") == ["--forget"]
        assert complete("qarax list -o ") == ["table", "json"]
        assert complete("qarax plugins n") == complete("qarax init-host n") == ["node1"]
        assert complete("qarax restore al") == ["alpha", "alpine"]
        cli.run("start", "alpha")
        cli.run("snapshot", "alpha", "--name", "before")
        assert complete("qarax restore alpha ") == ["before"]
        gone = f"http://127.0.0.1:{free_port()}"
        assert complete("qarax start ", gone) == [], "no server: nothing, and no noise"
        assert complete(f"qarax --server {simulated.server.base} start be", gone) == ["beta"], "the server of the line is asked"
    finally:
        for name in ("alpha", "alpine", "beta"):
            cli.run("delete", name)


def test_size_and_snapshots(simulated):
    cli = Cli(simulated.server.base)
    vm_id = simulated.api.create("sized", hypervisor="simulator", max_vcpus=2)
    try:
        assert "qarax start sized" in cli.run("resize", "sized", "--memory", "192M").stderr, "from its next start on"
        assert "running or paused" in cli.run("snapshot", "sized", expect=REFUSED).stderr
        cli.run("start", "sized")
        assert cli.run("resize", "sized", "--vcpus", "2").stdout == "sized has 2 vCPUs and 192M of memory\n"
        assert "next: qarax snapshot sized" in cli.run("snapshots", "sized").stderr
        taken = cli.run("snapshot", "sized", "--name", "before")
        assert taken.stdout.startswith("snapshot before of sized is ready") and "qarax restore sized before" in taken.stderr
        assert cli.json("snapshot", "sized")["name"] == "snapshot-1"
        assert [row["NAME"] for row in rows(cli.run("snapshots", "sized").stdout)] == ["before", "snapshot-1"]
        assert "Stop it first" in cli.run("restore", "sized", "before", expect=REFUSED).stderr
        cli.run("stop", "sized")
        assert cli.run("restore", "sized", "before").stdout == "sized is running\n"
        assert simulated.api.vm(vm_id)["incarnation"] == 2
        assert "next: qarax snapshots sized" in cli.run("restore", "sized", "after", expect=REFUSED).stderr
        assert cli.run("delete-snapshot", "sized", "before").stdout == "snapshot before is deleted\n"
        assert cli.run("snapshots", "sized", "--names").stdout == "snapshot-1\n"
    finally:
        cli.run("delete", "sized")


def test_a_vm_that_is_started_again(simulated):
    cli = Cli(simulated.server.base)
    try:
        cli.run("create", "lasting", "--restart", "on-failure", "--restart-limit", "2")
        shown = cli.json("show", "lasting")
        assert shown["restart_policy"] == "on-failure" and shown["restart_limit"] == 2
        cli.run("start", "lasting")
        cli.run("set", "lasting", "--restart", "never")
        assert re.search(r"^restart: +never$", cli.run("show", "lasting").stdout, re.M)
    finally:
        cli.run("delete", "lasting")


def test_what_a_vm_can_grow_to(simulated):
    cli = Cli(simulated.server.base)
    try:
        cli.run("create", "grows", "--vcpus", "1", "--max-vcpus", "4", "--memory", "128M", "--memory-hotplug", "128M")
        shown = cli.json("show", "grows")
        assert shown["boot_vcpus"] == 1 and shown["max_vcpus"] == 4 and shown["memory_hotplug_size"] == 128 << 20
        assert re.search(r"^max vcpus: +4$", cli.run("show", "grows").stdout, re.M)
        cli.run("start", "grows")
        assert cli.run("resize", "grows", "--vcpus", "2", "--memory", "192M").stdout == "grows has 2 vCPUs and 192M of memory\n"
        assert "qarax stop grows, then qarax set grows --max-vcpus" in cli.run("resize", "grows", "--vcpus", "5", expect=REFUSED).stderr
        assert "--memory-hotplug SIZE" in cli.run("resize", "grows", "--memory", "1G", expect=REFUSED).stderr
        cli.run("stop", "grows")
        # The vCPU limit is a separate value: fewer vCPUs don't lower it, and more vCPUs than it raise it.
        cli.run("set", "grows", "--vcpus", "1", "--memory-hotplug", "none")
        shown = cli.json("show", "grows")
        assert shown["max_vcpus"] == 4 and shown["memory_hotplug_size"] is None
        assert "qarax set grows --vcpus 6" in cli.run("resize", "grows", "--vcpus", "6", expect=REFUSED).stderr
        cli.run("set", "grows", "--vcpus", "6")
        assert cli.json("show", "grows")["max_vcpus"] == 6
    finally:
        cli.run("delete", "grows")


def test_a_reader_that_leaves_ends_it_quietly(simulated):
    cli = Cli(simulated.server.base)
    process = cli.popen("hosts")
    process.stdout.close()
    assert process.wait(timeout=15) in (DONE, REFUSED), "not by a signal"
    assert process.stderr.read() == b""
    process.stderr.close()


def test_output_that_is_lost_is_a_failure(simulated):
    cli = Cli(simulated.server.base)

    def into_a_full_disk(*args: str) -> subprocess.CompletedProcess:
        with open("/dev/full", "wb") as full:
            return subprocess.run([str(paths.program("qarax")), *args], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=60, env=cli.env)

    cli.run("create", "seen", "--hypervisor", "simulator")
    for words in (("list", "-o", "json"), ("hosts",), ("version",), ("events", "--follow", "--after", "oldest"), ("--help",)):
        lost = into_a_full_disk(*words)
        assert lost.returncode == REFUSED and "No space left on device" in lost.stderr, (words, lost)
    # What was wrong before that has the word.
    gone = f"http://127.0.0.1:{free_port()}"
    assert into_a_full_disk("--server", gone, "version").returncode == UNREACHABLE
    cli.run("delete", "seen")


def test_set_and_tags(simulated):
    cli = Cli(simulated.server.base)
    cli.run("create", "tagged", "--hypervisor", "simulator", "--tag", "prod", "--tag", "tier=web")
    cli.run("create", "plain", "--hypervisor", "simulator")
    assert cli.run("list", "--tag", "prod", "--names").stdout == "tagged\n"
    assert cli.run("set", "tagged", "--memory", "256M", "--description", "words", "--name", "front").stdout == "front is changed\n"
    shown = cli.json("show", "front")
    assert shown["memory_size"] == 256 * 1024 * 1024 and shown["tags"] == ["prod", "tier=web"]
    cli.run("start", "front")
    refused = cli.run("set", "front", "--vcpus", "2", expect=REFUSED)
    assert "boot_vcpus" in refused.stderr and "next: qarax why front" in refused.stderr
    cli.run("set", "front", "--no-tags")
    assert cli.json("show", "front")["tags"] == []
    cli.run("set", "front", expect=USAGE)
    for name in ("front", "plain"):
        cli.run("delete", name)


def test_an_id_that_is_another_ones_name_is_nobodys(simulated):
    cli = Cli(simulated.server.base)
    first = cli.json("create", "first", "--hypervisor", "simulator")["id"]
    second = cli.json("create", first, "--hypervisor", "simulator")["id"]
    refused = cli.run("delete", first, expect=REFUSED)
    assert f"say first or {second}" in refused.stderr, refused.stderr
    assert len(simulated.api.vms()) == 2
    cli.run("delete", second)
    cli.run("delete", first)
    assert not simulated.api.vms()
