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
