"""Notices when a revision goes past SQLAlchemy, to a connection of the driver.

No event shows what it does there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import currentframe
from types import FrameType
from typing import Any

from sqlalchemy import Connection, Engine, Pool, PoolProxiedConnection, event

# The key in the `info` of a connection for the functions to call.
INFO = "alembic_guardrails.driver"

# What returns a connection of the driver that none of SQLAlchemy's is made of.
RAW = {Engine.raw_connection.__code__, Pool.connect.__code__}

# Packages that know what they do with it.
OWN = ("alembic", "alembic_guardrails", "sqlalchemy")


class WatchedConnection(Connection):
    """A connection that says when its driver's one is asked for."""

    __slots__ = ()

    @property
    def connection(self) -> PoolProxiedConnection:
        """The connection of the driver."""
        found = super().connection
        frame = currentframe()
        if not is_own(frame and frame.f_back):
            for note in found.info.get(INFO, ()):
                note()
        return found


@contextmanager
def watching(connection: Connection, note: Callable[[], None]) -> Iterator[None]:
    """Have a function called when code outside of SQLAlchemy gets a connection of the driver.

    It can be that of `connection`, or one from a pool.
    """

    def before_checkout(*_: object) -> None:
        if is_raw_checkout():
            note()

    event.listen(Pool, "checkout", before_checkout)
    connection.info[INFO] = (*connection.info.get(INFO, ()), note)
    connection.__class__ = WatchedConnection
    try:
        yield
    finally:
        event.remove(Pool, "checkout", before_checkout)
        unwatch(connection, note)


def unwatch(connection: Connection, note: Callable[[], None]) -> None:
    """Stop to call a function."""
    if connection.closed or connection.invalidated:
        connection.__class__ = Connection
        return
    notes = tuple(other for other in connection.info.pop(INFO, ()) if other != note)
    if notes:
        connection.info[INFO] = notes
    else:
        connection.__class__ = Connection


def is_raw_checkout() -> bool:
    """Whether the checkout of a pool that goes on is for code outside of SQLAlchemy."""
    frame = currentframe()
    entry: Any = None
    while frame and is_own(frame):
        entry, frame = frame.f_code, frame.f_back
    return entry in RAW


def is_own(frame: FrameType | None) -> bool:
    """Whether a frame is of a package that knows what it does."""
    return frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in OWN
