#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What consumers are told of an item beside it: [inbox NAME] meta."""

import grp
import os
import signal
import time

from copyqueue import Queue
from harness import Skip, cases, contains, equal, main, test, until
from meta import check_told, need_xattr, told

WAYS = [("attributes", "xattr"), ("a file beside it", "json")]
ODD = "gr\u00fc\u00df \"e\"\\ 100%\n.txt"


def inboxes(meta):
    return {"status": {"clients": "*", "meta": meta}, "reports": {"clients": "*"}}


def need(t, meta):
    if meta == "xattr":
        need_xattr(t)


@cases(WAYS)
def each_item_is_told_of_as_the_ledger_has_it(t, meta):
    """Small, empty, large in pieces, of a name with all sorts of bytes, and of none."""
    need(t, meta)
    r = t.receiver({"limits": {"inline": "100000"}}, inboxes=inboxes(meta))
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"x", name=ODD)
    c.put(2, "status", b"")
    c.put(3, "status", b"y", name=b"\xff\xfe-is-no-utf-8")
    data = t.bytes(300000)
    c.announce(4, "status", data, verb="OPEN", name="large")
    equal(c.answer(4).verb, "SEND")
    for at in range(0, len(data), 100000):
        c.post("DATA 4 %d %d\n" % (at, len(data[at:at + 100000])))
        c.post(data[at:at + 100000])
    names = [c.stored(n).name for n in range(1, 5)]
    raw = b"\xff\xfe-is-no-utf-8"
    hints = [ODD, None, "%FF%FE-is-no-utf-8" if meta == "json" else
             raw.decode("utf-8", "surrogateescape"), "large"]
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
    assert not os.path.exists(os.path.join(r.root, "reports", "meta"))
    c.quit()


@cases(WAYS)
def file_of_a_queue_is_told_by_its_name_there(t, meta):
    need(t, meta)
    r = t.receiver(inboxes=inboxes(meta))
    queue = Queue(t, r)
    queue.add("status", b"one", b"two")
    queue("run", "--once")
    names = until(lambda: len(r.files("status")) == 2 and r.files("status"), 10)
    for n, name in enumerate(names):
        check_told(r, "status", name, "file%d.txt" % n)


@cases(WAYS)
def a_reload_sets_it_for_what_comes_from_then_on(t, meta):
    need(t, meta)
    r = t.receiver()
    queue = t.queue()
    c = r.client(hello=queue)
    c.put(1, "status", b"1")
    before = c.stored(1).name
    r.inboxes["status"]["meta"] = meta
    r.write_conf()
    if meta == "json":
        r.process.send_signal(signal.SIGHUP)
        r.wait_log("event=reload_failed")
        contains(r.log(), "status/meta")
        r.make()
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


@test
def what_consumers_leave_in_meta_goes_after_a_day(t):
    """Not that of an item which waits, or is claimed; nor what is no file of ours."""
    r = t.receiver(inboxes=inboxes("json"))
    c = r.client(hello=t.queue())
    for n in range(1, 5):
        c.put(n, "status", b"%d" % n)
    names = [c.stored(n).name for n in range(1, 5)]
    c.quit()
    r.wait_published()
    r.consumed, r.acks = True, []
    meta = os.path.join(r.root, "status", "meta")
    os.rename(r.path("status", names[1]), r.path("status", names[1], "cur"))
    os.unlink(r.path("status", names[2]))
    os.unlink(r.path("status", names[3]))
    with open(os.path.join(meta, "notes"), "w", encoding="ascii"):
        pass
    for name in [name + ".json" for name in names[:3]] + ["notes"]:
        os.utime(os.path.join(meta, name), (1, time.time() - 90000))
    os.utime(os.path.join(meta, names[3] + ".json"), (1, time.time() - 80000))
    r.restart()
    r.wait_log("event=meta_expired inbox=status files=1")
    equal(sorted(os.listdir(meta)), sorted([names[0] + ".json", names[1] + ".json",
                                            names[3] + ".json", "notes"]))


@test
def members_of_the_group_may_take_what_lies_beside(t):
    if os.geteuid():
        raise Skip("only root can give a folder to any group")
    group = grp.getgrgid(1)
    r = t.receiver(inboxes={"status": {"clients": "*", "meta": "json", "group": group.gr_name}})
    meta = os.path.join(r.root, "status", "meta")
    st = os.stat(meta)
    equal((st.st_gid, oct(st.st_mode & 0o7777)), (group.gr_gid, "0o2770"))
    c = r.client(hello=t.queue())
    c.put(1, "status", b"1")
    name = c.stored(1).name
    c.quit()
    r.wait_published()
    st = os.stat(os.path.join(meta, name + ".json"))
    equal((st.st_gid, oct(st.st_mode & 0o7777)), (group.gr_gid, "0o640"))
    r.stop()
    os.chmod(meta, 0o700)
    done = r.run("-t")
    equal(done.returncode, 78)
    contains(done.stderr, "inboxd -m")


main()
