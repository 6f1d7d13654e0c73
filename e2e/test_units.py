"""The systemd units: the settings that keep guests alive, and that systemd understands them."""

import configparser
import shutil
import subprocess

import pytest

from framework import paths

UNITS = paths.ROOT / "config" / "systemd"
NAMES = sorted(file.name for file in UNITS.glob("*.service"))


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None, strict=False)
    read.optionxform = str
    read.read(UNITS / name)
    return read


def test_the_agents_end_is_no_guests_end():
    service = unit("qarax-node.service")["Service"]
    # With systemd's default each stop and restart would kill the whole cgroup, and so all VMs.
    assert service["KillMode"] == "process"
    # Otherwise systemd may change the cgroups below the unit's.
    assert service["Delegate"] == "yes"
    # Otherwise a VMM that the kernel's OOM killer ends would stop the agent.
    assert service["OOMPolicy"] == "continue"
    # Supervisors and VMMs live in this unit's cgroup, see core/decisions/0010.
    limits = ("Memory", "CPUQuota", "CPUWeight", "AllowedCPUs", "IO", "RuntimeMaxSec", "PrivateTmp", "PrivateDevices", "ProtectSystem", "SystemCallFilter",
              "MemoryDenyWriteExecute", "DynamicUser", "User")
    assert [key for key in service if key.startswith(limits)] == [], "it would hold for every guest as well"
    assert service["TasksMax"] == "infinity"


def test_guests_are_stopped_by_the_hosts_shutdown_only():
    guests = unit("qarax-guests.service")
    assert guests["Unit"]["After"] == "qarax-node.service" and "stop-guests" in guests["Service"]["ExecStop"]
    assert not {"Requires", "BindsTo", "PartOf", "Wants"} & set(guests["Unit"])
    # `systemctl stop` or `restart` of it would power off every guest although the host stays up.
    assert guests["Unit"]["RefuseManualStop"] == "yes"


def test_the_agent_and_who_tells_it_of_the_shutdown_read_the_same_configuration():
    agent, guests = unit("qarax-node.service")["Service"], unit("qarax-guests.service")["Service"]
    assert guests["ExecStop"].startswith(agent["ExecStart"] + " stop-guests")
    assert agent["EnvironmentFile"] == guests["EnvironmentFile"] == "-/etc/qarax/node.env"
    assert "Environment" not in agent, "the other unit wouldn't have it"


def test_the_server_can_be_let_in_to_the_nodes_socket():
    group = unit("qarax-server.service")["Service"]["SupplementaryGroups"]
    assert f"g {group} -" in (UNITS / "qarax.conf").read_text().splitlines()
    assert unit("qarax-node.service")["Service"]["RuntimeDirectory"] == "qarax"
    shipped = (UNITS.parent / "node.yaml").read_text()
    assert "# unix_socket_group:" in shipped and "/run/qarax/node.sock" in shipped


@pytest.mark.parametrize("name", ["qarax-node.service", "qarax-server.service"])
def test_trouble_of_a_moment_ends_none_for_good(name):
    read = unit(name)
    assert read["Unit"]["StartLimitIntervalSec"] == "0", "systemd's own limit is five starts in ten seconds"
    assert read["Service"]["Restart"] == "on-failure"
    assert read["Service"]["RestartPreventExitStatus"] == "2", "a wrong configuration is wrong at each start"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_understands_them(tmp_path):
    """Warnings count, too, because systemd ignores values that it doesn't know: KillMode=proces means KillMode=control-group."""
    for name in NAMES:
        text = (UNITS / name).read_text()
        assert "/usr/bin/qarax-" in text
        # The programs aren't installed here.
        (tmp_path / name).write_text(text.replace("/usr/bin/qarax-", "/bin/true qarax-"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in NAMES)], capture_output=True, text=True, timeout=60, check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "qarax" in line]
    assert done.returncode == 0 and ours == [], ours
