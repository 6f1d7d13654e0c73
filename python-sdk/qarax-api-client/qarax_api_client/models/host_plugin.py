from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="HostPlugin")


@_attrs_define
class HostPlugin:
    """
    Attributes:
        name (str): Short name, as `hypervisor` of a VM.
        version (str): The plugin's own version.
        state (str): loaded, loading or refused.
        healthy (bool): Whether it could start a VM now.
        reason (str): Why it was refused or isn't healthy, or what its loading waits for.
        accelerator (str): kvm, tcg, simulated, …: what new VMs get.
        accelerator_evidence (str): What the choice rests on.
        capabilities (list[str]): What its VMs can do there beyond start and stop: pause, reboot, resize, snapshot,
            disks, nics, console, counters. Anything else is refused with unsupported-by-hypervisor.
    """

    name: str
    version: str
    state: str
    healthy: bool
    reason: str
    accelerator: str
    accelerator_evidence: str
    capabilities: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        version = self.version

        state = self.state

        healthy = self.healthy

        reason = self.reason

        accelerator = self.accelerator

        accelerator_evidence = self.accelerator_evidence

        capabilities = self.capabilities

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "version": version,
                "state": state,
                "healthy": healthy,
                "reason": reason,
                "accelerator": accelerator,
                "accelerator_evidence": accelerator_evidence,
                "capabilities": capabilities,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        version = d.pop("version")

        state = d.pop("state")

        healthy = d.pop("healthy")

        reason = d.pop("reason")

        accelerator = d.pop("accelerator")

        accelerator_evidence = d.pop("accelerator_evidence")

        capabilities = cast(list[str], d.pop("capabilities"))

        host_plugin = cls(
            name=name,
            version=version,
            state=state,
            healthy=healthy,
            reason=reason,
            accelerator=accelerator,
            accelerator_evidence=accelerator_evidence,
            capabilities=capabilities,
        )

        host_plugin.additional_properties = d
        return host_plugin

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
