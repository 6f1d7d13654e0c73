from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.plugin_limits import PluginLimits


T = TypeVar("T", bound="Description")


@_attrs_define
class Description:
    """
    Attributes:
        healthy (bool): Whether a VM could be started now.
        health_reason (str): Why not, and what to do.
        vmm_path (str): The VMM's program on the host.
        vmm_version (str): As the VMM itself says it.
        accelerator (str): kvm, tcg, simulated, …: what new VMs get.
        accelerator_evidence (str): What the choice rests on.
        features (list[str]): What this VMM version can do on this host.
        boot_modes (list[str]): kernel, pvh, firmware, …
        limits (PluginLimits):
        options_schema (Any): JSON Schema of VmSpec.config for this plugin.
    """

    healthy: bool
    health_reason: str
    vmm_path: str
    vmm_version: str
    accelerator: str
    accelerator_evidence: str
    features: list[str]
    boot_modes: list[str]
    limits: PluginLimits
    options_schema: Any
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        healthy = self.healthy

        health_reason = self.health_reason

        vmm_path = self.vmm_path

        vmm_version = self.vmm_version

        accelerator = self.accelerator

        accelerator_evidence = self.accelerator_evidence

        features = self.features

        boot_modes = self.boot_modes

        limits = self.limits.to_dict()

        options_schema = self.options_schema

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "healthy": healthy,
                "health_reason": health_reason,
                "vmm_path": vmm_path,
                "vmm_version": vmm_version,
                "accelerator": accelerator,
                "accelerator_evidence": accelerator_evidence,
                "features": features,
                "boot_modes": boot_modes,
                "limits": limits,
                "options_schema": options_schema,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.plugin_limits import PluginLimits  # noqa: PLC0415

        d = dict(src_dict)
        healthy = d.pop("healthy")

        health_reason = d.pop("health_reason")

        vmm_path = d.pop("vmm_path")

        vmm_version = d.pop("vmm_version")

        accelerator = d.pop("accelerator")

        accelerator_evidence = d.pop("accelerator_evidence")

        features = cast(list[str], d.pop("features"))

        boot_modes = cast(list[str], d.pop("boot_modes"))

        limits = PluginLimits.from_dict(d.pop("limits"))

        options_schema = d.pop("options_schema")

        description = cls(
            healthy=healthy,
            health_reason=health_reason,
            vmm_path=vmm_path,
            vmm_version=vmm_version,
            accelerator=accelerator,
            accelerator_evidence=accelerator_evidence,
            features=features,
            boot_modes=boot_modes,
            limits=limits,
            options_schema=options_schema,
        )

        description.additional_properties = d
        return description

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
