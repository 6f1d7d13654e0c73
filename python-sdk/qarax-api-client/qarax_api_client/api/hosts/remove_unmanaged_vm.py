from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.accepted import Accepted
from ...models.dry_run import DryRun
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    vm_id: UUID,
    *,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(prefer, Unset):
        headers["Prefer"] = prefer

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "delete",
        "url": "/hosts/{id}/unmanaged/{vm_id}".format(
            id=quote(str(id), safe=""),
            vm_id=quote(str(vm_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Accepted | Any | DryRun | Problem:
    if response.status_code == 200:
        response_200 = DryRun.from_dict(response.json())

        return response_200

    if response.status_code == 202:
        response_202 = Accepted.from_dict(response.json())

        return response_202

    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

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

    if response.status_code == 501:
        response_501 = Problem.from_dict(response.json())

        return response_501

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
) -> Response[Accepted | Any | DryRun | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    id: UUID,
    vm_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
) -> Response[Accepted | Any | DryRun | Problem]:
    """End such a VM and delete it on its node.

    Args:
        id (UUID):
        vm_id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | Any | DryRun | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        vm_id=vm_id,
        dry_run=dry_run,
        prefer=prefer,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    id: UUID,
    vm_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
) -> Accepted | Any | DryRun | Problem | None:
    """End such a VM and delete it on its node.

    Args:
        id (UUID):
        vm_id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | Any | DryRun | Problem
    """

    return sync_detailed(
        id=id,
        vm_id=vm_id,
        client=client,
        dry_run=dry_run,
        prefer=prefer,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    vm_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
) -> Response[Accepted | Any | DryRun | Problem]:
    """End such a VM and delete it on its node.

    Args:
        id (UUID):
        vm_id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | Any | DryRun | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        vm_id=vm_id,
        dry_run=dry_run,
        prefer=prefer,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    vm_id: UUID,
    *,
    client: AuthenticatedClient | Client,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
) -> Accepted | Any | DryRun | Problem | None:
    """End such a VM and delete it on its node.

    Args:
        id (UUID):
        vm_id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | Any | DryRun | Problem
    """

    return (
        await asyncio_detailed(
            id=id,
            vm_id=vm_id,
            client=client,
            dry_run=dry_run,
            prefer=prefer,
        )
    ).parsed
