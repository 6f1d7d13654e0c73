"""What `cmake --install` puts where: from the build's files alone, nothing is compiled."""

import pathlib
import re

from framework import paths


def installed() -> list[pathlib.Path]:
    """Every file and folder that an install() of the tree names, but what the build makes."""
    found = []
    for lists in (paths.ROOT / "CMakeLists.txt", *paths.ROOT.glob("[a-z]*/**/CMakeLists.txt")):
        if lists.is_relative_to(paths.ROOT / "build"):
            continue
        for names in re.findall(r"install\((?:FILES|DIRECTORY)\s+([^()]*?)\s+DESTINATION", lists.read_text()):
            found += [(lists.parent / name).relative_to(paths.ROOT) for name in names.split() if "$" not in name]
    return found


def left_out(path: pathlib.PurePath, patterns: list[str]) -> bool:
    """As docker reads .dockerignore: of the lines that match the path or a folder above it the last one counts."""
    ignored = False
    for pattern in patterns:
        parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("!").strip("/"))
        shape = "".join({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part)) for part in parts)
        if any(re.fullmatch(shape, one.as_posix()) for one in (path, *path.parents)):
            ignored = not pattern.startswith("!")
    return ignored


def test_an_image_is_built_from_all_that_is_installed():
    """Its build has what .dockerignore leaves of the tree, and what is missing there fails at its very end."""
    lines = (paths.ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert left_out(pathlib.PurePath("e2e/test_install.py"), patterns) and left_out(pathlib.PurePath("build/dev/bin/qarax"), patterns)
    assert not left_out(pathlib.PurePath("build/image/bin/qarax"), patterns)
    files = installed()
    assert {"README.md", "plugin-sdk/documents.json", "config/node.yaml"} <= {file.as_posix() for file in files}
    assert [file.as_posix() for file in files if left_out(file, patterns)] == []
