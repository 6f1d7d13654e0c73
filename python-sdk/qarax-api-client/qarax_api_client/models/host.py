from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.host_status import HostStatus

if TYPE_CHECKING:
    from ..models.host_plugin import HostPlugin


T = TypeVar("T", bound="Host")


@_attrs_define
class Host:
    """
    Attributes:
        id (UUID): What the host is known by.
        name (str): For people; unique among the hosts.
        address (str): DNS name or IP address of its qarax-node.
        port (int): gRPC port of its qarax-node.
        status (HostStatus): up: its node answers and VMs can start there.
        host_user (str): As given; empty when it wasn't.
        status_reason (None | str): Why it isn't up.
        node_id (None | str): The node's own id; null before the first contact.
        node_version (None | str): Version of its qarax-node.
        hostname (None | str): As the host calls itself.
        kernel (None | str): The host's kernel.
        architecture (None | str): x86_64, …
        cpu_model (None | str): As the CPU names itself.
        cpus (int | None): CPUs that the node may use.
        memory (int | None): Bytes of memory of the host.
        default_hypervisor (None | str): Of VMs that name none.
        accelerator (None | str): What the default hypervisor's VMs run on: kvm, tcg, …
        accelerator_evidence (None | str): What that choice rests on.
        plugins (list[HostPlugin]): Each plugin in a line, the refused ones too.
        last_seen_at (datetime.datetime | None): When its node last answered.
    """

    id: UUID
    name: str
    address: str
    port: int
    status: HostStatus
    host_user: str
    status_reason: None | str
    node_id: None | str
    node_version: None | str
    hostname: None | str
    kernel: None | str
    architecture: None | str
    cpu_model: None | str
    cpus: int | None
    memory: int | None
    default_hypervisor: None | str
    accelerator: None | str
    accelerator_evidence: None | str
    plugins: list[HostPlugin]
    last_seen_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        name = self.name

        address = self.address

        port = self.port

        status = self.status.value

        host_user = self.host_user

        status_reason: None | str
        status_reason = self.status_reason

        node_id: None | str
        node_id = self.node_id

        node_version: None | str
        node_version = self.node_version

        hostname: None | str
        hostname = self.hostname

        kernel: None | str
        kernel = self.kernel

        architecture: None | str
        architecture = self.architecture

        cpu_model: None | str
        cpu_model = self.cpu_model

        cpus: int | None
        cpus = self.cpus

        memory: int | None
        memory = self.memory

        default_hypervisor: None | str
        default_hypervisor = self.default_hypervisor

        accelerator: None | str
        accelerator = self.accelerator

        accelerator_evidence: None | str
        accelerator_evidence = self.accelerator_evidence

        plugins = []
        for plugins_item_data in self.plugins:
            plugins_item = plugins_item_data.to_dict()
            plugins.append(plugins_item)

        last_seen_at: None | str
        if isinstance(self.last_seen_at, datetime.datetime):
            last_seen_at = self.last_seen_at.isoformat()
        else:
            last_seen_at = self.last_seen_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "name": name,
                "address": address,
                "port": port,
                "status": status,
                "host_user": host_user,
                "status_reason": status_reason,
                "node_id": node_id,
                "node_version": node_version,
                "hostname": hostname,
                "kernel": kernel,
                "architecture": architecture,
                "cpu_model": cpu_model,
                "cpus": cpus,
                "memory": memory,
                "default_hypervisor": default_hypervisor,
                "accelerator": accelerator,
                "accelerator_evidence": accelerator_evidence,
                "plugins": plugins,
                "last_seen_at": last_seen_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.host_plugin import HostPlugin  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        name = d.pop("name")

        address = d.pop("address")

        port = d.pop("port")

        status = HostStatus(d.pop("status"))

        host_user = d.pop("host_user")

        def _parse_status_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        status_reason = _parse_status_reason(d.pop("status_reason"))

        def _parse_node_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        node_id = _parse_node_id(d.pop("node_id"))

        def _parse_node_version(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        node_version = _parse_node_version(d.pop("node_version"))

        def _parse_hostname(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        hostname = _parse_hostname(d.pop("hostname"))

        def _parse_kernel(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        kernel = _parse_kernel(d.pop("kernel"))

        def _parse_architecture(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        architecture = _parse_architecture(d.pop("architecture"))

        def _parse_cpu_model(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        cpu_model = _parse_cpu_model(d.pop("cpu_model"))

        def _parse_cpus(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        cpus = _parse_cpus(d.pop("cpus"))

        def _parse_memory(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        memory = _parse_memory(d.pop("memory"))

        def _parse_default_hypervisor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        default_hypervisor = _parse_default_hypervisor(d.pop("default_hypervisor"))

        def _parse_accelerator(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        accelerator = _parse_accelerator(d.pop("accelerator"))

        def _parse_accelerator_evidence(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        accelerator_evidence = _parse_accelerator_evidence(d.pop("accelerator_evidence"))

        plugins = []
        _plugins = d.pop("plugins")
        for plugins_item_data in _plugins:
            plugins_item = HostPlugin.from_dict(plugins_item_data)

            plugins.append(plugins_item)

        def _parse_last_seen_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_seen_at_type_0 = datetime.datetime.fromisoformat(data)

                return last_seen_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        last_seen_at = _parse_last_seen_at(d.pop("last_seen_at"))

        host = cls(
            id=id,
            name=name,
            address=address,
            port=port,
            status=status,
            host_user=host_user,
            status_reason=status_reason,
            node_id=node_id,
            node_version=node_version,
            hostname=hostname,
            kernel=kernel,
            architecture=architecture,
            cpu_model=cpu_model,
            cpus=cpus,
            memory=memory,
            default_hypervisor=default_hypervisor,
            accelerator=accelerator,
            accelerator_evidence=accelerator_evidence,
            plugins=plugins,
            last_seen_at=last_seen_at,
        )

        host.additional_properties = d
        return host

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
