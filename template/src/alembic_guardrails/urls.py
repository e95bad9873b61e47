"""Database URLs: which ones a service takes, and how its driver calls their parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


@dataclass(frozen=True)
class Driver:
    """The driver that a service is written for; the template's registry renders it.

    `name` is what SQLAlchemy calls it, with its dialect: what stands before `://`. `schemes` are
    what a URL may begin with, `other_names` how other drivers call this one's parameters, and
    `connect_args` what `connect()` takes so that an unreachable server is soon given up.
    """

    name: str
    schemes: Sequence[str]
    other_names: Mapping[str, str] = field(default_factory=dict)
    connect_args: Mapping[str, int] = field(default_factory=dict)

    def parse_url(self, value: str | URL) -> URL:
        """Read a database URL as one for this driver, whichever driver it names.

        From here on it is an object: as text it would show or lose its password.

        Raises:
            ValueError: it is no URL, or one for another kind of database.
        """
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):
            raise ValueError("not a database URL") from None
        if url.get_backend_name() not in self.schemes:
            raise ValueError(
                f"it has to start with {self.schemes[0]}://, which the service is made for"
            )
        query = {self.other_names.get(name, name): it for name, it in url.query.items()}
        return url.set(drivername=self.name, query=query)

    def connect_args_for(self, url: URL) -> dict[str, int]:
        """Return the `connect_args` that the parameters of a URL do not set."""
        return {name: it for name, it in self.connect_args.items() if name not in url.query}


def add_password(url: URL, password: str | None) -> URL:
    """Add a password that is kept apart from its URL; one in the URL wins."""
    return url if url.password or not password else url.set(password=password)
