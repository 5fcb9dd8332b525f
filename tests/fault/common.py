# SPDX-License-Identifier: ISC
"""What the fault tests share: the harness of the system tests, and the shim's environment."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))

import harness  # noqa: E402  (found through the line above)

# The shim looks for the file `arm`, and makes others, beside the root.
harness.SETTINGS["receiver"]["sandbox"] = "off"

FIELDS = ("sequence", "thread", "when", "call", "kind", "path", "result", "detail")


class Event:
    """One line of the shim's trace."""

    def __init__(self, line):
        parts = line.rstrip("\n").split("\t", 7)
        self.__dict__.update(zip(FIELDS, parts))
        self.sequence, self.result = int(self.sequence), int(self.result)

    def __repr__(self):
        return "%d %s %s %s %d %s" % (self.sequence, self.when, self.call, self.path, self.result,
                                      self.detail[:60])


def shim(t, faults="", trace=False):
    """The environment for a receiver under the shim; its file `arm` makes faults count."""
    if not os.path.exists(harness.SHIM):
        raise AssertionError("not built: " + harness.SHIM)
    env = dict(harness.SHIMMED)
    if faults:
        env["FAULT"] = faults
        env["FAULT_ARM"] = os.path.join(t.folder, "arm")
    if trace:
        env["TRACE"] = os.path.join(t.folder, "trace")
    return env


def arm(t):
    with open(os.path.join(t.folder, "arm"), "w", encoding="ascii"):
        pass


def events(t):
    with open(os.path.join(t.folder, "trace"), encoding="ascii", errors="replace") as file:
        return [Event(line) for line in file]
