#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Death at every step: SIGKILL before the N-th call that changes a disk, for N = 1, 2, 3 ...

The scenarios, and what must hold after, are those of tests/fault; in those named recovery...
it is a kill in the recovery from another kill.  TORN writes half of what it should
and dies then.  The variables and the line that repeats a run are those of
tests/fault/enumerate.py.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))

import enumerate as engine  # noqa: E402  (tests/fault/enumerate.py)

KILL = [("KILL", engine.ONCE)]
CALLS = {
    "renameat2": KILL, "renameat": KILL, "linkat": KILL, "unlinkat": KILL, "openat": KILL,
    "write": [("KILL", engine.ONCE), ("TORN", engine.ONCE)],
    "fdatasync": KILL, "fsync": KILL, "syncfs": KILL, "ftruncate": KILL, "mkdirat": KILL,
    "fallocate": KILL, "fill": [("KILL", engine.ONCE), ("TORN", engine.ONCE)],
}

if __name__ == "__main__":
    sys.exit(engine.report("check-crash, at every step", CALLS))
