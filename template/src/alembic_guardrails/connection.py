"""A connection for programs that run once: migrations, tests, scripts."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

from alembic_guardrails.errors import reason
from sqlalchemy import URL, Connection, NullPool, create_engine

T = TypeVar("T")


class UnreachableError(ConnectionError):
    """There is no connection to a database; the text says why, in one line."""


@contextmanager
def reaching() -> Iterator[None]:
    """Raise UnreachableError for whatever a driver raises."""
    try:
        yield
    except Exception as error:
        raise UnreachableError(reason(error)) from error


def run_with_connection(url: URL, work: Callable[[Connection], T], **engine_options: Any) -> T:
    """Call `work` with a connection of its own, whether the driver is sync or async.

    Raises UnreachableError if there is none, and what `work` raises.
    """
    if url.get_dialect().is_async:
        asynchronous = _run_with_async_connection(url, work, **engine_options)
        if not runs_event_loop():
            return asyncio.run(asynchronous)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, asynchronous).result()
    engine = create_engine(url, poolclass=NullPool, **engine_options)
    with reaching():
        connection = engine.connect()
    with connection:
        return work(connection)


def runs_event_loop() -> bool:
    """Whether this thread is already busy with an event loop, and so cannot run another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run_with_async_connection(
    url: URL, work: Callable[[Connection], T], **engine_options: Any
) -> T:
    # Not at the top: it needs greenlet, which only async drivers bring along.
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, poolclass=NullPool, **engine_options)
    with reaching():
        connection = await engine.connect()
    async with aclosing(connection):
        return await connection.run_sync(work)
