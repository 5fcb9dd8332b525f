#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What consumers are told of an item beside it: [inbox NAME] meta."""

import os
import signal

from copyqueue import Queue
from harness import contains, equal, main, test, until
from meta import check_told, need_xattr, told

XATTR = {"status": {"clients": "*", "meta": "xattr"}, "reports": {"clients": "*"}}
ODD = "gr\u00fc\u00df \"e\"\\ 100%\n.txt"


def large(t):
    return t.bytes(300000)


@test
def each_item_has_attributes_that_are_as_the_ledger(t):
    """Small, empty, large in pieces, of a name with all sorts of bytes, and of none."""
    need_xattr(t)
    r = t.receiver({"limits": {"inline": "100000"}}, inboxes=XATTR)
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"x", name=ODD)
    c.put(2, "status", b"")
    c.put(3, "status", b"y", name=b"\xff\xfe-is-no-utf-8")
    data = large(t)
    c.announce(4, "status", data, verb="OPEN", name="large")
    equal(c.answer(4).verb, "SEND")
    for at in range(0, len(data), 100000):
        c.post("DATA 4 %d %d\n" % (at, len(data[at:at + 100000])))
        c.post(data[at:at + 100000])
    names = [c.stored(n).name for n in range(1, 5)]
    hints = [ODD, None, b"\xff\xfe-is-no-utf-8".decode("utf-8", "surrogateescape"), "large"]
    for number, (name, hint) in enumerate(zip(names, hints), 1):
        found = check_told(r, "status", name, hint)
        equal((found["client"], found["queue"], found["number"]),
              ("pc1.example.org", queue, str(number)))
    # They go along where a consumer moves it to.
    os.rename(r.path("status", names[0]), r.path("status", names[0], "cur"))
    check_told(r, "status", names[0], ODD, "cur")
    r.consumed = True
    # Another inbox has none.
    c.put(5, "reports", b"z", name="other")
    equal(told(r.path("reports", c.stored(5).name)), {})
    c.quit()


@test
def file_of_a_queue_is_told_by_its_name_there(t):
    need_xattr(t)
    r = t.receiver(inboxes=XATTR)
    queue = Queue(t, r)
    queue.add("status", b"one", b"two")
    queue("run", "--once")
    names = until(lambda: len(r.files("status")) == 2 and r.files("status"), 10)
    equal(sorted(check_told(r, "status", name, told(r.path("status", name))["name"])["name"]
                 for name in names), ["file0.txt", "file1.txt"])
    r.others = True


@test
def a_reload_sets_it_for_what_comes_from_then_on(t):
    need_xattr(t)
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"1")
    before = c.stored(1).name
    r.inboxes["status"]["meta"] = "xattr"
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    r.wait_log("event=reloaded")
    c.quit()
    c = r.client(hello={"queue": queue, "settled": 2})
    c.put(2, "status", b"2", name="later")
    after = c.stored(2).name
    equal(told(r.path("status", before)), {})
    check_told(r, "status", after, "later")
    c.quit()


@test
def a_word_that_is_none_is_told_with_those_that_are(t):
    r = t.receiver(start=False, make=False,
                   inboxes={"status": {"clients": "*", "meta": "yaml"}})
    done = r.run("-t")
    equal(done.returncode, 78)
    contains(done.stderr, "xattr")


main()
