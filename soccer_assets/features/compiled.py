"""Compiling the loops that go through time."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, made when it is first called.

    The code is kept beside the module or else in the user's cache, for the processes to come; where
    neither can be written, each process makes its own. No option that lets results differ between
    machines (such as ``fastmath``) is on.
    """
    try:
        return cast(Callable[P, R], njit(cache=True, nogil=True)(function))
    except RuntimeError:  # there is no place for the cache
        return cast(Callable[P, R], njit(nogil=True)(function))
