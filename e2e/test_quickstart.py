"""scripts/quickstart.sh: --stop ends what --keep left running, and nothing else.

The script runs in a separate tree with the scripts of this one and the build and guest under test. Stand-ins for installing
and compiling do nothing. It uses free ports, because a quickstart of the machine's user may be running."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from framework import paths
from framework.api import Api
from framework.stack import free_port, wait_for

pytestmark = pytest.mark.guest


class Quickstart:
    def __init__(self, root: pathlib.Path):
        self.dir = root / "kept"
        shutil.copytree(paths.ROOT / "scripts", root / "scripts")
        (root / "build" / "release").mkdir(parents=True)
        # A copy of the programs, so that a test can replace them.
        shutil.copytree(paths.BUILD / "bin", root / "build" / "release" / "bin")
        (root / "build" / "release" / "plugins").symlink_to((paths.BUILD / "plugins").resolve())
        (root / "build" / "guest").symlink_to(paths.guest_dir().resolve())
        for nothing in ("scripts/install-deps.sh", "e2e/guest/build.sh", "bin/cmake"):
            (root / nothing).parent.mkdir(parents=True, exist_ok=True)
            (root / nothing).write_text("#!/bin/sh\n")
            (root / nothing).chmod(0o755)
        self.script = root / "scripts" / "quickstart.sh"
        self.port = free_port()
        # Where the tests run on a relative of Debian, the scripts have to be told so.
        env = {k: v for k, v in os.environ.items() if not k.startswith("QARAX_") or k == "QARAX_ANY_DEBIAN"}
        self.env = {**env, "PATH": f"{root / 'bin'}:{env['PATH']}", "QARAX_PORT": str(self.port),
                    "QARAX_NODE_PORT": str(free_port()), "QARAX_QUICKSTART": str(self.dir)}

    def run(self, *arguments: str, expected: int = 0, **env: str | None) -> str:
        """Returns the output. `env` is added to the environment; None removes a variable."""
        env = {k: v for k, v in (self.env | env).items() if v is not None}
        done = subprocess.run([str(self.script), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=180, env=env)
        assert done.returncode == expected, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def processes(self) -> dict[int, str]:
        """pid → program of all processes that name this folder: server, node, supervisors, VMMs."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                argv = entry.read_bytes()
            except OSError:
                continue
            if f"{self.dir}/".encode() in argv:
                found[int(entry.parent.name)] = pathlib.Path(os.fsdecode(argv.split(b"\0")[0])).name
        return found

    def kill(self, *names: str) -> None:
        for pid, name in self.processes().items():
            if name in names:
                os.kill(pid, signal.SIGKILL)
        wait_for(f"{names} killed", lambda: not set(names) & set(self.processes().values()))

    def stub(self, name: str, lines: str) -> None:
        """Makes a program that is found before all others of that name."""
        path = self.script.parents[1] / "bin" / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)

    def disturb_cli(self, lines: str) -> None:
        """Runs these shell lines before each call of the command `qarax`, whose arguments are "$*"."""
        cli = self.script.parents[1] / "build" / "release" / "bin" / "qarax"
        cli.rename(cli.with_name("real-qarax"))
        cli.write_text(f'#!/bin/sh\n{lines}\nexec {cli.with_name("real-qarax")} "$@"\n')
        cli.chmod(0o755)

    def vm(self) -> dict:
        [vm] = Api(f"http://127.0.0.1:{self.port}").vms()
        return vm


@pytest.fixture
def quickstart(tmp_path):
    made = Quickstart(tmp_path)
    yield made
    left = made.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"left behind: {left}"


def test_a_whole_life(quickstart):
    """What a new user sees first: the state after each command and the guest's output; at the end nothing is left."""
    said = quickstart.run()
    states = [rf"hello-\d+ is {state}" for state in ("created", "running", "paused", "running", "shutdown", "deleted")]
    assert re.search("(?s)" + ".*".join(states), said), said
    assert re.search(r"\| qarax uptime \d+\.\d\d line \d+", said) and re.search(r"resumed: the guest counts on: qarax uptime \d+\.\d\d line", said), said
    assert re.search(r"host up, accelerator (kvm|tcg): \w+", said), said
    paused = re.search(r"paused for 2 s: (\d+) new lines", said)
    assert paused and int(paused[1]) <= 1, "one may have been on its way"
    assert "done; logs are in" in said
    assert not quickstart.processes()


@pytest.mark.parametrize("which", ["QARAX_PORT", "QARAX_NODE_PORT"])
def test_a_port_in_use_is_said_before_anything_is_done(quickstart, which):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = quickstart.run(expected=1, **{which: str(port)})
    assert f"port {port} is in use" in said and "way out: " in said
    assert not quickstart.dir.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a folder of somebody else's is root's to make")
def test_a_tree_of_somebody_else_is_said_before_it_is_built(quickstart):
    os.chown(quickstart.script.parents[1], 1000, 1000)
    said = quickstart.run(expected=1)
    assert f"{quickstart.script.parents[1]} belongs to user 1000 and this is user 0" in said and "way out: run it as user 1000" in said
    assert not quickstart.dir.exists()


@pytest.mark.parametrize("path", ["", "build", "build/release", "build/release/plugins", "build/release/plugins/one.so"])
def test_a_tree_that_others_can_write_to_is_said_before_it_is_built(quickstart, path):
    root = quickstart.script.parents[1]
    plugins = root / "build" / "release" / "plugins"
    plugins.unlink()  # it leads to the build under test
    plugins.mkdir(mode=0o755)
    (plugins / "one.so").touch(mode=0o644)
    (root / path).chmod(0o777)
    said = quickstart.run(expected=1)
    assert f"{root / path} can be written by others (mode 777)" in said and f"way out: chmod -R go-w {root}\n" in said, said
    assert not quickstart.dir.exists()


def test_a_folder_above_the_tree_is_not_changed_as_a_whole(tmp_path):
    quickstart = Quickstart(tmp_path / "tree")
    tmp_path.chmod(0o777)
    said = quickstart.run(expected=1)
    assert f"{tmp_path} can be written by others (mode 777)" in said and f"way out: chmod go-w {tmp_path}, or" in said, said


@pytest.mark.parametrize("tool, step, log, why", [
    ("cmake", "build", "quickstart-build.log", '"configure_and_build" ended with 1'),
    ("guest", "make the guest", "quickstart-guest.log", 'build.sh {root}/build/guest" ended with 1'),
])
def test_a_step_that_fails_says_which_why_and_where_its_log_is(quickstart, tool, step, log, why):
    root = quickstart.script.parents[1]
    saying = 'echo "CMake Error: no compiler of use" >&2; exit 1'
    if tool == "cmake":
        quickstart.stub("cmake", saying)
    else:
        (root / "e2e/guest/build.sh").write_text(f"#!/bin/sh\n{saying}\n")
    said = quickstart.run(expected=1)
    failed = re.search(r'(?s)\n\[ *\d+\.\d s\] FAILED at "([^\n]*)": ([^\n]*)\n  log: ([^\n]*)\n', said)
    assert failed, said
    assert failed[1].startswith(step) and why.format(root=root) in failed[2] and failed[3] == str(root / "build" / log), failed.groups()
    assert "  | CMake Error: no compiler of use\n" in said, "the end of the log, too"
    assert "no compiler of use" in (root / "build" / log).read_text()
    assert not quickstart.dir.exists() and not quickstart.processes()


def test_stop_ends_what_keep_left(quickstart, stack):
    """`stack` belongs to somebody else: the same programs, in another folder, with a VM."""
    other = stack.api.create("other")
    stack.api.act(other, "start")
    assert "nothing of it runs" in quickstart.run("--stop")
    said = quickstart.run("--keep")
    vm = quickstart.vm()
    assert vm["status"] == "running"
    # It prints what to do next, by the command and by curl, and how long it took.
    base = f"http://127.0.0.1:{quickstart.port}"
    url = f"{base}/vms/{vm['id']}"
    for command, curl in (("list", f"{base}/vms"), (f"why {vm['name']}", url), (f"console {vm['name']} --follow", f"{url}/console"),
                          (f"pause {vm['name']}", f"-X POST {url}/pause"), (f"resume {vm['name']}", f"-X POST {url}/resume"),
                          ("hosts", f"{base}/hosts")):
        assert re.search(rf"(?m)^  qarax {re.escape(command)} +curl {re.escape(curl)}$", said), f"{command} isn't in:\n{said}"
    assert re.search(r"(?m)^\[ *\d+\.\d s\] done; data and logs are in ", said), said
    # It also prints the requests that it has made itself so far.
    assert f"= curl {base}/vms -H 'Content-Type: application/json' -d '{{\"name\":\"{vm['name']}\"" in said
    assert f"= curl -X POST {url}/start\n" in said
    assert {"qarax-server", "qarax-node", "qarax-supervisor"} < set(quickstart.processes().values()), "and the VMM"

    assert "ended" in quickstart.run("--stop")
    assert not quickstart.processes()
    assert stack.api.vm(other)["status"] == "running" and other in stack.nodes[0].vmm_pids()
    assert "nothing of it runs" in quickstart.run("--stop")


def test_keep_that_fails_leaves_nothing(quickstart):
    quickstart.disturb_cli('case "$*" in *" --tail 4") echo no console >&2; exit 3;; esac')
    said = quickstart.run("--keep", expected=1)
    assert "no console" in said and "FAILED" in said and "ending server and node" in said
    assert not quickstart.processes(), "the guest that ran already as well"


def test_waiting_shows(quickstart, tmp_path):
    quickstart.disturb_cli(f'''case "$*" in *" hosts -o json")
  [ -e {tmp_path}/first ] || date +%s >{tmp_path}/first
  [ $(date +%s) -gt $(($(cat {tmp_path}/first) + 6)) ] || exit 0
esac''')
    assert "waiting for the host to be up, 5 s of at most 30" in quickstart.run("--keep")
    assert "ended" in quickstart.run("--stop")


def test_the_environment_of_other_programs_is_not_ours(quickstart, tmp_path):
    other = tmp_path / "other"
    theirs = {"DATABASE_URL": f"sqlite://{other}/qarax.db", "QARAX_NODE_HOST": "192.0.2.1", "QARAX_SERVER_DATA_DIR": str(other),
              "QARAX_SERVER_LISTEN_PORT": "1", "QARAX_NODE_DATA_DIR": str(other), "QARAX_NODE_LISTEN_PORT": "1"}
    quickstart.run("--keep", **theirs)
    assert quickstart.vm()["status"] == "running"
    assert "ended" in quickstart.run("--stop", **theirs)
    assert not other.exists()


def test_stop_needs_no_ports(quickstart, stack):
    """Here the ports belong to somebody else, whose VM must not be affected."""
    other = stack.api.create("other", hypervisor="simulator")
    assert f"QARAX_QUICKSTART={quickstart.dir} scripts/quickstart.sh --stop\n" in quickstart.run("--keep")
    assert "ended" in quickstart.run("--stop", QARAX_PORT=str(stack.server.port), QARAX_NODE_PORT=None)
    assert not quickstart.processes()
    assert stack.api.vm(other)["name"] == "other"


def test_stop_deletes_nothing_of_another_server_on_its_port(quickstart, stack):
    other = stack.api.create("other", hypervisor="simulator")
    quickstart.run("--keep")
    quickstart.kill("qarax-server", "qarax-node")
    config = quickstart.dir / "server.yaml"
    ours = config.read_text()
    config.write_text(ours.replace(str(quickstart.port), str(stack.server.port)))
    assert "not everything ended" in quickstart.run("--stop", expected=1)
    assert "qarax-supervisor" in quickstart.processes().values()
    assert stack.api.vm(other)["name"] == "other"
    config.write_text(ours)
    assert "ended" in quickstart.run("--stop")


def test_stop_ends_programs_that_were_built_anew_since(quickstart):
    quickstart.run("--keep")
    for program in (quickstart.script.parents[1] / "build" / "release" / "bin").iterdir():
        made = program.with_name("made")
        shutil.copy2(program, made)
        made.rename(program)
    assert all(" (deleted)" in os.readlink(f"/proc/{pid}/exe") for pid, name in quickstart.processes().items() if name.startswith("qarax-"))
    assert "ended" in quickstart.run("--stop")
    assert not quickstart.processes()


def test_stop_ends_vms_whose_node_is_gone(quickstart):
    quickstart.run("--keep")
    quickstart.kill("qarax-server", "qarax-node")
    assert quickstart.processes(), "its guest runs on"
    assert "ended" in quickstart.run("--stop")
    assert not quickstart.processes()


def test_another_system_is_refused_at_once(quickstart):
    quickstart.stub("uname", 'case "$1" in -s) echo Darwin;; *) echo arm64;; esac')
    said = quickstart.run(expected=1)
    assert "this is Darwin; qarax runs on Linux" in said and "way out: in a container" in said
    assert not (quickstart.dir / "server.yaml").exists()


def test_a_shell_that_is_too_old_is_refused_at_once(quickstart):
    """bash 3 isn't available here; dash lacks the required features as well."""
    done = subprocess.run(["dash", "-c", f". {quickstart.script.parent}/lib/common.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "the scripts need bash 5" in done.stderr and "way out: in a container" in done.stderr


@pytest.mark.parametrize("script", ["quickstart.sh", "install-deps.sh"])
@pytest.mark.parametrize("system", ["aarch64", "alpine"])
def test_another_machine_is_told_the_way_out(quickstart, tmp_path, system, script):
    """This comes before any other complaint, here of a port in use, and before a command that only fails on such a system."""
    quickstart.stub("readlink", 'case "$1" in -m) echo "readlink: unrecognized option: m" >&2; exit 1;; esac; exec /usr/bin/readlink "$@"')
    here = [str(paths.ROOT / "scripts" / script)]
    if system == "aarch64":
        quickstart.stub("uname", 'case "$1" in -s) echo Linux;; *) echo aarch64;; esac')
        reason = "on aarch64; qarax builds on Debian 12 and 13, x86_64"
    else:
        (tmp_path / "os-release").write_text("ID=alpine\nVERSION_ID=3.22.1\n")
        here = ["unshare", "--map-root-user", "--mount", "sh", "-ec", f'mount --bind {tmp_path}/os-release /etc/os-release; exec "$0" "$@"', *here]
        if subprocess.run([*here[:3], "mount", "--bind", "/etc/os-release", "/etc/os-release"], capture_output=True, check=False).returncode != 0:
            pytest.skip("a mount namespace can't be made here")
        reason = "this is alpine 3.22.1 on x86_64; qarax builds on Debian 12 and 13, x86_64"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = {**quickstart.env, "QARAX_PORT": str(taken.getsockname()[1])}
        env.pop("QARAX_ANY_DEBIAN", None)
        done = subprocess.run(here, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == 1 and reason in done.stderr, done.stderr
    assert "way out: in a container, from this tree: docker run" in done.stderr and "quickstart.sh --keep; exec bash" in done.stderr
    assert f"QARAX_ANY_DEBIAN=1 {paths.ROOT}/scripts/{script}\n" in done.stderr


def test_help_and_stop_are_for_every_machine(quickstart):
    quickstart.stub("uname", 'case "$1" in -s) echo Linux;; *) echo aarch64;; esac')
    env = {name: value for name, value in quickstart.env.items() if name != "QARAX_ANY_DEBIAN"}
    for option, said in (("--help", "--keep"), ("--stop", "nothing")):
        done = subprocess.run([paths.ROOT / "scripts/quickstart.sh", option], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=env, check=False)
        assert "aarch64" not in done.stderr and said in done.stdout + done.stderr, done


# The user isn't root, and one package is missing, which apt-get installs when started by sudo.
NOT_ROOT = {
    "id": '[ "$1" = -u ] && echo 1000',
    "dpkg-query": 'shift 3; for p; do [ "$p" = ccache ] && [ ! -e "$HERE/brought" ] && echo "un  $p" || echo "ii  $p"; done',
    "apt-get": 'echo "$SUDO_SAID" >> "$HERE/apt"; case "$*" in *install*) touch "$HERE/brought";; esac',
}


def install_deps(quickstart, sudo: str) -> subprocess.CompletedProcess:
    for name, script in NOT_ROOT.items():
        quickstart.stub(name, script)
    quickstart.stub("sudo", sudo)
    quickstart.dir.mkdir()
    env = {**quickstart.env, "HERE": str(quickstart.dir)}
    return subprocess.run([str(paths.ROOT / "scripts" / "install-deps.sh")], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, check=False)


def test_who_isnt_root_installs_by_sudo(quickstart):
    done = install_deps(quickstart, '[ "$1" = -n ] && shift; [ "$1" = -- ] && shift; SUDO_SAID=yes exec "$@"')
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing: ccache" in done.stdout and "installed 1 packages" in done.stdout
    assert (quickstart.dir / "apt").read_text().split() == ["yes", "yes"], "the update and the install, each by sudo"


def test_a_sudo_that_wants_a_password_and_has_no_terminal_says_what_to_do(quickstart):
    done = install_deps(quickstart, "exit 1")
    assert done.returncode == 1 and "sudo wants a password and there is no terminal to ask on" in done.stderr
    assert "as root: apt-get install --no-install-recommends ccache" in done.stderr
    assert not (quickstart.dir / "apt").exists()


def test_the_versions_of_qemu_are_read_in_any_language(quickstart):
    """apt-cache speaks German here. qemu-utils has the version that QEMU will have, so neither is asked for by version."""
    for name, lines in {
        "id": "echo 0",
        "dpkg-query": """case "$3" in *Version*) echo "ii  1:7.2+dfsg-7"; exit;; esac
shift 3; for p; do [ "$p" = qemu-system-x86 ] && [ ! -e "$HERE/apt" ] && echo "un  $p" || echo "ii  $p"; done""",
        "apt-cache": """[ "$LC_ALL" = C ] && echo "  Candidate: 1:7.2+dfsg-7" || echo "  Installationskandidat: 1:7.2+dfsg-7" """,
        "apt-get": 'case "$*" in *install*) echo "$*" >>"$HERE/apt";; esac',
    }.items():
        quickstart.stub(name, lines)
    quickstart.dir.mkdir()
    env = {**quickstart.env, "HERE": str(quickstart.dir), "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"}
    done = subprocess.run([str(paths.ROOT / "scripts" / "install-deps.sh")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == 0 and "installed 1 packages" in done.stdout, done.stdout + done.stderr
    [install] = (quickstart.dir / "apt").read_text().splitlines()
    assert install.endswith(" install --no-install-recommends qemu-system-x86"), install
