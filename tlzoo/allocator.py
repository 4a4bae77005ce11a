"""Raise glibc's malloc thresholds: by default every forward pass returns its memory to the kernel.

Measured on 2 cores: eager EfficientNet-Lite0 runs 2 to 4 times faster with the thresholds raised.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@cache
def raise_malloc_thresholds() -> bool:
    """Raise glibc's mmap and trim thresholds once per process; `TLZOO_ALLOCATOR=0` leaves them alone.

    Returns whether they were raised: False on other C libraries, and where the user set them by environment.
    """
    chosen = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ)
    if not sys.platform.startswith("linux") or chosen or os.environ.get("TLZOO_ALLOCATOR") == "0":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
