"""scripts/test.sh itself: what it says of skipped tests and second tries, and what its steps give the tests. The tree
around it is a stand-in; CMake, ctest and pytest are real."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from framework import paths

PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(stand_in NONE)
enable_testing()
add_test(NAME steady COMMAND true)
add_test(NAME guests COMMAND sh -c "echo '[  SKIPPED ] Guest.Boots (1 ms)'; echo '[  SKIPPED ] 1 test, listed below:'; echo '[  SKIPPED ] Guest.Boots'")
add_test(NAME skipped COMMAND sh -c "exit 77")
set_tests_properties(skipped PROPERTIES SKIP_RETURN_CODE 77)
add_custom_target(qarax_tsan_tests)
add_test(NAME database COMMAND sh -c "printenv QARAX_TEST_POSTGRES > database; true")
add_test(NAME filter COMMAND sh -c "printenv GTEST_FILTER > filter; true")
set_tests_properties(filter database PROPERTIES LABELS tsan)
if(EXISTS ${CMAKE_SOURCE_DIR}/shaky)
  add_test(NAME shaky COMMAND sh -c "test -e seen || { touch seen; exit 1; }")
endif()
"""
PRESETS = """{"version": 4, "configurePresets": [
  {"name": "test", "generator": "Unix Makefiles", "binaryDir": "${sourceDir}/build/test"},
  {"name": "asan", "generator": "Unix Makefiles", "binaryDir": "${sourceDir}/build/asan"},
  {"name": "tsan", "generator": "Unix Makefiles", "binaryDir": "${sourceDir}/build/tsan"}]}"""
TESTS = """
import os, pathlib, pytest

@pytest.mark.parametrize("what", ["a b"])
def test_shaky(what):
    seen = pathlib.Path(__file__).with_name("seen")
    if pathlib.Path(__file__).parents[1].joinpath("shaky").exists() and not seen.exists():
        seen.touch()
        raise AssertionError("the machine - was busy")

def test_steady():
    pass

@pytest.mark.serial
def test_alone():
    pass
"""


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(paths.ROOT / "scripts", tmp_path / "scripts")
    # No database and no network are needed here.
    (tmp_path / "scripts/lib/postgres.sh").write_text("postgres_for_tests() { export QARAX_TEST_POSTGRES=here; }\n")
    (tmp_path / "scripts/lib/python.sh").write_text("python_env() { :; }\n")
    python = tmp_path / "build/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "CMakePresets.json").write_text(PRESETS)
    (tmp_path / "e2e").mkdir()
    (tmp_path / "e2e/test_stand_in.py").write_text(TESTS)
    (tmp_path / "e2e/pytest.ini").write_text("[pytest]\naddopts = -ra\nmarkers = serial\n")
    return tmp_path


def run(tree, *steps: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("QARAX_", "PYTEST_"))}
    done = subprocess.run([str(tree / "scripts/test.sh"), *(steps or ("unit", "e2e"))], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_needed_a_second_try_is_named_at_the_end(tree):
    (tree / "shaky").touch()
    said = run(tree).splitlines()
    at = next(i for i, line in enumerate(said) if line.startswith("!!! 2 passed only at a second try"))
    assert said[at + 1:at + 3] == ["!!!   test: shaky", "!!!   test: test_stand_in.py::test_shaky[a b]"]
    assert "all passed: unit e2e" in said[-1] and at == len(said) - 4
    assert "was busy" in (tree / "build/logs/pytest-test.log").read_text()


def test_where_none_did_nothing_is_said(tree):
    said = run(tree)
    assert "!!!" not in said and "all passed: unit e2e" in said


def test_what_a_unit_test_skipped_is_named(tree):
    assert "skipped (test), each says why in its log: Guest.Boots\n" in run(tree)


def test_what_tsan_leaves_out_the_steps_behind_it_dont(tree):
    run(tree, "tsan", "unit")
    assert (tree / "build/tsan/filter").read_text() == "-Grpc/*\n"
    assert (tree / "build/test/filter").read_text() == ""


@pytest.mark.parametrize("step", ["unit", "asan", "tsan"])
def test_the_tests_on_postgresql_arent_skipped(tree, step):
    run(tree, step)
    preset = {"unit": "test"}.get(step, step)
    assert (tree / f"build/{preset}/database").read_text() == "here\n"


def test_help_names_each_step(tree):
    script = (tree / "scripts/test.sh").read_text()
    steps = set(re.findall(r"^step_(\w+)\(\)", script, re.M))
    default = re.search(r"^all=\((.*)\)$", script, re.M)[1].split()
    said = run(tree, "--help")
    named = re.findall(r"^  ([a-z0-9]+)  +\S", said, re.M)
    assert set(named) == steps and len(named) == len(steps) and named[:len(default)] == default
    assert said.splitlines()[0].startswith("Every test of qarax") and "set -euo" not in said
    assert not (tree / "build/logs").exists(), "and does nothing"
