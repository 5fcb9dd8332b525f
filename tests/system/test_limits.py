#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What one client may use up is bounded, and so is what all may; whoever meets a limit is told,
and which it was is in the log and in a counter."""

from harness import contains, equal, main, test, until

PC1, PC2, PC3 = ("pc%d.example.org" % i for i in (1, 2, 3))
LARGE = 2 << 20


def limited(t, **limits):
    return t.receiver({"limits": {key.replace("_", "-"): str(most)
                                  for key, most in limits.items()}})


def reached(r):
    """The limits that were in the way, and how often."""
    return {label.split('"')[1]: int(value) for (name, label), value in r.metrics().items()
            if name == "inboxd_limit_reached_total" and value}


def refused(t, r, who, queue=None):
    """Is told to come back later, in order."""
    c = r.client(who, handshake=False)
    c.hello(queue or t.queue(), wait=False)
    goaway = c.expect("GOAWAY")
    equal(goaway.code, "crowded")
    assert 1 <= goaway.seconds <= 600, goaway
    c.wait_close()


def wait_sessions(r, count):
    until(lambda: sum(row["connected"] for row in r.json("/clients")["clients"]) == count,
          what="%d sessions" % count)


@test
def sessions_of_one_client_are_bounded(t):
    r = limited(t, client_connections=3)
    queues = [t.queue() for _ in range(3)]
    mine = [r.client(PC1, hello=queue) for queue in queues]
    other = r.client(PC2, hello=t.queue())
    refused(t, r, PC1)
    equal(reached(r), {"client-connections": 1})
    r.wait_log(r"event=session_refused client=pc1.example.org \S+ \S+ limit=client-connections")
    # A client that comes back, and whose old connection nobody has missed yet, is let in.
    for _ in range(5):
        again = r.client(PC1, hello=queues[0])
        again.put(1, "status", b"mine")
        again.stored(1)
    equal(mine[0].expect("GOAWAY").code, "superseded")
    # Who leaves makes room.
    mine[1].quit()
    wait_sessions(r, 3)
    late = r.client(PC1, hello=t.queue())
    late.put(1, "status", b"late")
    late.stored(1)
    equal(reached(r), {"client-connections": 1})
    for c in (again, late, mine[2], other):
        c.quit()


@test
def queues_of_one_client_are_bounded(t):
    """A machine that loses its spool over and over again keeps out nobody else."""
    r = limited(t, client_queues=3)
    queues = [t.queue() for _ in range(3)]
    mine = [r.client(PC1, hello=queue) for queue in queues]
    for i, c in enumerate(mine):
        c.put(1, "status", b"item %d" % i)
        c.stored(1)
    refused(t, r, PC1)
    equal(reached(r), {"client-queues": 1})
    r.wait_log(r"event=session_refused client=pc1.example.org \S+ \S+ limit=client-queues")
    for c in mine:
        c.quit()
    for who in (PC2, PC3):
        r.client(who, hello=t.queue()).quit()
    back = r.client(PC1, hello=queues[2])
    back.put(1, "status", b"item 2")
    equal(back.stored(1).again, "1")
    back.quit()


@test
def queues_of_all_are_bounded_and_told_before(t):
    r = limited(t, queues=10)
    clients = [r.client(PC1, hello=t.queue()) for _ in range(8)]
    equal(r.log(here=True).count("event=limit_near"), 0, "told")
    clients += [r.client(PC2, hello=t.queue()) for _ in range(2)]
    r.wait_log(r"event=limit_near limit=queues what=queues now=9 most=10")
    refused(t, r, PC3)
    refused(t, r, PC3)
    equal(reached(r), {"queues": 2})
    equal((r.gauge("queues"), r.gauge("queues_limit")), (10, 10))
    equal(r.log(here=True).count("event=limit_near"), 1, "told")
    for c in clients:
        c.quit()


def put_off(c, n, limit):
    c.put(n, "status", b"one more")
    answer = c.answer(n)
    equal((answer.verb, answer.code), ("LATER", "unsettled"))
    contains(answer.raw, "[limits] %s)" % limit)


@test
def unsettled_items_are_bounded_of_a_queue_a_client_and_all(t):
    r = limited(t, unsettled=3, client_unsettled=5, all_unsettled=7)
    one, two = (r.client(PC1, hello=t.queue()) for _ in range(2))
    other = r.client(PC2, hello=t.queue())
    for n in (1, 2, 3):
        one.put(n, "status", b"one %d" % n)
        one.stored(n)
    put_off(one, 4, "unsettled")
    for n in (1, 2):
        two.put(n, "status", b"two %d" % n)
        two.stored(n)
    put_off(two, 3, "client-unsettled")
    for n in (1, 2):
        other.put(n, "status", b"other %d" % n)
        other.stored(n)
    put_off(other, 3, "all-unsettled")
    equal(reached(r), {"unsettled": 1, "client-unsettled": 1, "all-unsettled": 1})
    equal((r.gauge("items_unsettled"), r.gauge("items_unsettled_limit")), (7, 7))
    # What is known is known, and what is settled makes room: for all three.
    one.put(3, "status", b"one 3")
    equal(one.stored(3).again, "1")
    one.settled(4)
    until(lambda: r.gauge("items_unsettled") == 4, what="settled items to go")
    other.put(3, "status", b"other 3")
    other.stored(3)
    two.put(3, "status", b"two 3")
    two.stored(3)
    for c in (one, two, other):
        c.quit()
    equal(r.items("later", "unsettled"), 3)


@test
def skips_are_bounded_and_what_is_not_kept_is_counted(t):
    r = limited(t, unsettled=3, client_unsettled=5, all_unsettled=6)
    one, two = (r.client(PC1, hello=t.queue()) for _ in range(2))
    other = r.client(PC2, hello=t.queue())
    for c, count in ((one, 13), (two, 9), (other, 5)):
        for n in range(2, 2 + count):
            c.skip(n, "removed")
        c.ping()
    # No line answers a SKIP: all are taken when their numbers are.
    until(lambda: r.metric("inboxd_skips_not_kept_total") == 3, what="skips not kept")
    until(lambda: r.metric("inboxd_numbers_skipped_total") == 24, what="skips")
    equal((r.gauge("skips"), r.gauge("skips_limit")), (24, 24))
    for limit in ("unsettled", "client-unsettled", "all-unsettled"):
        r.wait_log(r"event=skip_not_kept .* limit=%s " % limit)
    one.settled(16)  # 1 was never sent; 14 was not kept, nor 15
    until(lambda: r.gauge("skips") == 12, what="settled skips to go")
    until(lambda: r.metric("inboxd_numbers_missing_total") == 3, what="missing numbers")
    r.others = True
    for c in (one, two, other):
        c.quit()


def open_large(c, n, data):
    c.announce(n, "status", data, verb="OPEN")
    return c.answer(n)


@test
def open_items_are_bounded_of_a_client_and_of_all(t):
    r = limited(t, client_opens=3, all_opens=4, inline="64K")
    one, two = (r.client(PC1, hello=t.queue()) for _ in range(2))
    other = r.client(PC2, hello=t.queue())
    data = t.bytes(LARGE)
    equal([open_large(one, n, data).verb for n in (1, 2)], ["SEND"] * 2)
    equal([open_large(two, n, data).verb for n in (1, 2)], ["SEND", "LATER"])
    equal([open_large(other, n, data).verb for n in (1, 2)], ["SEND", "LATER"])
    equal(reached(r), {"client-opens": 1, "all-opens": 1})
    equal((r.gauge("opens"), r.gauge("opens_limit")), (4, 4))
    r.wait_log(r"event=item_not_stored client=pc1.example.org n=2 code=busy .*client-opens")
    r.wait_log(r"event=item_not_stored client=pc2.example.org n=2 code=busy .*all-opens")
    # One that is whole makes room, and so do those of a connection that is cut off.
    one.pieces(1, data)
    one.stored(1)
    equal(open_large(two, 3, data).verb, "SEND")
    equal(open_large(other, 3, data).verb, "LATER")
    two.cut()
    wait_sessions(r, 2)
    equal(open_large(other, 4, data).verb, "SEND")
    equal(r.gauge("opens"), 3)
    other.cut()
    one.cut()
    wait_sessions(r, 0)
    equal(r.gauge("opens"), 0)


@test
def reload_takes_new_limits(t):
    r = limited(t, unsettled=1, client_queues=1)
    queue = t.queue()
    c = r.client(PC1, hello=queue)
    c.put(1, "status", b"one")
    c.stored(1)
    put_off(c, 2, "unsettled")
    r.sections["limits"] = {"unsettled": "2", "client-queues": "2"}
    r.write_conf()
    equal(t.run([r.ctl, "-s", r.socket, "reload"]).returncode, 0)
    c.put(2, "status", b"two")
    c.stored(2)
    put_off(c, 3, "unsettled")
    other = r.client(PC1, hello=t.queue())
    refused(t, r, PC1)
    other.quit()
    c.quit()


if __name__ == "__main__":
    main()
