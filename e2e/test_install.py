"""What `cmake --install` installs where. It uses the build's files and compiles nothing."""

import os
import pathlib
import re
import subprocess

import pytest

from framework import paths


def installed() -> list[pathlib.Path]:
    """Every file and folder of the source tree that an install() names."""
    found = []
    for lists in (paths.ROOT / "CMakeLists.txt", *paths.ROOT.glob("[a-z]*/**/CMakeLists.txt")):
        if lists.is_relative_to(paths.ROOT / "build"):
            continue
        for names in re.findall(r"install\((?:FILES|DIRECTORY)\s+([^()]*?)\s+DESTINATION", lists.read_text()):
            found += [(lists.parent / name).relative_to(paths.ROOT) for name in names.split() if "$" not in name]
    return found


def left_out(path: pathlib.PurePath, patterns: list[str]) -> bool:
    """Reads .dockerignore like docker: of the lines that match the path or a folder above it, the last one counts."""
    ignored = False
    for pattern in patterns:
        parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("!").strip("/"))
        shape = "".join({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part)) for part in parts)
        if any(re.fullmatch(shape, one.as_posix()) for one in (path, *path.parents)):
            ignored = not pattern.startswith("!")
    return ignored


def test_an_image_is_built_from_all_that_is_installed():
    """The image's build sees only what .dockerignore leaves, and a missing file would fail it only at its end."""
    lines = (paths.ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    for name, expected in {"e2e/test_install.py": True, "build/dev/bin/qarax": True, "build/image/bin/qarax": False}.items():
        assert left_out(pathlib.PurePath(name), patterns) == expected, name
    files = installed()
    assert {"README.md", "plugin-sdk/documents.json", "config/node.yaml"} <= {file.as_posix() for file in files}
    assert [file.as_posix() for file in files if left_out(file, patterns)] == []


def cmake(destdir: str, *arguments) -> None:
    done = subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False,
                          env=os.environ | {"DESTDIR": destdir})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("prefix", "destdir"), [("/usr", "stage"), ("/opt/qarax", "stage"), ("", "")])
def test_units_name_the_programs_of_their_own_installation(tmp_path, prefix, destdir):
    """The prefix given to the installation counts, whatever the configuration said."""
    project = tmp_path / "project"
    project.mkdir()
    lists = f"cmake_minimum_required(VERSION 3.25)\nproject(config NONE)\nadd_subdirectory({paths.ROOT}/config config)\n"
    (project / "CMakeLists.txt").write_text(lists)
    prefix = prefix or str(tmp_path / "here")
    stage = str(tmp_path / destdir) if destdir else ""
    for command in (["-S", project, "-B", tmp_path / "build"], ["--install", tmp_path / "build", "--prefix", prefix]):
        cmake(stage, *command)
    folder = pathlib.Path(stage + prefix)
    for source in (paths.ROOT / "config" / "systemd").glob("*.service"):
        unit = folder / "lib/systemd/system" / source.name
        assert unit.read_text() == source.read_text().replace("/usr/", f"{prefix}/")
        assert unit.stat().st_mode & 0o777 == 0o644
        assert f"={prefix}/bin/qarax-" in unit.read_text()
        assert f"Documentation=file://{prefix}/share/doc/qarax/config/README.md" in unit.read_text()
    assert (folder / "share/doc/qarax/config/README.md").exists()


@pytest.mark.parametrize("runs", [True, False])
def test_the_completion_is_what_the_installed_program_says(tmp_path, runs):
    program = tmp_path / "usr/bin/qarax"
    program.parent.mkdir(parents=True)
    said = "complete -F _qarax qarax; x='${a};b' # \\\n"
    (tmp_path / "said").write_text(said)
    program.write_text(f'#!/bin/sh\n[ "$*" = "completion bash" ] && cat {tmp_path}/said\n' if runs else "of another machine")
    program.chmod(0o755)
    cmake(str(tmp_path), "-DCMAKE_INSTALL_PREFIX=/usr", "-P", paths.ROOT / "cli/install_completion.cmake")
    completion = tmp_path / "usr/share/bash-completion/completions/qarax"
    assert (completion.read_text() == said) if runs else not completion.exists()
