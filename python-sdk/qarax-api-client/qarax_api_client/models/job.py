from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.job_state import JobState

if TYPE_CHECKING:
    from ..models.job_progress import JobProgress
    from ..models.job_step import JobStep
    from ..models.problem import Problem


T = TypeVar("T", bound="Job")


@_attrs_define
class Job:
    """
    Attributes:
        id (UUID): What 202 and Location name.
        action (str): create, start, stop, …, delete, add-host, edit-host, remove-host, init-host, adopt-host, adopt-vm,
            remove-unmanaged, collect-leftovers.
        state (JobState): superseded: a job of higher precedence took its place.
        progress (int): Percent of its steps that are done, and of the one under way as far as that is known.
        progress_detail (JobProgress | None): How far its node is with the step under way; null where it doesn't tell.
        cancellable (bool): Whether DELETE could still end it.
        vm_id (None | UUID): The VM it is about; it may be gone by now.
        vm_name (None | str): Its name then.
        host_id (None | UUID): The host that carries it out, or that was added.
        steps (list[JobStep]): What it has done so far, in order.
        result (None | str): Path of what it made or changed, once it is completed.
        outcome (Any): What came of it beside that, once it is completed: of collect-leftovers {leftovers}, as its POST
            answers them; of adopt-host the plan. Null: nothing.
        error (None | Problem): Why it failed: what its caller was or would have been answered.
        revision (int): Of the VM: each of its jobs has the next one.
        incarnation (int): Of the VM: each of its starts has the next one.
        request_id (str): X-Request-Id of the request that asked for it.
        owner (str): The activation of the server that carries it out, or did.
        term (int): Of that activation.
        created_at (str): UTC.
        finished_at (None | str): UTC; null while it is under way.
    """

    id: UUID
    action: str
    state: JobState
    progress: int
    progress_detail: JobProgress | None
    cancellable: bool
    vm_id: None | UUID
    vm_name: None | str
    host_id: None | UUID
    steps: list[JobStep]
    result: None | str
    outcome: Any
    error: None | Problem
    revision: int
    incarnation: int
    request_id: str
    owner: str
    term: int
    created_at: str
    finished_at: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.job_progress import JobProgress  # noqa: PLC0415
        from ..models.problem import Problem  # noqa: PLC0415

        id = str(self.id)

        action = self.action

        state = self.state.value

        progress = self.progress

        progress_detail: dict[str, Any] | None
        if isinstance(self.progress_detail, JobProgress):
            progress_detail = self.progress_detail.to_dict()
        else:
            progress_detail = self.progress_detail

        cancellable = self.cancellable

        vm_id: None | str
        if isinstance(self.vm_id, UUID):
            vm_id = str(self.vm_id)
        else:
            vm_id = self.vm_id

        vm_name: None | str
        vm_name = self.vm_name

        host_id: None | str
        if isinstance(self.host_id, UUID):
            host_id = str(self.host_id)
        else:
            host_id = self.host_id

        steps = []
        for steps_item_data in self.steps:
            steps_item = steps_item_data.to_dict()
            steps.append(steps_item)

        result: None | str
        result = self.result

        outcome = self.outcome

        error: dict[str, Any] | None
        if isinstance(self.error, Problem):
            error = self.error.to_dict()
        else:
            error = self.error

        revision = self.revision

        incarnation = self.incarnation

        request_id = self.request_id

        owner = self.owner

        term = self.term

        created_at = self.created_at

        finished_at: None | str
        finished_at = self.finished_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "action": action,
                "state": state,
                "progress": progress,
                "progress_detail": progress_detail,
                "cancellable": cancellable,
                "vm_id": vm_id,
                "vm_name": vm_name,
                "host_id": host_id,
                "steps": steps,
                "result": result,
                "outcome": outcome,
                "error": error,
                "revision": revision,
                "incarnation": incarnation,
                "request_id": request_id,
                "owner": owner,
                "term": term,
                "created_at": created_at,
                "finished_at": finished_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.job_progress import JobProgress  # noqa: PLC0415
        from ..models.job_step import JobStep  # noqa: PLC0415
        from ..models.problem import Problem  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        action = d.pop("action")

        state = JobState(d.pop("state"))

        progress = d.pop("progress")

        def _parse_progress_detail(data: object) -> JobProgress | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                progress_detail_type_0 = JobProgress.from_dict(data)

                return progress_detail_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JobProgress | None, data)

        progress_detail = _parse_progress_detail(d.pop("progress_detail"))

        cancellable = d.pop("cancellable")

        def _parse_vm_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                vm_id_type_0 = UUID(data)

                return vm_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        vm_id = _parse_vm_id(d.pop("vm_id"))

        def _parse_vm_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        vm_name = _parse_vm_name(d.pop("vm_name"))

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

        steps = []
        _steps = d.pop("steps")
        for steps_item_data in _steps:
            steps_item = JobStep.from_dict(steps_item_data)

            steps.append(steps_item)

        def _parse_result(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        result = _parse_result(d.pop("result"))

        outcome = d.pop("outcome")

        def _parse_error(data: object) -> None | Problem:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_0 = Problem.from_dict(data)

                return error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Problem, data)

        error = _parse_error(d.pop("error"))

        revision = d.pop("revision")

        incarnation = d.pop("incarnation")

        request_id = d.pop("request_id")

        owner = d.pop("owner")

        term = d.pop("term")

        created_at = d.pop("created_at")

        def _parse_finished_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        finished_at = _parse_finished_at(d.pop("finished_at"))

        job = cls(
            id=id,
            action=action,
            state=state,
            progress=progress,
            progress_detail=progress_detail,
            cancellable=cancellable,
            vm_id=vm_id,
            vm_name=vm_name,
            host_id=host_id,
            steps=steps,
            result=result,
            outcome=outcome,
            error=error,
            revision=revision,
            incarnation=incarnation,
            request_id=request_id,
            owner=owner,
            term=term,
            created_at=created_at,
            finished_at=finished_at,
        )

        job.additional_properties = d
        return job

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
