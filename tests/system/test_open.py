#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Large items come in pieces, and go on where they were cut off: OPEN, SEND, DATA."""

import grp
import os
import signal
import stat

from client import sha256
from harness import cases, contains, equal, main, test, until

MIB = 1 << 20
PIECE = 1 << 18


def open_item(c, n, data, inbox="status", **how):
    """OPEN; the offset that SEND asks for."""
    c.announce(n, inbox, data, verb="OPEN", **how)
    send = c.answer(n)
    equal(send.verb, "SEND", "answer to OPEN")
    return send.offset


def partials(r, inbox="status"):
    return [name for name in r.files(inbox, "tmp") if name.startswith("part-")]


def partial_size(r):
    found = partials(r)
    return os.path.getsize(r.path("status", found[0], "tmp")) if found else 0


def begin_and_cut(t, r, queue, data, end):
    """Sends the first `end` bytes of item 1 and closes; waits until they are there."""
    c = r.client(hello=queue)
    c.pieces(1, data, open_item(c, 1, data), end)
    c.ping()
    until(lambda: partial_size(r) == end, 10, "%d bytes to be there" % end)
    c.cut()
    r.at_rest()


@test
def large_item_comes_in_pieces(t):
    r = t.shared("open", {"limits": {"inline": "64K"}})
    c = r.client(hello=t.queue())
    for n, size in enumerate((0, 1, 65536, 65537, PIECE, PIECE + 1, 5 * MIB + 7), 1):
        data = t.bytes(size)
        equal(open_item(c, n, data), 0, "offset")
        c.pieces(n, data, 0)
        equal(sha256(r.read("status", c.stored(n).name)), sha256(data), "bytes")
    c.quit()


@test
def small_items_pass_between_the_pieces(t):
    r = t.shared("open", {"limits": {"inline": "64K"}})
    c = r.client(hello=t.queue())
    data = t.bytes(2 * MIB)
    open_item(c, 1, data)
    for n, offset in enumerate(range(0, len(data), PIECE), 2):
        if offset + PIECE < len(data):
            c.pieces(1, data, offset, offset + PIECE)
        c.put(n, "status", b"small %d" % n)
        c.stored(n)
    c.pieces(1, data, len(data) - PIECE)
    c.stored(1)
    c.quit()


@test
def put_larger_than_inline_is_told_to_open(t):
    r = t.shared("open", {"limits": {"inline": "64K"}})
    c = r.client(hello=t.queue())
    equal(c.ready.inline, 65536, "inline")
    c.put(1, "status", t.bytes(65537))
    equal(c.answer(1).code, "use-open", "code")
    c.put(2, "status", t.bytes(65536))
    c.stored(2)
    c.quit()


@test
def upload_goes_on_where_it_was_cut_off(t):
    r = t.receiver()
    queue, data = t.queue(), t.bytes(3 * MIB + 5)
    for end in (1, MIB + 3, 2 * MIB, len(data) - 1):
        begin_and_cut(t, r, queue, data, end)
    c = r.client(hello=queue)
    offset = open_item(c, 1, data)
    equal(offset, len(data) - 1, "offset")
    c.pieces(1, data, offset)
    equal(sha256(r.read("status", c.stored(1).name)), sha256(data), "bytes")
    c.quit()


@test
def upload_goes_on_after_a_clean_restart(t):
    r = t.receiver()
    queue, data = t.queue(), t.bytes(2 * MIB)
    begin_and_cut(t, r, queue, data, MIB)
    r.restart()
    c = r.client(hello=queue)
    equal(open_item(c, 1, data), MIB, "offset")
    c.pieces(1, data, MIB)
    c.stored(1)
    c.quit()


@test
def upload_begins_again_after_a_kill(t):
    r = t.receiver()
    queue, data = t.queue(), t.bytes(2 * MIB)
    begin_and_cut(t, r, queue, data, MIB)
    r.kill()
    r.start()
    equal(partials(r), [], "partials after an unclean stop on the same boot")
    c = r.client(hello=queue)
    equal(open_item(c, 1, data), 0, "offset")
    c.pieces(1, data, 0)
    c.stored(1)
    c.quit()


@test
def upload_that_a_new_group_could_not_read_begins_again(t):
    r = t.receiver()
    queue, data = t.queue(), t.bytes(2 * MIB)
    begin_and_cut(t, r, queue, data, MIB)
    r.stop()
    r.inboxes["status"]["group"] = grp.getgrgid(os.getegid()).gr_name
    r.write_conf()
    r.make()
    r.start()
    c = r.client(hello=queue)
    c.announce(1, "status", data, verb="OPEN")
    later = c.answer(1)
    equal((later.verb, later.code), ("LATER", "busy"), "answer to OPEN")
    equal(open_item(c, 1, data), 0, "offset")
    c.pieces(1, data, 0)
    mode = os.stat(r.path("status", c.stored(1).name)).st_mode
    equal(oct(stat.S_IMODE(mode)), "0o640", "mode of the item")
    c.quit()


@test
def spoilt_resumed_upload_begins_again_once(t):
    r = t.receiver()
    queue, data = t.queue(), t.bytes(2 * MIB)
    begin_and_cut(t, r, queue, data, MIB)
    with open(r.path("status", partials(r)[0], "tmp"), "r+b") as file:
        file.seek(1000)
        file.write(bytes([data[1000] ^ 1]))
    c = r.client(hello=queue)
    offset = open_item(c, 1, data)
    room = os.stat(r.path("status", partials(r)[0], "tmp")).st_blocks
    c.pieces(1, data, offset)
    send = c.answer(1)
    equal((send.verb, send.offset), ("SEND", 0), "SEND once more")
    equal(os.stat(r.path("status", partials(r)[0], "tmp")).st_blocks, room,
          "blocks that are reserved for it")
    c.pieces(1, data, 0)
    equal(sha256(r.read("status", c.stored(1).name)), sha256(data), "bytes")
    c.quit()


@test
def wrong_digest_is_later_and_leaves_nothing(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    data = t.bytes(MIB)
    c.pieces(1, data, open_item(c, 1, data, digest=sha256(b"other")))
    equal(c.answer(1).code, "digest", "code")
    equal(r.files("status", "tmp"), [], "tmp/")
    c.quit()


@test
def known_item_is_not_sent_twice(t):
    r = t.receiver()
    queue, data = t.queue(), t.bytes(MIB)
    c = r.client(hello=queue)
    c.pieces(1, data, open_item(c, 1, data))
    name = c.stored(1).name
    c.cut()
    c = r.client(hello=queue)
    c.announce(1, "status", data, verb="OPEN")
    line = c.stored(1)
    equal((line.name, line.again), (name, "1"), "answer")
    equal(r.files("status"), [name], "new/")
    c.quit()


@test
def ninth_open_item_is_busy(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    data = [t.bytes(1000 + i) for i in range(9)]
    for n in range(1, 9):
        open_item(c, n, data[n - 1])
    c.announce(9, "status", data[8], verb="OPEN")
    equal(c.answer(9).code, "busy", "code")
    for n in range(1, 9):
        c.pieces(n, data[n - 1], 0)
    for n in range(1, 9):
        c.stored(n)
    c.quit()


@test
def same_item_open_twice_is_busy(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    data = t.bytes(1000)
    open_item(c, 1, data)
    c.announce(1, "status", data, verb="OPEN")
    equal(c.answer(1).code, "busy", "code")
    c.quit()


@test
def data_before_send_is_an_error(t):
    r = t.shared()
    c = r.client(hello=t.queue())
    c.post("OPEN 1 status 3 %s\nDATA 1 0 3\nfoo" % sha256(b"foo"))
    line = c.expect("ERROR")
    equal(line.code, "state")
    contains(line.text, "not open")
    c.wait_close()


@test
def data_at_another_offset_is_an_error(t):
    for line in ("DATA 1 1 10\n", "DATA 1 0 1001\n", "DATA 2 0 10\n"):
        r = t.shared("open", {"limits": {"inline": "64K"}})
        c = r.client(hello=t.queue())
        open_item(c, 1, t.bytes(1000))
        c.send(line.encode() + b"0123456789")
        equal(c.expect("ERROR").code, "state" if " 2 " in line else "field", line)
        c.wait_close()


@test
def data_of_an_answered_item_is_dropped(t):
    r = t.shared("open", {"limits": {"inline": "64K"}})
    c = r.client(hello=t.queue())
    data = t.bytes(1000)
    c.pieces(1, data, open_item(c, 1, data, digest=sha256(b"other")))
    c.pieces(1, data, 0)
    equal(c.answer(1).code, "digest", "code")
    c.put(2, "status", b"after it")
    c.stored(2)
    c.quit()


@test
def refused_item_is_refused_at_its_open(t):
    r = t.receiver(inboxes={"status": {}, "small": {"size": "1000"}})
    c = r.client(hello=t.queue())
    for n, inbox, code in ((1, "nosuch", "no-inbox"), (2, "small", "too-large")):
        c.announce(n, inbox, t.bytes(1001), verb="OPEN")
        equal(c.answer(n).code, code, "code")
    c.quit()


@test
def skipped_item_is_dropped_and_makes_room(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    data = t.bytes(MIB)
    c.pieces(1, data, open_item(c, 1, data), 1000)
    c.post("SKIP 1 removed\n")
    line = c.answer(1)
    equal((line.verb, line.code), ("LATER", "trouble"), "each OPEN is answered")
    c.ping()
    equal(partials(r), [], "partials")
    c.quit()


@test
def old_partials_expire(t):
    r = t.receiver({"limits": {"partial": "60s"}})
    data = t.bytes(MIB)
    begin_and_cut(t, r, t.queue(), data, 1000)
    r.stop()
    path = r.path("status", partials(r)[0], "tmp")
    os.utime(path, (0, 0))
    r.start()
    until(lambda: not os.path.exists(path), 10, "the old partial to go")


@cases([("in order", "30s"), ("at its limit", "1s")])
def drain_keeps_what_has_come(t, drain):
    r = t.receiver({"receiver": {"drain": drain}})
    queue, data = t.queue(), t.bytes(2 * MIB)
    c = r.client(hello=queue)
    c.pieces(1, data, open_item(c, 1, data), MIB)
    c.ping()
    until(lambda: partial_size(r) == MIB, 10, "the first half to be there")
    r.stop(how=signal.SIGTERM)
    r.start()
    c = r.client(hello=queue)
    offset = open_item(c, 1, data)
    equal(offset, MIB, "where it goes on")
    c.pieces(1, data, offset)
    c.stored(1)
    c.quit()


if __name__ == "__main__":
    main()
