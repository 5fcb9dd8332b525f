#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A sample of `make check-herd`, and the judge's own trial: what it must find, it finds."""

import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../system"))

from harness import cases, contains, equal, main, test  # noqa: E402
import herd  # noqa: E402


@test
def fleet_is_stored_whole_and_once_whatever_goes_wrong(t):
    herd.with_faults(t, 150, 2, 60)


@test
def fleet_of_a_receiver_that_is_killed_is_stored_whole_and_once(t):
    herd.with_kills(t, 30, 8, 1, 60)


@test
def machines_that_are_alike_in_all_but_their_certificates_lose_nothing(t):
    """KB 323627's: the same queue, numbers, bytes and clocks, in the same second."""
    r = t.receiver(herd.DEFAULTS)
    report = herd.run(t, r, 100, 30, items=5, identical=True, at_once=True)
    herd.check(r, report, 100, 5)
    equal(report["again"], 0, "items taken for another's")


@test
def another_receiver_than_the_one_meant_is_told_at_once(t):
    r = t.receiver(herd.DEFAULTS)
    done = t.run([herd.INBOXLOAD, "--pki", t.pki.folder, "--name", "cap2", "--clients", "20",
                  "127.0.0.1:%d" % r.port])
    equal(done.returncode, 69, "exit code")
    equal(done.stderr, "inboxload: the receiver's certificate: hostname mismatch "
          "(--name, --pki, or --no-verify)\n", "standard error")


def delete(_inbox, path):
    os.unlink(path)


def flip(_inbox, path):
    with open(path, "r+b") as file:
        file.seek(50)
        byte = file.read(1)[0]
        file.seek(50)
        file.write(bytes([byte ^ 1]))


def cut(_inbox, path):
    os.truncate(path, 99)


def copy(inbox, path):
    shutil.copy(path, os.path.join(inbox, "new/copy"))


def plant(inbox, _path):
    with open(os.path.join(inbox, "new/stranger"), "wb") as file:
        file.write(b"nobody sent this")


def forget(inbox, path):
    """Its record in the ledger is gone."""
    ledger = os.path.join(inbox, "../ledger")
    name = os.path.basename(path)
    for segment in os.listdir(ledger):
        if segment.endswith(".log"):
            with open(os.path.join(ledger, segment), "r+", encoding="ascii") as file:
                lines = file.readlines()
                file.seek(0)
                file.truncate()
                file.writelines(line for line in lines if name not in line)


def record_twice(inbox, path):
    """The ledger has it under two names."""
    ledger = os.path.join(inbox, "../ledger")
    name = os.path.basename(path)
    for segment in os.listdir(ledger):
        with open(os.path.join(ledger, segment), "r+", encoding="ascii") as file:
            lines = [line for line in file if " accept " in line and name in line]
            for line in lines:
                words = line.replace(name, "another").split(" ")
                words[2] = "999999"
                file.write(" ".join(words))


@cases([("deleted", delete, "lost"), ("one bit", flip, "torn"), ("cut short", cut, "torn"),
        ("copied", copy, "twice"), ("planted", plant, "unexpected"),
        ("not in the ledger", forget, "lost"), ("twice in the ledger", record_twice, "twice")])
def judge_finds(t, tamper, what):
    r = t.receiver(herd.DEFAULTS)
    herd.run(t, r, 3, 30, items=3)
    root = os.path.join(t.folder, "tampered")
    r.wait_published()
    shutil.copytree(r.root, root)
    inbox = os.path.join(root, "status")
    words = [herd.INBOXLOAD, "--judge", "--book", os.path.join(r.folder, "book"), "--root", root]
    equal(t.run(words).returncode, 0, "the judge of what is as it should be")
    tamper(inbox, os.path.join(inbox, "new", sorted(os.listdir(os.path.join(inbox, "new")))[4]))
    done = t.run(words)
    equal(done.returncode, 1, "exit code")
    contains(done.stdout, "\n%-26s 1\n" % what, "report")
    contains(done.stderr, what, "list")


@test
def plan_is_near_what_real_fleets_did(t):
    done = t.run([sys.executable, os.path.join(HERE, "plan.py"), "--check"], timeout=60)
    t.note(done.stdout.rstrip())
    equal(done.returncode, 0, "exit code")


if __name__ == "__main__":
    main()
