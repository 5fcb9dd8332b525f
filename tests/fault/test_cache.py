#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""After a sync that failed the page cache shows what the disk may not have, and a later sync says
that all is well: what the next start finds is written once more."""

import os

from common import arm, events, shim
from harness import equal, main, test


@test
def lines_of_a_ledger_whose_sync_failed_are_written_again(t):
    r = t.receiver({"receiver": {"sync": "files", "workers": "1"}},
                   env=shim(t, "fdatasync@ledger:1:EIO:once"))
    r.consumed = True
    c = r.client(hello=t.queue())
    arm(t)
    for n in range(1, 21):
        c.put(n, "status", b"item %d" % n)
    c.wait_close()
    r.wait_end(74)
    folder = os.path.join(r.root, "ledger")
    segment, = os.listdir(folder)
    with open(os.path.join(folder, segment), encoding="ascii") as file:
        lines = [line for line in file.read().split("\n") if " accept " in line]
    assert lines, "no accept stands in the ledger"
    for name in ("FAULT", "FAULT_ARM"):
        del r.env[name]
    r.env.update(shim(t, trace=True))
    r.start()
    r.stop()
    written = "\n".join(event.detail for event in events(t)
                        if event.call == "write" and event.path.endswith(segment))
    digests = [line.split(" ")[-4] for line in lines]
    equal([digest for digest in digests if digest not in written], [], "not written again")


main()
