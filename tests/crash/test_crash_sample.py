#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A sample of `make check-crash`: ten seconds of kills at random, and some at chosen steps."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))

from crash import storm  # noqa: E402
import enumerate as engine  # noqa: E402  (tests/fault/enumerate.py)
from harness import SEED, cases, main, test  # noqa: E402

STEPS = {
    "first_start": ["fill:20:TORN:once", "openat@journal:3:KILL:once",
                    "fdatasync@journal:5:KILL:once",
                    "write@journal:1:TORN:once", "renameat2@ledger:1:KILL:once"],
    "start": ["openat:2:KILL:once", "write:1:TORN:once", "renameat2:1:KILL:once",
              "fsync:1:KILL:once"],
    "grow": ["fill:7:TORN:once", "write@journal:2:TORN:once", "fdatasync@journal:3:KILL:once"],
    "shrink": ["write@journal:2:KILL:once", "unlinkat@journal:1:KILL:once",
               "unlinkat@journal:2:KILL:once"],
    "upload": ["write@journal:1:KILL:once", "write@journal:1:TORN:once",
               "fdatasync@journal:1:KILL:once", "fdatasync@draft:1:KILL:once",
               "fsync@tmpdir:1:KILL:once", "write@journal:2:TORN:once",
               "fdatasync@journal:2:KILL:once", "renameat2@draft:1:KILL:once",
               "renameat2@draft:2:KILL:once", "fsync@newdir:1:KILL:once",
               "fdatasync@ledger:2:KILL:once"],
    "rotation": ["renameat2@ledger:1:KILL:once", "fsync@ledgerdir:1:KILL:once",
                 "fdatasync@ledger:1:KILL:once", "renameat2@draft:2:KILL:once"],
    "large": ["fdatasync@draft:1:KILL:once", "fsync@tmpdir:1:KILL:once",
              "write@journal:1:TORN:once"],
    "stop": ["write@journal:1:KILL:once", "fdatasync@journal:1:KILL:once"],
    "recovery": ["renameat2@draft:1:KILL:once", "renameat2@draft:2:KILL:once",
                 "fsync@newdir:1:KILL:once", "write@ledger:1:TORN:once",
                 "unlinkat:1:KILL:once", "fdatasync:3:KILL:once", "write@journal:1:KILL:once"],
    "recovery_of_frames": ["write@draft:1:TORN:once", "write@draft:4:KILL:once",
                           "unlinkat@draft:3:KILL:once", "openat@draft:2:KILL:once",
                           "fdatasync@draft:2:KILL:once", "write@journal:1:TORN:once",
                           "write@journal:2:TORN:once", "renameat2@draft:3:KILL:once",
                           "write@journal:3:TORN:once", "write@ledger:1:TORN:once",
                           "fdatasync@ledger:1:KILL:once", "renameat2@ledger:1:KILL:once"],
    "takeover": ["fill:20:TORN:once", "write@journal:1:TORN:once", "renameat2@draft:1:KILL:once",
                 "renameat2@ledger:1:KILL:once"],
    "first_add": ["mkdirat:2:KILL:once", "renameat2:1:KILL:once"],
    "add": ["renameat2:2:KILL:once", "write:3:TORN:once"],
    "run_once": ["unlinkat:1:KILL:once", "write:2:TORN:once"],
}


@test
def acknowledged_is_there_once_whoever_is_killed(t):
    errors, figures = storm(10, SEED)
    t.note(figures)
    assert not errors, "\n".join(errors[:20])


@cases([(scenario, scenario) for scenario in STEPS])
def death_at_a_step_loses_nothing_and_doubles_nothing(t, scenario):
    bench = engine.Bench(t.folder, t.pki)
    try:
        met = 0
        for fault in STEPS[scenario]:
            outcome = bench.run(scenario, fault)
            assert outcome.error is None, "%s %s (met: %s): %s" % (
                scenario, fault, outcome.met, outcome.error)
            met += bool(outcome.met)
        # How many calls a turn makes is a matter of timing; most of these come.
        assert 2 * met >= len(STEPS[scenario]), "killed at %d of %d steps" % (
            met, len(STEPS[scenario]))
    finally:
        bench.close()


if __name__ == "__main__":
    main()
