"""uv.lock matches pyproject.toml. `uv lock --check` tells that only if it reaches the index under the name in the lock, so not
behind a mirror; this test needs no network."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from framework import paths

LOCK = tomllib.loads((paths.ROOT / "e2e" / "uv.lock").read_text())
LOCKED = {package["name"]: package for package in LOCK["package"]}
PROJECTS = {"qarax-e2e": "e2e", "qarax-api-client": "python-sdk/qarax-api-client"}


@pytest.mark.parametrize("name", PROJECTS)
def test_the_lock_is_of_this_project(name):
    project = tomllib.loads((paths.ROOT / PROJECTS[name] / "pyproject.toml").read_text())["project"]
    asked = {canonicalize_name(one.name): one.specifier for one in map(Requirement, project["dependencies"])}
    noted = {one["name"]: SpecifierSet(one.get("specifier", "")) for one in LOCKED[name]["metadata"]["requires-dist"]}
    assert noted == asked, f"uv.lock isn't of {PROJECTS[name]}/pyproject.toml: cd e2e && uv lock --default-index https://pypi.org/simple"
    for package, specifier in asked.items():
        assert LOCKED[package]["version"] in specifier
    assert LOCK["requires-python"] == tomllib.loads((paths.ROOT / "e2e" / "pyproject.toml").read_text())["project"]["requires-python"]


def test_it_names_nobodys_mirror():
    addresses = set(re.findall(r'(?:registry|url) = "(https?://[^/"]+)', (paths.ROOT / "e2e" / "uv.lock").read_text()))
    assert addresses == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_uv_is_of_the_version_that_the_client_is_built_with():
    """Otherwise each sync prints a warning."""
    [listed] = re.findall(r"^(uv\b\S*)", (paths.ROOT / "third_party" / "packages" / "python.txt").read_text(), re.M)
    built = tomllib.loads((paths.ROOT / "python-sdk" / "qarax-api-client" / "pyproject.toml").read_text())["build-system"]["requires"]
    [wanted] = [one.specifier for one in map(Requirement, built) if one.name == "uv_build"]
    assert wanted == Requirement(listed).specifier
