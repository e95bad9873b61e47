"""A connection for programs that run once: migrations, tests, scripts."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

from alembic_guardrails.errors import reason
from sqlalchemy import URL, Connection, NullPool, create_engine

T = TypeVar("T")


class UnreachableError(ConnectionError):
    """The database cannot be connected to; the text of the error is one line."""


def run_with_connection(url: URL, work: Callable[[Connection], T], **engine_options: Any) -> T:
    """Call `work` with a new connection, and return its result.

    The driver can be sync or async, and the caller can run an event loop: an async driver then
    works in a thread of its own. `engine_options` are keywords of `sqlalchemy.create_engine()`.

    Raises:
        UnreachableError: The database cannot be connected to.
        Exception: Whatever `work` raises.
    """
    if url.get_dialect().is_async:
        coroutine = _run_with_async_connection(url, work, **engine_options)
        if not is_event_loop_running():
            return asyncio.run(coroutine)
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as executor:
            return executor.submit(asyncio.run, coroutine).result()
    engine = create_engine(url, poolclass=NullPool, **engine_options)
    with raising_unreachable_error():
        connection = engine.connect()
    with connection:
        return work(connection)


def is_event_loop_running() -> bool:
    """Whether this thread runs an event loop, so that it cannot run another one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def raising_unreachable_error() -> Iterator[None]:
    """Raise an UnreachableError for any error of a driver."""
    try:
        yield
    except Exception as error:
        raise UnreachableError(reason(error)) from error


async def _run_with_async_connection(
    url: URL, work: Callable[[Connection], T], **engine_options: Any
) -> T:
    # Imported here because it needs greenlet, which only async drivers install.
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, poolclass=NullPool, **engine_options)
    with raising_unreachable_error():
        try:
            connection = await engine.connect()
        except Exception:
            # A driver's own thread can still report to the event loop, which asyncio.run() ends.
            await asyncio.sleep(0.1)
            raise
    async with aclosing(connection):
        return await connection.run_sync(work)
