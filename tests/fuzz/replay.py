#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Runs each fuzz target over its corpus (TAP): what once broke something stays mended."""

import os
import subprocess
import sys

TIMEOUT = 120  # seconds for one corpus
HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.path.join(os.environ.get("top_builddir", "."), "tests/fuzz")


def replay(target):
    """(does it hold, what to say)"""
    corpus = os.path.join(HERE, "corpus", target)
    program = os.path.join(BUILT, target)
    if not os.path.exists(program):
        return False, "%s is not built: make %s" % (program, program)
    environment = dict(os.environ, FUZZ_VERBOSE="1")
    try:
        done = subprocess.run([program, corpus], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=TIMEOUT, check=False, text=True,
                              errors="replace", env=environment)
    except subprocess.TimeoutExpired:
        return False, "no end within %d seconds" % TIMEOUT
    if done.returncode != 0 or not done.stdout.startswith("ok 1 - "):
        # The names of the inputs so far, one a line; the last one did it.
        names = [line for line in done.stderr.splitlines() if line.startswith("# ")]
        rest = [line for line in done.stderr.splitlines() if not line.startswith("# ")]
        return False, "\n".join(["exit code %d" % done.returncode] + names[-1:] + rest[-60:])
    return True, "%d inputs hold" % len(os.listdir(corpus))


def main():
    targets = sorted(os.listdir(os.path.join(HERE, "corpus")))
    failed = 0
    print("1..%d" % len(targets))
    for number, target in enumerate(targets, 1):
        holds, text = replay(target)
        failed += not holds
        first, *rest = text.split("\n")
        print("%s %d - %s: %s" % ("ok" if holds else "not ok", number, target, first))
        for line in rest:
            print("# " + line)
        sys.stdout.flush()
    return 1 if failed else 0


sys.exit(main())
