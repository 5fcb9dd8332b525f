#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Names: how servers are written, how they are found, and who they prove to be."""

from copyqueue import Queue
from harness import cases, contains, equal, main, test


# ---- how they are written

@cases([
    ("bare IPv6", "::1", '"[::1]:7117"'),
    ("no port", "cap1:", "a port from 1 to 65535"),
    ("port 0", "cap1:0", "a port from 1 to 65535"),
    ("port 65536", "cap1:65536", "a port from 1 to 65535"),
    ("URL", "inbox://cap1:7117", 'no URL: "cap1:7117"'),
    ("link-local without a zone", "[fe80::1]", "[fe80::1%eth0]"),
    ("half an address", "127.1", "four numbers"),
    ("weight", "cap1*0", "a weight from 1 to 65535"),
    ("twice", "cap1,cap2*3,CAP1.:7117*2", 'each server once; "CAP1.:7117*2" is "cap1" again'),
])
def server_that_cannot_work_is_refused_with_its_line(t, word, reason):
    q = Queue(t, servers=[word])
    said = q("check", expect=78).stderr
    contains(said, "inboxq.conf:4: servers: want ")
    contains(said, reason)
    contains(said, 'found "%s"' % word)


@test
def server_that_may_work_is_taken(t):
    q = Queue(t, servers=["cap1", "cap1.example.org.:80*2", "[::1]", "[fe80::1%eth0]:1", "a_b*7"])
    equal(q("check").stdout, q.conf + ": fine\n")


if __name__ == "__main__":
    main()
