"""clang-tidy over our sources, those that are known to be clean left out: tidy.py [--minutes N] BUILD_FOLDER [SOURCE…]

What a source was found clean with (itself, what it includes of ours, its compile command, .clang-tidy, the versions of
clang-tidy and of the packages beneath) is remembered by its digest, in $QARAX_TIDY_CACHE or ~/.cache/qarax-tidy. So a
second run, or one in another clone, looks at what has changed. All of them take half an hour on two CPUs: with
--minutes, what was committed last is looked at first, and what there was no time for is counted. Prints the findings;
ends with 1 where there are any. BUILD_FOLDER has to be configured and to hold the generated headers, no more.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("QARAX_TIDY_CACHE") or pathlib.Path.home() / ".cache" / "qarax-tidy")
KEPT_DAYS = 30
# Not checked: tests, which read like tables; fixtures, which are broken on purpose; fuzzers, which have their own preset.
LEFT_OUT = re.compile(r"_(test|fuzz)\.cpp$|/fixtures/|^e2e/|^plugin-sdk/(template|tests)/|testing/")


def output_of(*command, cwd=ROOT):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


class Digests:
    """Digests of files, each read once. A file of the system is represented by its path, as every key contains the
    versions of the packages."""

    def __init__(self, build):
        self.build = build
        self.known = {}

    def exists(self, name):
        return os.path.exists(self.build / name)

    def of(self, name):
        path = pathlib.Path(os.path.normpath(self.build / name))
        if path not in self.known:
            ours = path.is_relative_to(ROOT)
            self.known[path] = hashlib.sha256(path.read_bytes()).hexdigest() if ours else "system"
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        return f"{shown} {self.known[path]}\n"


def included_by(entry):
    """What a source includes, of ours and of the build folder, relative to the latter."""
    command = shlex.split(entry["command"])
    while os.path.basename(command[0]) in ("env", "ccache") or "=" in command[0]:
        command.pop(0)
    command[0] = "clang" if entry["file"].endswith(".c") else "clang++"
    at = command.index("-o")
    rule = output_of(*command[:at], *command[at + 2:], "-M", "-w", cwd=entry["directory"])
    names = rule.replace("\\\n", " ").split()[1:]
    return sorted({os.path.relpath(name, entry["directory"]) if os.path.isabs(name) else name
                   for name in names if not name.startswith("/usr/")})


class Known:
    """What one source is known to be clean with: the names of what it includes, and a digest of all of it. Names alone
    decide what is read, so whether it is still clean is told without compiling anything."""

    def __init__(self, entry, digests, common):
        digest = hashlib.sha256(common)
        digest.update(entry["command"].replace(str(ROOT), "").encode())
        self.entry, self.digests, self.base = entry, digests, digest
        self.record = CACHE / digest.hexdigest()

    def _digest(self, names):
        digest = self.base.copy()
        for name in names:
            digest.update(self.digests.of(name).encode())
        return digest.hexdigest()

    def is_clean(self):
        try:
            *names, kept = self.record.read_text().splitlines()
        except (OSError, ValueError):
            return False
        if not all(map(self.digests.exists, names)) or self._digest(names) != kept:
            return False
        os.utime(self.record)
        return True

    def keep(self):
        names = included_by(self.entry)
        written = self.record.with_suffix(f".{os.getpid()}")
        written.write_text("\n".join([*names, self._digest(names)]) + "\n")
        written.rename(self.record)


def without_precompiled(build):
    """Writes compile commands for clang-tidy to build/tidy, without GCC's precompiled headers, which clang can't read."""
    entries = json.loads((build / "compile_commands.json").read_text())
    for entry in entries:
        entry["command"] = re.sub(r" -Winvalid-pch| -fpch-preprocess| -include \S+/cmake_pch\.h\S*", "", entry["command"])
    (build / "tidy").mkdir(exist_ok=True)
    (build / "tidy/compile_commands.json").write_text(json.dumps(entries))
    return entries


def look_at(build, source):
    done = subprocess.run(
        ["clang-tidy", "--quiet", "--extra-arg=-Wno-unknown-warning-option", "-p", str(build / "tidy"), source],
        capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode == 0, done.stdout + ("" if done.returncode == 0 else f"{done.stderr}\nended with {done.returncode}")


def forget_old():
    oldest = time.time() - KEPT_DAYS * 86400
    for entry in CACHE.iterdir():
        if entry.stat().st_mtime < oldest:
            entry.unlink(missing_ok=True)


def newest_first(sources):
    """Sorts sources by their last commit, the latest first; uncommitted changes come before all."""
    order = {}
    log = output_of("git", "log", "--format=", "--name-only", "-n", "300")
    for name in output_of("git", "diff", "--name-only", "HEAD").splitlines() + log.splitlines():
        order.setdefault(name, len(order))
    return sorted(sources, key=lambda s: order.get(s, len(order)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float)
    arguments.add_argument("build", type=lambda text: (ROOT / text).resolve())
    arguments.add_argument("sources", nargs="*")
    given = arguments.parse_args()
    build, sources = given.build, given.sources
    until = time.monotonic() + given.minutes * 60 if given.minutes else None
    if not sources:
        sources = [s for s in output_of("git", "ls-files", "*.cpp", "*.c").splitlines() if not LEFT_OUT.search(s)]
    CACHE.mkdir(parents=True, exist_ok=True)
    forget_old()
    commands = {os.path.relpath(os.path.normpath(os.path.join(e["directory"], e["file"])), ROOT): e
                for e in without_precompiled(build)}
    packages = output_of("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "clang-tidy*", "lib*-dev")
    common = (output_of("clang-tidy", "--version") + packages + (ROOT / ".clang-tidy").read_text()).encode()
    digests = Digests(build)
    todo = []
    for source in newest_first(sources):
        if source not in commands:
            sys.exit(f"{source} isn't compiled in {build}: add it to its CMakeLists.txt, or remove it")
        known = Known(commands[source], digests, common)
        if not known.is_clean():
            todo.append((source, known))
    print(f"{len(sources)} sources, {len(sources) - len(todo)} known to be clean", flush=True)
    findings, left, lock = set(), [], threading.Lock()

    def one(source, known):
        if until and time.monotonic() > until:
            return left.append(source)
        clean, text = look_at(build, source)
        if clean:
            known.keep()
        with lock:
            print(f"{source}{'' if clean else ': findings'}", flush=True)
            if not clean:
                found = re.findall(r"^\S+:\d+:\d+: (?:error|warning): .*$", text, re.M)
                findings.update(found or [f"{source}: clang-tidy failed: {text.strip()[-500:]}"])
        return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda task: one(*task), todo))
    if left:
        print(f"{len(left)} weren't looked at, as the {given.minutes:g} minutes are over: scripts/test.sh tidy looks at all")
    for line in sorted(findings):
        print(line)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
