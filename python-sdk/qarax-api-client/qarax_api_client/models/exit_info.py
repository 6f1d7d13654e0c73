from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.exit_info_kind import ExitInfoKind

T = TypeVar("T", bound="ExitInfo")


@_attrs_define
class ExitInfo:
    """
    Attributes:
        kind (ExitInfoKind): exited (see code), signaled (see signal) or unknown.
        code (int): Exit code of the VMM.
        signal (int): Signal that ended the VMM.
        at (datetime.datetime | None): When the VMM ended, where somebody saw it.
        log_tail (str): Last lines of the VMM's own log.
    """

    kind: ExitInfoKind
    code: int
    signal: int
    at: datetime.datetime | None
    log_tail: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind.value

        code = self.code

        signal = self.signal

        at: None | str
        if isinstance(self.at, datetime.datetime):
            at = self.at.isoformat()
        else:
            at = self.at

        log_tail = self.log_tail

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "code": code,
                "signal": signal,
                "at": at,
                "log_tail": log_tail,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        kind = ExitInfoKind(d.pop("kind"))

        code = d.pop("code")

        signal = d.pop("signal")

        def _parse_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                at_type_0 = datetime.datetime.fromisoformat(data)

                return at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        at = _parse_at(d.pop("at"))

        log_tail = d.pop("log_tail")

        exit_info = cls(
            kind=kind,
            code=code,
            signal=signal,
            at=at,
            log_tail=log_tail,
        )

        exit_info.additional_properties = d
        return exit_info

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
