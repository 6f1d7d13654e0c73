from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.vm import Vm
from ...models.vm_patch import VmPatch
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    body: VmPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "patch",
        "url": "/vms/{id}".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Problem | Vm:
    if response.status_code == 200:
        response_200 = Vm.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 412:
        response_412 = Problem.from_dict(response.json())

        return response_412

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Problem | Vm]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: VmPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Problem | Vm]:
    """Change the members that the body names (JSON merge patch); null takes one back to its default.

     `name`, `description`, `restart_policy`, `restart_limit` and `tags` change at any time; a policy
    holds from then
    on, also for a VM that has ended. Everything else is read at a start and changes while the VM is
    created or
    shutdown, `hypervisor` only before the first start. What the first start froze (a versioned
    machine type) stays as it is, unless the patch names it. `max_vcpus` follows `boot_vcpus` where they
    were
    the same and the patch doesn't name it. Content types: application/json, application/merge-
    patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (VmPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Vm]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: VmPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Problem | Vm | None:
    """Change the members that the body names (JSON merge patch); null takes one back to its default.

     `name`, `description`, `restart_policy`, `restart_limit` and `tags` change at any time; a policy
    holds from then
    on, also for a VM that has ended. Everything else is read at a start and changes while the VM is
    created or
    shutdown, `hypervisor` only before the first start. What the first start froze (a versioned
    machine type) stays as it is, unless the patch names it. `max_vcpus` follows `boot_vcpus` where they
    were
    the same and the patch doesn't name it. Content types: application/json, application/merge-
    patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (VmPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Vm
    """

    return sync_detailed(
        id=id,
        client=client,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: VmPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Problem | Vm]:
    """Change the members that the body names (JSON merge patch); null takes one back to its default.

     `name`, `description`, `restart_policy`, `restart_limit` and `tags` change at any time; a policy
    holds from then
    on, also for a VM that has ended. Everything else is read at a start and changes while the VM is
    created or
    shutdown, `hypervisor` only before the first start. What the first start froze (a versioned
    machine type) stays as it is, unless the patch names it. `max_vcpus` follows `boot_vcpus` where they
    were
    the same and the patch doesn't name it. Content types: application/json, application/merge-
    patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (VmPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Vm]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: VmPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Problem | Vm | None:
    """Change the members that the body names (JSON merge patch); null takes one back to its default.

     `name`, `description`, `restart_policy`, `restart_limit` and `tags` change at any time; a policy
    holds from then
    on, also for a VM that has ended. Everything else is read at a start and changes while the VM is
    created or
    shutdown, `hypervisor` only before the first start. What the first start froze (a versioned
    machine type) stays as it is, unless the patch names it. `max_vcpus` follows `boot_vcpus` where they
    were
    the same and the patch doesn't name it. Content types: application/json, application/merge-
    patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (VmPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Vm
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            body=body,
            dry_run=dry_run,
            if_match=if_match,
        )
    ).parsed
