"""What the C library keeps of freed memory."""

from __future__ import annotations

import ctypes
import os
import platform

_M_ARENA_MAX = -8  # of glibc's malloc.h


def keep_one_arena() -> None:
    """Let all threads share one heap; to be called before they start.

    glibc gives threads heaps of their own, up to eight a core. A server's requests run in ever
    other threads, so what is freed ends up in pieces over all of them and is of little use to the
    next request: docs/deploy.md has the figures. Whoever sets ``MALLOC_ARENA_MAX`` decides.
    """
    if platform.libc_ver()[0] == "glibc" and "MALLOC_ARENA_MAX" not in os.environ:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
