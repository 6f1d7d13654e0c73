"""run_e2e_tests.sh itself: how it calls docker, what it keeps and what it prints. Docker, the stack and pytest are stand-ins
here; `scripts/test.sh compose` uses the real ones."""

import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

from framework import paths

STAND_INS = {
    # No registry, but all images exist. Version 2 of compose, a plugin of docker, only if COMPOSE_2 is set.
    "docker": 'echo "docker $*" >>"$CALLS"\ncase "$1:$COMPOSE_2" in pull: | pull:1 | compose:) exit 1;; inspect:*) echo true;; esac',
    "docker-compose": 'echo "compose $*" >>"$CALLS"',
    "curl": '''for url; do :; done
case "$url" in */hosts) echo '[{"status":"up","accelerator":"tcg","plugins":[{"name":"cloud_hv","healthy":false,"reason":"no program"}]}]';; esac''',
    "uv": '''echo "uv $*" >>"$CALLS"
echo "for $QARAX_COMPOSE" >>"$CALLS"
for one; do case "$one" in --junitxml=*) report=${one#*=};; esac; done
echo '<testsuites><testsuite><testcase name="test_a"/><testcase name="test_b"><skipped message="no disk"/></testcase></testsuite></testsuites>' >"$report"''',
}


class Script:
    def __init__(self, root: pathlib.Path):
        self.e2e = root / "e2e"
        self.calls = root / "calls"
        shutil.copytree(paths.ROOT / "scripts", root / "scripts")
        for folder in ("e2e", "bin"):
            (root / folder).mkdir()
        for file in ("run_e2e_tests.sh", "docker-compose.cloud-hypervisor.yml"):
            shutil.copy(paths.ROOT / "e2e" / file, self.e2e)
        self.override = self.e2e / "docker-compose.override.yml"
        programs = {root / "bin" / name: lines for name, lines in STAND_INS.items()}
        programs[root / "scripts" / "make-base-image.sh"] = 'echo "make-base-image $*" >>"$CALLS"'
        for path, lines in programs.items():
            path.write_text(f"#!/bin/sh\n{lines}\n")
            path.chmod(0o755)
        ours = ("QARAX_", "COMPOSE", "DOCKER", "CLOUD_HYPERVISOR", "KEEP", "REBUILD", "SKIP_BUILD")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(ours)} | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "CALLS": str(self.calls)}

    def end(self, **env: str) -> subprocess.CompletedProcess:
        self.calls.write_text("")
        return subprocess.run([str(self.e2e / "run_e2e_tests.sh")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=self.env | env,
                              check=False)

    def run(self, **env: str) -> str:
        done = self.end(**env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def called(self, what: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.startswith(what)]


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path)


def test_a_green_end_names_what_was_not_tried(script):
    said = script.run()
    assert "all passed" not in said
    assert "| test_b (no disk)" in said and "| Cloud Hypervisor (who asks for cloud_hv gets qemu: no program)" in said
    assert " run --frozen pytest " in script.called("uv ")[0]


def test_what_was_chosen_is_there_for_docker_compose_while_the_stack_is(script):
    script.run(KEEP="1", CLOUD_HYPERVISOR="/bin/true", CLOUD_HYPERVISOR_SECCOMP="log")
    node = yaml.safe_load(script.override.read_text())["services"]["qarax-node"]
    assert node["volumes"] == [f"{os.path.realpath('/bin/true')}:/usr/local/bin/cloud-hypervisor:ro"]
    assert yaml.safe_load(node["environment"]["QARAX_NODE_PLUGINS"])[0]["config"] == {"seccomp": "log"}
    script.run()
    assert not script.override.exists()


@pytest.mark.parametrize("host,mknod,made,said", [
    ("232 kvm\n", 'echo "$*" >"$3"', True, ""),
    ("231 snapshot\n", "exit 2", False, ""),  # no KVM there, and nothing to say
    ("232 kvm\n", 'echo "mknod: $3: Operation not permitted" >&2; exit 1', False, "may not use it: Operation not permitted\n"),
    ("232 kvm\n", 'ln -s /nowhere/kvm "$3"', False, "may not use it: No such file or directory\n"),  # it is made, and doesn't open
])
def test_the_nodes_container_makes_the_hosts_kvm(tmp_path, host, mknod, made, said):
    node = yaml.safe_load((paths.ROOT / "e2e/docker-compose.yml").read_text())["services"]["qarax-node"]
    assert node["device_cgroup_rules"] == ["c 10:232 rwm"] and "devices" not in node
    device = tmp_path / "kvm"
    (tmp_path / "misc").write_text(host)
    start = (paths.ROOT / "e2e/docker/node-start").read_text()
    for name, lines in {"start": start.replace("/dev/kvm", str(device)).replace("/proc/misc", str(tmp_path / "misc")),
                        "mknod": f"#!/bin/sh\n{mknod}\n", "qarax-node": '#!/bin/sh\necho "node $*"\n'}.items():
        (tmp_path / name).write_text(lines)
        (tmp_path / name).chmod(0o755)
    for _ in range(2):  # the second time as in a container that was given the device
        done = subprocess.run([tmp_path / "start"], capture_output=True, text=True, check=False, timeout=60,
                              env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert (done.returncode, done.stdout) == (0, "node --config /etc/qarax/node.yaml\n")
        assert done.stderr.endswith(said) and bool(done.stderr) == bool(said)
        assert os.path.lexists(device) == made
    if made:
        assert device.read_text() == f"-m 660 {device} c 10 232\n"


def test_somebodys_own_override_stays(script):
    script.override.write_text("services: {}\n")
    assert "isn't ours and stays" in script.run(KEEP="1", CLOUD_HYPERVISOR="/bin/true")
    script.run()
    assert script.override.read_text() == "services: {}\n"


def test_rebuild_makes_all_anew(script):
    script.run()
    assert not script.called("make-base-image") and "--no-cache" not in script.calls.read_text()
    script.run(REBUILD="1")
    assert script.called("make-base-image") == ["make-base-image --anew bookworm"]
    assert script.called("compose build") == ["compose build --no-cache postgres qarax-node", "compose build qarax"]
    script.run(REBUILD="1", DOCKER_BUILDKIT="1")
    assert script.called("compose build")[1] == "compose build --no-cache qarax"


def test_version_2_of_compose_is_taken_where_it_is(script):
    said = script.run(COMPOSE_2="1", REBUILD="1", KEEP="1")
    assert not script.called("compose ")
    did = [line.removeprefix("docker compose ") for line in script.called("docker compose ")]
    assert did[0] == "version" and "up -d --no-build" in did and "down --volumes --remove-orphans" in did
    # It builds with BuildKit, which doesn't share the node image's cache with the server's image: both are built without cache.
    assert [line for line in did if line.startswith("build")] == ["build --no-cache postgres qarax-node", "build --no-cache qarax"]
    assert "docker compose logs qarax-node" in said and "docker-compose" not in said
    assert script.called("for docker compose"), "the tests are told which to stop containers with"
    script.run()
    assert script.called("compose up") and script.called("for docker-compose")


def test_without_any_compose_it_says_what_to_install(script):
    (script.e2e.parent / "bin" / "docker-compose").unlink()
    # All of this machine's programs except its compose.
    others = script.e2e.parent / "others"
    others.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in pathlib.Path(folder).glob("*"):
            if program.name not in ("docker-compose", "docker") and not (others / program.name).exists():
                (others / program.name).symlink_to(program)
    failed = script.end(PATH=f"{script.e2e.parent / 'bin'}:{others}")
    assert failed.returncode == 1 and "neither 'docker compose' nor docker-compose is here" in failed.stderr
    assert "way out: apt-get install docker-compose" in failed.stderr


def test_a_base_image_that_failed_leaves_its_log(script, tmp_path):
    """It leaves nothing else, because that would take half a gigabyte."""
    shutil.copy(paths.ROOT / "scripts" / "make-base-image.sh", tmp_path / "scripts")
    for name, lines in {"id": "echo 0",
                        "debootstrap": 'mkdir -p "$3"; touch "$3/file"; echo "from $4: no such suite"; exit $BROKEN',
                        "docker": 'case $1 in import) cat >/dev/null;; image) [ "$3" = --format ] && echo 7;; esac'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "work").mkdir()

    def make(broken: int) -> subprocess.CompletedProcess:
        env = script.env | {"TMPDIR": str(tmp_path / "work"), "BROKEN": str(broken), "QARAX_DEBIAN_MIRROR": "http://mirror/debian"}
        return subprocess.run([str(tmp_path / "scripts" / "make-base-image.sh"), "trixie"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, env=env, check=False)

    failed = make(1)
    [log] = [file for file in (tmp_path / "work").rglob("*") if file.is_file()]
    assert failed.returncode == 1 and f"log: {log}" in failed.stderr
    assert log.read_text() == "from http://mirror/debian: no such suite\n"
    shutil.rmtree(log.parent)
    done = make(0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "work").iterdir()) == []
