#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""No descriptor is left for the journal or the ledger to go on: a state, since peers can bring it
about, and not an end."""

import os

from common import arm, shim
from harness import cases, contains, equal, main, test, until


@test
def journal_that_finds_no_descriptor_for_its_next_segment_is_full_till_there_is_one(t):
    fault = "open@%s:1:EMFILE:on"
    r = t.receiver(env=shim(t, ",".join(fault % kind for kind in ("journal", "other"))))
    c = r.client(hello=t.queue())
    arm(t)
    for count in range(1, 41):  # a segment is 1 MiB
        c.put(count, "status", t.bytes(60000))
        line = c.answer(count)
        if line.verb != "STORED":
            break
    equal((line.verb, line.code), ("LATER", "full"))
    contains(r.log(), "event=journal_full error=\"Too many open files\"")
    os.unlink(os.path.join(t.folder, "arm"))

    def is_stored():
        c.put(count, "status", t.bytes(60000))
        return c.answer(count).verb == "STORED"
    until(is_stored, 10, "room in the journal")
    c.quit()


@test
def ledger_that_finds_no_descriptor_to_rotate_goes_on_till_there_is_one(t):
    env = shim(t, "fcntl:1:EMFILE:on")
    env["FAULT_SCOPE"] = "program"
    r = t.receiver({"receiver": {"ledger-size": "64K"}}, env=env)
    c = r.client(hello=t.queue())
    arm(t)
    for n in range(1, 501):  # of some 300 bytes each
        c.put(n, "status", b"x")
    for n in range(1, 501):
        c.stored(n)
    equal(len(os.listdir(os.path.join(r.root, "ledger"))), 1, "segments")
    os.unlink(os.path.join(t.folder, "arm"))
    c.put(501, "status", b"x")
    c.stored(501)
    until(lambda: len(os.listdir(os.path.join(r.root, "ledger"))) == 2, 5, "a new segment")
    c.quit()


@cases([("files", "files"), ("auto", "auto")])
def start_makes_many_drafts_anew_with_few_descriptors(t, sync):
    """What one had none for is written when others have given theirs back."""
    r = t.receiver({"receiver": {"sync": sync}}, start=False)
    r.consumed = True
    late = "fdatasync@draft:1:9000ms:on,fsync:1:9000ms:on,syncfs:1:9000ms:on"
    r.start(env=shim(t, late))
    arm(t)
    c = r.client(hello=t.queue())
    for n in range(1, 201):
        c.put(n, "status", b"item %d" % n)
    for n in range(1, 201):
        c.stored(n)
    c.cut()
    r.kill()
    r.start(wrap=["prlimit", "--nofile=100:100"])
    contains(r.log(here=True), " written=200 ")
    equal(len(r.files("status")), 200)


main()
