#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""contrib/ha/inboxd.ocf: what Pacemaker is told, by what systemd says; make check-ha has both.

In systemd's place stands a script that keeps the unit's state in a file.
"""

import os
import re
import subprocess

from harness import equal, main, test

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
AGENT = os.path.join(TOP, "contrib/ha/inboxd.ocf")
OK, ERROR, USAGE, WRONG_HERE, WRONG_EVERYWHERE, NOT_RUNNING = 0, 1, 3, 5, 6, 7
# FOLDER/state: what the unit is in; next: what a start makes of it; status: its exit code.
SYSTEMCTL = """#!/bin/sh
cd %s
echo "$*" >>calls
case $1 in
show) printf 'ExecMainStatus=%%s\\nActiveState=%%s\\n' "$(cat status)" "$(cat state)" ;;
start) cp next state; test "$(cat state)" = active ;;
stop) test "$(cat state)" = failed || echo inactive >state ;;
reset-failed) test "$(cat state)" != failed || echo inactive >state ;;
esac
"""


class Unit:
    """The agent, and the unit that it finds."""

    def __init__(self, t, state, status=0, comes="active"):
        self.folder = os.path.join(t.folder, "unit%d" % len(os.listdir(t.folder)))
        os.mkdir(self.folder)
        for name, text in (("state", state), ("status", status), ("next", comes), ("calls", "")):
            self.write(name, "%s\n" % text)
        self.write("systemctl", SYSTEMCTL % self.folder)
        os.chmod(self.folder + "/systemctl", 0o755)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
            file.write(text)

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="ascii") as file:
            return file.read()

    def __call__(self, action, interval="2000", **more):
        """(exit code, what it says why)"""
        env = {"PATH": self.folder + ":" + os.environ["PATH"], "OCF_RESKEY_name": "status",
               "OCF_RESKEY_CRM_meta_interval": interval, "INBOXD_RUN": self.folder, **more}
        done = subprocess.run(["sh", AGENT, action], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=30, check=False)
        found = re.search("^ocf-exit-reason:(.*)$", done.stderr, re.M)
        return done.returncode, found.group(1) if found else done.stdout


@test
def a_receiver_that_ended_is_tried_where_it_may_go_well(t):
    """Here again, on another host alone, or nowhere."""
    for status, code in ((9, NOT_RUNNING), (75, NOT_RUNNING), (70, NOT_RUNNING), (74, WRONG_HERE),
                         (66, WRONG_HERE), (78, WRONG_HERE), (64, WRONG_HERE),
                         (65, WRONG_EVERYWHERE)):
        equal(Unit(t, "failed", status)("monitor")[0], code, "monitor, ended with %d" % status)
        unit = Unit(t, "inactive", status, comes="failed")
        equal(unit("start")[0], ERROR if code == NOT_RUNNING else code,
              "start, ended with %d" % status)


@test
def what_an_earlier_run_left_says_nothing(t):
    """A probe, and a start, find a unit that failed once."""
    equal(Unit(t, "failed", 74)("monitor", interval="0")[0], NOT_RUNNING, "a probe")
    equal(Unit(t, "failed", 74)("start")[0], OK, "a start")


@test
def states_of_the_unit_are_told(t):
    for state, code in (("active", OK), ("reloading", OK), ("inactive", NOT_RUNNING),
                        ("activating", ERROR), ("deactivating", ERROR), ("", ERROR)):
        equal(Unit(t, state)("monitor")[0], code, "monitor, " + state)


@test
def a_stop_leaves_nothing_behind(t):
    for state in ("active", "inactive", "failed"):
        unit = Unit(t, state, 74)
        equal(unit("stop")[0], OK, "stop, " + state)
        equal(unit.read("state"), "inactive\n", "behind it")


@test
def pacemaker_alone_starts_it_again(t):
    """systemd's own Restart= is off for a resource, by a drop-in that goes with the boot."""
    unit = Unit(t, "inactive")
    equal(unit("start")[0], OK, "start")
    equal(unit.read("systemd/system/inboxd@status.service.d/cluster.conf"),
          "[Service]\nRestart=no\n", "the drop-in")
    equal(unit.read("calls").count("daemon-reload"), 1, "reloads")
    equal(unit("stop")[0], OK, "stop")
    equal(unit("start")[0], OK, "start")
    equal(unit.read("calls").count("daemon-reload"), 1, "reloads")


@test
def what_it_is_asked_wrongly_is_said(t):
    unit = Unit(t, "active")
    equal(unit("monitor", OCF_RESKEY_name="")[0], WRONG_EVERYWHERE, "without a name")
    equal(unit("promote")[0], USAGE, "an action that it has not")
    code, text = unit("meta-data", OCF_RESKEY_name="")
    equal((code, text.count("<action ")), (OK, 5), "its description")


main()
