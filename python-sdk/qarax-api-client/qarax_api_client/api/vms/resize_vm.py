from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.accepted import Accepted
from ...models.problem import Problem
from ...models.vm import Vm
from ...models.vm_resize import VmResize
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    body: VmResize,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(prefer, Unset):
        headers["Prefer"] = prefer

    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/vms/{id}/resize".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Accepted | Problem | Vm:
    if response.status_code == 200:
        response_200 = Vm.from_dict(response.json())

        return response_200

    if response.status_code == 202:
        response_202 = Accepted.from_dict(response.json())

        return response_202

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

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 501:
        response_501 = Problem.from_dict(response.json())

        return response_501

    if response.status_code == 502:
        response_502 = Problem.from_dict(response.json())

        return response_502

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if response.status_code == 504:
        response_504 = Problem.from_dict(response.json())

        return response_504

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Accepted | Problem | Vm]:
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
    body: VmResize,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Response[Accepted | Problem | Vm]:
    """Change the number of vCPUs or the memory.

     Of a running VM at once, by hotplug, as far as its hypervisor can (`capabilities` of the host's
    plugin); of one
    that doesn't run for its next start. What is given stays so for later starts. `desired_ram` is in
    bytes.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):
        body (VmResize):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | Problem | Vm]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        prefer=prefer,
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
    body: VmResize,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Accepted | Problem | Vm | None:
    """Change the number of vCPUs or the memory.

     Of a running VM at once, by hotplug, as far as its hypervisor can (`capabilities` of the host's
    plugin); of one
    that doesn't run for its next start. What is given stays so for later starts. `desired_ram` is in
    bytes.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):
        body (VmResize):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | Problem | Vm
    """

    return sync_detailed(
        id=id,
        client=client,
        body=body,
        dry_run=dry_run,
        prefer=prefer,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: VmResize,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Response[Accepted | Problem | Vm]:
    """Change the number of vCPUs or the memory.

     Of a running VM at once, by hotplug, as far as its hypervisor can (`capabilities` of the host's
    plugin); of one
    that doesn't run for its next start. What is given stays so for later starts. `desired_ram` is in
    bytes.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):
        body (VmResize):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | Problem | Vm]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        prefer=prefer,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: VmResize,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Accepted | Problem | Vm | None:
    """Change the number of vCPUs or the memory.

     Of a running VM at once, by hotplug, as far as its hypervisor can (`capabilities` of the host's
    plugin); of one
    that doesn't run for its next start. What is given stays so for later starts. `desired_ram` is in
    bytes.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        if_match (str | Unset):
        body (VmResize):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | Problem | Vm
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            body=body,
            dry_run=dry_run,
            prefer=prefer,
            if_match=if_match,
        )
    ).parsed
