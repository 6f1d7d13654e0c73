"""Records what the VMs of a test ran on, as the server reports it, so that test reports show every fallback."""

_seen: list[str] = []


def see(path: str, response) -> None:
    """Looks at a reply of requests or httpx. Only replies to a successful start have the information."""
    if not path.endswith("/start") or response.status_code != 200:
        return
    vm = response.json()
    words = [f"hypervisor={vm['hypervisor']}"]
    words += [f"{name}={vm.get(name) or 'none'}" for name in ("effective_hypervisor", "accelerator", "fallback_reason")]
    if (line := " ".join(words)) not in _seen:
        _seen.append(line)


def take() -> list[str]:
    """Returns what was recorded since the last call."""
    taken = _seen[:]
    _seen.clear()
    return taken
