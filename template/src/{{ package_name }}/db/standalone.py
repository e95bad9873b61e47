"""A connection for programs that run once: migrations, tests, scripts. Requests have sessions."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, NullPool, create_engine

T = TypeVar("T")


def with_connection(url: URL, work: Callable[[Connection], T], **engine_options: Any) -> T:
    """Call `work` with a connection of its own, whether the driver is sync or async."""
    if url.get_dialect().is_async:
        asynchronous = _with_async_connection(url, work, **engine_options)
        if not runs_event_loop():
            return asyncio.run(asynchronous)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, asynchronous).result()
    engine = create_engine(url, poolclass=NullPool, **engine_options)
    with engine.connect() as connection:
        return work(connection)


def runs_event_loop() -> bool:
    """Whether this thread is already busy with an event loop, and so cannot run another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _with_async_connection(
    url: URL, work: Callable[[Connection], T], **engine_options: Any
) -> T:
    # Not at the top: it needs greenlet, which only async drivers bring along.
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, poolclass=NullPool, **engine_options)
    async with engine.connect() as connection:
        return await connection.run_sync(work)
