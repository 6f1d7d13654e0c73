from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    tail: int | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["tail"] = tail

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/vms/{id}/console/attach".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | Problem:
    if response.status_code == 101:
        response_101 = cast(Any, None)
        return response_101

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 426:
        response_426 = Problem.from_dict(response.json())

        return response_426

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())

        return response_429

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


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | Problem]:
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
    tail: int | Unset = UNSET,
) -> Response[Any | Problem]:
    """The guest's serial console in both directions, over a WebSocket.

     A WebSocket (RFC 6455, version 13, no subprotocol, no extensions), which this document can't
    describe further.
    Binary messages bring what the guest writes, as it writes it. What the client sends, binary or text,
    is typed at
    the guest's keyboard; messages are no units, and one has at most 1 MiB. Several clients may be
    attached to one
    console, eight at most; all see the guest's output and all may type. A client that takes the output
    too slowly
    misses some of it, which is marked in what it gets; nobody else waits for it. Every client is pinged
    after 15 s
    in which nothing came of it, and cut 15 s later.

    The server's close frame says how it ended: 1000 the guest's console has ended; 1001 the server is
    ending; 1011
    the VM's node was lost, attach again when it is back; 1002, 1007, 1009 the client broke the
    protocol.
    The client's own close frame is answered when what it had sent before has reached the guest; with
    1011 where that
    isn't known.

    Args:
        id (UUID):
        tail (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        tail=tail,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    tail: int | Unset = UNSET,
) -> Any | Problem | None:
    """The guest's serial console in both directions, over a WebSocket.

     A WebSocket (RFC 6455, version 13, no subprotocol, no extensions), which this document can't
    describe further.
    Binary messages bring what the guest writes, as it writes it. What the client sends, binary or text,
    is typed at
    the guest's keyboard; messages are no units, and one has at most 1 MiB. Several clients may be
    attached to one
    console, eight at most; all see the guest's output and all may type. A client that takes the output
    too slowly
    misses some of it, which is marked in what it gets; nobody else waits for it. Every client is pinged
    after 15 s
    in which nothing came of it, and cut 15 s later.

    The server's close frame says how it ended: 1000 the guest's console has ended; 1001 the server is
    ending; 1011
    the VM's node was lost, attach again when it is back; 1002, 1007, 1009 the client broke the
    protocol.
    The client's own close frame is answered when what it had sent before has reached the guest; with
    1011 where that
    isn't known.

    Args:
        id (UUID):
        tail (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return sync_detailed(
        id=id,
        client=client,
        tail=tail,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    tail: int | Unset = UNSET,
) -> Response[Any | Problem]:
    """The guest's serial console in both directions, over a WebSocket.

     A WebSocket (RFC 6455, version 13, no subprotocol, no extensions), which this document can't
    describe further.
    Binary messages bring what the guest writes, as it writes it. What the client sends, binary or text,
    is typed at
    the guest's keyboard; messages are no units, and one has at most 1 MiB. Several clients may be
    attached to one
    console, eight at most; all see the guest's output and all may type. A client that takes the output
    too slowly
    misses some of it, which is marked in what it gets; nobody else waits for it. Every client is pinged
    after 15 s
    in which nothing came of it, and cut 15 s later.

    The server's close frame says how it ended: 1000 the guest's console has ended; 1001 the server is
    ending; 1011
    the VM's node was lost, attach again when it is back; 1002, 1007, 1009 the client broke the
    protocol.
    The client's own close frame is answered when what it had sent before has reached the guest; with
    1011 where that
    isn't known.

    Args:
        id (UUID):
        tail (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        tail=tail,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    tail: int | Unset = UNSET,
) -> Any | Problem | None:
    """The guest's serial console in both directions, over a WebSocket.

     A WebSocket (RFC 6455, version 13, no subprotocol, no extensions), which this document can't
    describe further.
    Binary messages bring what the guest writes, as it writes it. What the client sends, binary or text,
    is typed at
    the guest's keyboard; messages are no units, and one has at most 1 MiB. Several clients may be
    attached to one
    console, eight at most; all see the guest's output and all may type. A client that takes the output
    too slowly
    misses some of it, which is marked in what it gets; nobody else waits for it. Every client is pinged
    after 15 s
    in which nothing came of it, and cut 15 s later.

    The server's close frame says how it ended: 1000 the guest's console has ended; 1001 the server is
    ending; 1011
    the VM's node was lost, attach again when it is back; 1002, 1007, 1009 the client broke the
    protocol.
    The client's own close frame is answered when what it had sent before has reached the guest; with
    1011 where that
    isn't known.

    Args:
        id (UUID):
        tail (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            tail=tail,
        )
    ).parsed
