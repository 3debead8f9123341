"""Packages that only some commands need, and the sentence where one is missing."""

from __future__ import annotations

from importlib.util import find_spec


class MissingPackageError(ImportError):
    """A package of an extra is not installed; the message says how to install it."""


def require(package: str, what: str, extra: str) -> None:
    """Check that a package is there, without importing it.

    Args:
        package: as it is imported.
        what: begins the sentence: what needs it, such as "A search".
        extra: of sparsevit's, that brings it.

    Raises:
        MissingPackageError: it is not installed.
    """
    if find_spec(package) is None:
        raise MissingPackageError(
            f"{what} needs {package}: pip install 'sparsevit[{extra}]'", name=package
        )
