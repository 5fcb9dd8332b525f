# SPDX-License-Identifier: ISC
"""A receiver behind proxies, for the tests of what they say and of HAProxy."""

import re

from harness import equal, until

REASONS = ("unlisted", "preface", "unfinished")
COUNTERS = ("silent", "failed", "accepted")


def receiver(t, proxies="127.0.0.1", **more):
    return t.receiver({"receiver": {"listen": "", "listen-proxy": "127.0.0.1:0",
                                    "proxies": proxies}, **more})


def counts(r):
    metrics = r.metrics()
    found = {name: int(metrics["inboxd_connections_%s_total" % name, ""]) for name in COUNTERS}
    for reason in REASONS:
        found[reason] = int(metrics["inboxd_connections_refused_total", 'reason="%s"' % reason])
    return found


def is_served(t, r, preface, peer, who="pc1.example.org", **how):
    """It gets an item through, and is known by this address (a pattern), or its own."""
    mark = len(r.log())
    queue = t.queue()
    c = r.client(who, hello=queue, before=lambda sock: sock.sendall(preface), **how)
    c.put(1, "status", b"x")
    c.stored(1)
    want = r"event=session_ready client=%s peer=%s " % (
        re.escape(who), peer or re.escape("%s:%d" % c.sock.getsockname()))
    found = until(lambda: re.search(want, r.log()[mark:]), 10, "log: " + want)
    host = re.search(r" peer=\[?(\S+?)\]?:\d+ ", found.group(0)).group(1)
    equal(r.client_row(queue)["address"], host, "address in /clients")
    c.quit()
