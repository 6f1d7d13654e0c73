"""Statements in documents about the sources that would otherwise become outdated without anybody noticing."""

import json
import re

import pytest

from framework import paths

PLUGINS = sorted(folder.parent for folder in (paths.ROOT / "plugins" / "hypervisors").glob("*/settings.hpp"))


def allowed(schema: dict) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return {"string": "path"}.get(schema["type"], schema["type"])


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_plugins_readme_has_every_key_of_its_config(folder):
    source = (folder / "settings.hpp").read_text()
    literals = re.search(r"kConfigSchema =\s*((?:R\"\(.*?\)\"\s*)+);", source)[1]
    schema = json.loads("".join(re.findall(r'R"\((.*?)\)"', literals)))["properties"]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", (folder / "README.md").read_text(), re.M))
    assert rows == {key: allowed(value) for key, value in schema.items()}
    defaults = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| `?([^|`]+)`? \|", (folder / "README.md").read_text(), re.M))
    for key, value in re.findall(r"std::int\d+_t (\w+) = (\d+);", source) + re.findall(r"bool (\w+) = (\w+);", source):
        assert defaults[key] == value, key


def test_cores_readme_has_every_header_of_its_interface():
    core = paths.ROOT / "core"
    table = re.findall(r"^\| (`.*?) \|", (core / "README.md").read_text(), re.M)
    assert {path.name for path in (core / "include" / "qarax" / "core").glob("*.hpp")} == set(re.findall(r"`(\w+\.hpp)`", " ".join(table)))


SERVER = paths.ROOT / "server" / "src"
# Libraries that are a part of a folder.
PARTS = {"records": "store", "database_url": "store", "openapi": "api"}


def is_for_tests(file) -> bool:
    return "testing" in file.parts or re.search(r"_(test|fuzz|fixture)\.|^(fake|test|over_a_fake)_", file.name) is not None


def library_of(folder) -> str:
    return re.search(rf"qarax_library\(server_{folder.name}\b([^)]*)\)", (folder / "CMakeLists.txt").read_text())[1]


def included_by(folder) -> set[str]:
    """The other folders of the server whose headers the folder's sources include."""
    out = set()
    bare = [other for other in SERVER.iterdir() if other.is_dir() and "SOURCE_DIR}/.." not in library_of(other)]
    for file in folder.rglob("*.[ch]pp"):
        for name in [] if is_for_tests(file) else re.findall(r'^#include "([^"]+)"', file.read_text(), re.M):
            if (SERVER / name).exists():
                out.add(name.split("/")[0])
            elif not (folder / name).exists():
                out.update(other.name for other in bare if (other / name).exists())
    return out - {folder.name}


def test_the_servers_readme_says_which_folder_knows_which():
    rows = re.findall(r"^\| `src/(\w+)` \| .* \| ([^|]*) \|$", (SERVER.parent / "README.md").read_text(), re.M)
    told = {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows}
    folders = [folder for folder in SERVER.iterdir() if folder.is_dir()]
    assert told == {folder.name: included_by(folder) for folder in folders}, "README.md beside the #includes"
    linked = {folder.name: {PARTS.get(name, name) for name in re.findall(r"qarax::server_(\w+)", library_of(folder))} for folder in folders}
    assert told == {name: names - {name} for name, names in linked.items()}, "README.md beside CMake"
