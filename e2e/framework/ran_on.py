"""On what the VMs of a test ran, in the server's own words: for the reports, in which no fallback may hide."""

_seen: list[str] = []


def see(path: str, response) -> None:
    """A reply of requests or httpx; those to a start that was done say it."""
    if not path.endswith("/start") or response.status_code != 200:
        return
    vm = response.json()
    words = [f"hypervisor={vm['hypervisor']}"]
    words += [f"{name}={vm.get(name) or 'none'}" for name in ("effective_hypervisor", "accelerator", "fallback_reason")]
    # A stand-in says so there: what it did is no result of the hypervisor that it stands in for.
    evidence = vm.get("accelerator_evidence") or ""
    if evidence.startswith("no guest"):
        words.append(f"({evidence.split(':')[0]})")
    if (line := " ".join(words)) not in _seen:
        _seen.append(line)


def take() -> list[str]:
    """What was seen since the last call."""
    taken = _seen[:]
    _seen.clear()
    return taken
