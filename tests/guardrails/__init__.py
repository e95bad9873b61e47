"""Unit and property tests of the package: no rendering, no server."""
