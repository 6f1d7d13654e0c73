from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.vm_spec import VmSpec


T = TypeVar("T", bound="DryRun")


@_attrs_define
class DryRun:
    """
    Attributes:
        action (str): What would be done: create, edit, start, …
        changes (bool): false: it is so already.
        host_id (None | UUID): Where it would start.
        host (None | str): That host's name.
        hypervisor (None | str): What would run it.
        fallback_reason (None | str): Why that isn't what was asked for.
        memory (int | None): Bytes of the host that it would take, with its VMM's own.
        resolved (None | VmSpec): The machine as the plugin would start it.
        notes (list[str]): What else would come of it, and what couldn't be tried.
    """

    action: str
    changes: bool
    host_id: None | UUID
    host: None | str
    hypervisor: None | str
    fallback_reason: None | str
    memory: int | None
    resolved: None | VmSpec
    notes: list[str]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.vm_spec import VmSpec  # noqa: PLC0415

        action = self.action

        changes = self.changes

        host_id: None | str
        if isinstance(self.host_id, UUID):
            host_id = str(self.host_id)
        else:
            host_id = self.host_id

        host: None | str
        host = self.host

        hypervisor: None | str
        hypervisor = self.hypervisor

        fallback_reason: None | str
        fallback_reason = self.fallback_reason

        memory: int | None
        memory = self.memory

        resolved: dict[str, Any] | None
        if isinstance(self.resolved, VmSpec):
            resolved = self.resolved.to_dict()
        else:
            resolved = self.resolved

        notes = self.notes

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "action": action,
                "changes": changes,
                "host_id": host_id,
                "host": host,
                "hypervisor": hypervisor,
                "fallback_reason": fallback_reason,
                "memory": memory,
                "resolved": resolved,
                "notes": notes,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.vm_spec import VmSpec  # noqa: PLC0415

        d = dict(src_dict)
        action = d.pop("action")

        changes = d.pop("changes")

        def _parse_host_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                host_id_type_0 = UUID(data)

                return host_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        host_id = _parse_host_id(d.pop("host_id"))

        def _parse_host(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        host = _parse_host(d.pop("host"))

        def _parse_hypervisor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        hypervisor = _parse_hypervisor(d.pop("hypervisor"))

        def _parse_fallback_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        fallback_reason = _parse_fallback_reason(d.pop("fallback_reason"))

        def _parse_memory(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        memory = _parse_memory(d.pop("memory"))

        def _parse_resolved(data: object) -> None | VmSpec:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                resolved_type_0 = VmSpec.from_dict(data)

                return resolved_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | VmSpec, data)

        resolved = _parse_resolved(d.pop("resolved"))

        notes = cast(list[str], d.pop("notes"))

        dry_run = cls(
            action=action,
            changes=changes,
            host_id=host_id,
            host=host,
            hypervisor=hypervisor,
            fallback_reason=fallback_reason,
            memory=memory,
            resolved=resolved,
            notes=notes,
        )

        dry_run.additional_properties = d
        return dry_run

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
