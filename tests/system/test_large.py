#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Large items: OPEN and DATA.  An upload goes on where it was cut off, small items pass it, and
whatever a receiver says of it, the item leaves the queue by its STORED only (P5)."""

import contextlib
import hashlib
import os
import re
import select
import signal
import socket
import threading
import time

from client import sha256
from copyqueue import SET_ASIDE, TEMPFAIL, Queue, all_there, run_in_background, said
from fakereceiver import Cut, FakeReceiver
from harness import (Skip, bound, contains, equal, file_digest, main, sanitizers, slow, test,
                     until)

MIB = 1 << 20
FRAME = 262144


def large(t, mib=2, more=12345):
    """Bytes that no resumed upload can mix up: every 32 of them differ."""
    block = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(MIB // 32))
    start = bytes([t.random.randrange(256)])
    return (start + block * mib)[:mib * MIB + more] + bytes(more and 1)


def went_well(fake, items):
    equal(fake.wrong, [], "what the client may not say")
    equal({n: sha256(data) for n, data in fake.stored.items()},
          {n: sha256(data) for n, data in items.items()}, "what was stored")


def again_and_again(q, cycles):
    """Cycles, until one has taken all."""
    for _ in range(cycles):
        if q("run", "--once", expect=None).returncode == 0:
            return
    raise AssertionError("not done after %d cycles" % cycles)


def once(t, q, fake, items, expect=0):
    """One cycle; then all items are stored and none is left."""
    q("run", "--once", expect=expect)
    went_well(fake, items)
    equal((q.numbers(), q.numbers("failed")), ([], []), "queue/ and failed/")


# ---- the plain way

@test
def items_over_inline_are_opened_and_others_put(t):
    fake = FakeReceiver(t, inline=100000)
    q = Queue(t, fake)
    sizes = [0, 1, 99999, 100000, 100001, FRAME, FRAME + 1, 5 * MIB]
    items = q.add("status", *[large(t, 5)[:size] for size in sizes])
    once(t, q, fake, items)
    equal([int(line.split()[1]) for line in fake.said("PUT")], [1, 2, 3, 4], "PUT")
    equal(sorted(int(line.split()[1]) for line in fake.said("OPEN")), [5, 6, 7, 8], "OPEN")


@test
def before_ready_nothing_is_opened(t):
    """READY may say that this receiver takes it by PUT."""
    seen = []

    def odd(c, line):
        if line.startswith("HELLO"):
            seen.append(c.is_quiet(1))  # what comes with HELLO, before READY is said
            raise Cut
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", large(t, 1, 0) + b"!")
    q("run", "--once", expect=TEMPFAIL)
    equal(seen, [True], "nothing behind HELLO")
    fake.odd = None
    once(t, q, fake, items)


@test
def no_more_than_two_are_open_at_once(t):
    most = [0]

    def odd(c, line):
        most[0] = max(most[0], len(c.opened))
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", *[large(t, 2, n) for n in range(1, 6)], b"small")
    once(t, q, fake, items)
    equal(most[0], 2, "open at once")


# ---- beside small ones

@test
def small_items_pass_a_large_one(t):
    """The window is one item, so each waits for an answer; what is buffered comes between."""
    between, state = [], {"bytes": None}

    def odd(c, line):
        words = line.split(" ")
        if words[0] == "PUT":
            if state["bytes"] is not None:
                between.append(state["bytes"])
            state["bytes"] = 0
        elif words[0] == "DATA" and state["bytes"] is not None:
            state["bytes"] += int(words[3])
        return False
    fake = FakeReceiver(t, odd, window=1)
    q = Queue(t, fake)
    items = q.add("status", large(t, 40), *[b"small %d" % n for n in range(40)])
    once(t, q, fake, items)
    order = [line.split(" ")[0] for line in fake.said("PUT", "DATA")]
    assert "DATA" in order[order.index("PUT"):], order
    assert order.index("PUT") < len(order) - 1 - order[::-1].index("DATA"), "DATA went first"
    t.note("bytes of DATA between an answer and the next PUT: %s" % between)
    # How fast answers come is the machine's, which may be busy with others for a moment; a
    # sanitizer makes all of them late.
    assert sanitizers() or sorted(between)[len(between) * 3 // 4] <= MIB, between


@test
def large_item_is_not_starved_by_small_ones(t):
    fake = FakeReceiver(t)
    q = Queue(t, fake)
    items = q.add("status", large(t, 3), *[large(t, 1)[:500000] for _ in range(30)])
    once(t, q, fake, items)
    order = "".join("d" if line.startswith("DATA") else "p" for line in fake.said("PUT", "DATA"))
    first = order.index("d")
    runs = re.findall("p+", order[first:order.rindex("d")])
    assert runs and max(len(run) for run in runs) <= 5, order


# ---- cut off and resumed

@test
def upload_goes_on_at_any_byte_it_was_cut_at(t):
    """First at chosen offsets into lines and bytes, then at random ones."""
    cuts = [1, 80, 150, 200, 230, 231, 232, 233, 240, 250, 260, 300, FRAME, FRAME + 250,
            2 * FRAME + 300]
    cuts += [t.random.randrange(1, 120000) for _ in range(40)]
    fake = FakeReceiver(t, cuts=dict(enumerate(cuts, 1)))
    q = Queue(t, fake)
    items = q.add("status", large(t, 3))
    again_and_again(q, len(cuts) + 1)
    went_well(fake, items)
    assert fake.connections > 20, fake.connections
    t.note("%d connections" % fake.connections)
    sent = sum(int(line.split(" ")[3]) for line in fake.said("DATA"))
    # Lines of frames that were cut count whole; but never was it begun anew.
    offsets = [int(line.split(" ")[2]) for line in fake.said("DATA")]
    equal(offsets, sorted(offsets), "offsets")
    assert sent <= 3 * MIB + 12345 + 1 + fake.connections * FRAME, sent


@test
def small_items_beside_a_cut_upload_arrive_once_each(t):
    cuts = {n: t.random.randrange(1, 400000) for n in range(1, 30)}
    fake = FakeReceiver(t, cuts=cuts)
    q = Queue(t, fake)
    items = q.add("status", b"before", large(t, 2), b"after", large(t, 2, 7), t.bytes(70000))
    again_and_again(q, len(cuts) + 1)
    went_well(fake, items)


@test
def other_server_begins_at_its_own_offset(t):
    first, second = FakeReceiver(t, cuts={1: MIB}), FakeReceiver(t, host="fake2")
    q = Queue(t, first, second)
    items = q.add("status", large(t))
    once(t, q, second, items)
    assert 0 < len(next(iter(first.partials.values()))) < 2 * MIB, "what the first one has"
    equal(second.said("DATA")[0].split(" ")[2], "0", "offset at the second")


# ---- what else a receiver may say

@test
def spoilt_upload_is_begun_again_once(t):
    times = []

    def complete(c, n, whole):
        times.append(len(whole))
        if len(times) > 1:
            return False
        del whole[:]
        c.say("SEND %d 0" % n)
        return True
    fake = FakeReceiver(t, on_complete=complete)
    q = Queue(t, fake)
    items = q.add("status", large(t), b"small")
    once(t, q, fake, items)
    equal(len(times), 2, "uploads")
    equal(len(fake.said("OPEN")), 1, "OPEN")


@test
def who_has_had_no_byte_cannot_have_an_item_looked_at_for_damage(t):
    """That takes as long as to read it all."""
    def odd(c, line):
        if line.startswith("OPEN"):
            c.say("LATER %s 60 digest it is spoilt" % line.split()[1])
            return True
        return False
    fake = FakeReceiver(t, odd, inline=1000)
    q = Queue(t, fake)
    q.add("status", large(t))
    with open(os.path.join(q.spool, "queue", "%020d" % 1), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    q("run", "--once", expect=TEMPFAIL)
    equal((q.numbers(), q.numbers("failed")), ([1], []))
    # Once it has, that is so.
    fake.odd = None
    q("run", "--once", expect=SET_ASIDE)
    equal((q.numbers(), q.numbers("failed")), ([], [1]))


@test
def upload_spoilt_twice_waits_and_others_go_on(t):
    times = []

    def complete(c, n, whole):
        if n != 1:
            return False
        times.append(n)
        del whole[:]
        c.say("SEND %d 0" % n)
        return True
    fake = FakeReceiver(t, on_complete=complete)
    q = Queue(t, fake)
    items = q.add("status", large(t), b"small", large(t, 2, 1), large(t, 2, 2))
    done = q("run", "--once", expect=TEMPFAIL)
    contains(done.stderr, "reason=digest")
    equal(len(times), 2, "uploads")
    del items[1]
    went_well(fake, items)
    equal((q.numbers(), q.numbers("failed")), ([1], []))
    contains(fake.lines[-1], "QUIT")
    # The next session begins anew, with a try of its own.
    fake.on_complete = lambda *_: False
    q("run", "--once")
    equal(q.numbers(), [])


@test
def item_that_went_bad_on_our_disk_is_set_aside(t):
    fake = FakeReceiver(t)
    q = Queue(t, fake)
    items = q.add("status", large(t), b"small")
    with open(os.path.join(q.spool, "queue", "%020d" % 1), "r+b") as file:
        file.seek(MIB)
        file.write(b"not what it was")
    q("run", "--once", expect=SET_ASIDE)
    del items[1]
    went_well(fake, items)
    equal((q.numbers(), q.numbers("failed")), ([], [1]))
    equal(fake.said("SKIP"), ["SKIP 1 refused"])


MIDWAY = 60  # frames at most, of 120: what is on its way when the answer to the third comes


def answer_midway(t, answer, expect=0, **ready):
    """`answer` comes after the second frame of item 1; item 2 is large and item 3 small, too."""
    frames = []

    def odd(c, line):
        if line.startswith("DATA 1 "):
            frames.append(line)
            if len(frames) == 3:
                # First: the client may be gone before this thread goes on.
                fake.stored[1] = b"" if answer.startswith("STORED") else None
                c.answer(1, answer)
        return False
    fake = FakeReceiver(t, odd, **ready)
    q = Queue(t, fake)
    items = q.add("status", large(t, 30), large(t, 12, 1), b"small")
    done = q("run", "--once", expect=expect)
    equal(fake.wrong, [], "what the client may not say")
    return fake, q, items, len(frames), done


@test
def stored_before_stops_the_upload(t):
    fake, q, _, frames, _ = answer_midway(t, "STORED 1 name-1 again=1")
    equal((q.numbers(), q.numbers("failed")), ([], []))
    assert frames <= MIDWAY, "%d frames" % frames
    equal(sorted(fake.stored), [1, 2, 3])


@test
def stored_that_cannot_be_is_not_believed(t):
    fake, q, _, frames, done = answer_midway(t, "STORED 1 name-1", TEMPFAIL)
    assert 1 in q.numbers(), q.numbers()
    contains(done.stderr, "session_lost")
    assert frames <= MIDWAY, "%d frames" % frames
    fake.stored.pop(1)
    fake.odd = None
    q("run", "--once")
    equal(q.numbers(), [])


@test
def stored_before_any_send_is_not_believed_either(t):
    """Without again=1: what was stored before is known, and what is not known is asked for."""
    def odd(c, line):
        if line.startswith("OPEN 1"):
            c.say("STORED 1 name-1")
            return True
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", large(t))
    q("run", "--once", expect=TEMPFAIL)
    equal(q.numbers(), [1])
    fake.odd = None
    once(t, q, fake, items)


@test
def later_stops_the_upload_and_keeps_the_item(t):
    fake, q, items, frames, _ = answer_midway(t, "LATER 1 60 full no space", TEMPFAIL)
    equal((q.numbers(), q.numbers("failed")), ([1], []))
    assert frames <= MIDWAY, "%d frames" % frames
    equal(sha256(fake.stored[2]), sha256(items[2]))
    contains(fake.lines[-1], "QUIT")


@test
def refused_stops_the_upload_and_sets_the_item_aside(t):
    _, q, _, frames, _ = answer_midway(t, "REFUSED 1 too-large really", SET_ASIDE)
    equal((q.numbers(), q.numbers("failed")), ([], [1]))
    assert frames <= MIDWAY, "%d frames" % frames


@test
def send_out_of_place_ends_the_session_and_costs_nothing(t):
    for n, words in enumerate(("SEND 1 2109786", "SEND 1 9223372036854775807", "SEND 2 0",
                               "SEND 77 0", "SEND 1 0", "SEND 1 300000")):
        midway = n >= 4

        def odd(c, line, words=words, midway=midway):
            if line.startswith("DATA 1" if midway else "OPEN 1"):
                c.say(words)
                return not midway
            return False
        fake = FakeReceiver(t, odd)
        q = Queue(t, fake)
        items = q.add("status", large(t), b"small")
        done = q("run", "--once", expect=TEMPFAIL)
        contains(done.stderr, "SEND out of place", words)
        assert 1 in q.numbers(), (words, q.numbers())
        fake.odd = None
        once(t, q, fake, items)


@test
def send_of_all_there_is_asks_for_nothing(t):
    """The receiver had it all, and only its answer was lost."""
    data = large(t)

    def odd(c, line):
        if line.startswith("OPEN"):
            c.say("SEND 1 %d" % len(data))
            assert c.is_quiet(0.3), "the client sent something"
            fake.stored[1] = data
            c.say("STORED 1 name-1")
            return True
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", data)
    once(t, q, fake, items)
    equal(fake.said("DATA"), [])


@test
def receiver_without_open_gets_put(t):
    def odd(c, line):
        if line.startswith("OPEN"):
            c.say("LATER %s 60 use-put any size" % line.split(" ")[1])
            return True
        return False
    for ready in ({"inline": 1 << 30, "item": 1 << 30}, {}):
        fake = FakeReceiver(t, odd, **ready)
        q = Queue(t, fake)
        items = q.add("status", large(t), b"small", *[large(t, 1, n) for n in range(1, 5)])
        once(t, q, fake, items)
        equal(len(fake.said("PUT")), 6)


@test
def receiver_with_a_smaller_put_gets_open(t):
    def odd(c, line):
        words = line.split(" ")
        if words[0] == "PUT" and int(words[3]) > 1000:
            c.body(int(words[3]))
            c.say("LATER %s 60 use-open PUT takes 1000 bytes" % words[1])
            return True
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", *[large(t, 1)[:size] for size in (10, 5000, 60000, 10, 90000)])
    once(t, q, fake, items)
    equal(len(fake.said("OPEN")), 3)


@test
def receiver_that_wants_neither_verb_is_not_kept_busy(t):
    def odd(c, line):
        words = line.split(" ")
        if words[0] in ("PUT", "OPEN") and words[1] == "1":
            if words[0] == "PUT":
                c.body(int(words[3]))
            c.say("LATER 1 1 %s go away" % ("use-put" if words[0] == "OPEN" else "use-open"))
            return True
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    q.add("status", large(t), b"small")
    q("run", "--once", expect=TEMPFAIL)
    equal(q.numbers(), [1])
    equal(len(fake.said("PUT", "OPEN")), 3, "tries: two of item 1, one of item 2")


@test
def busy_passes_within_one_cycle(t):
    tries = []

    def odd(c, line):
        if line.startswith("OPEN") and len(tries) < 2:
            tries.append(time.monotonic())
            c.say("LATER 1 1 busy open on another connection")
            return True
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", large(t))
    once(t, q, fake, items)
    equal(len(tries), 2)


@test
def busy_for_long_is_for_the_next_cycle(t):
    def odd(c, line):
        if line.startswith("OPEN"):
            c.say("LATER 1 86400 busy open on another connection")
            return True
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    q.add("status", large(t), b"small")
    q("run", "--once", expect=TEMPFAIL)
    equal(q.numbers(), [1])
    equal(len(fake.said("OPEN")), 1, "tries")


@test
def slow_link_takes_longer_than_the_timeout_and_loses_no_session(t):
    fake = FakeReceiver(t, inline=700000)
    fake.rate = 163840  # a TLS record each tenth of a second
    q = Queue(t, fake, timeout="2s")
    items = q.add("status", large(t, 1)[:700000], large(t, 1)[:700001], b"small")
    once(t, q, fake, items)
    equal(fake.connections, 1, "connections")


# ---- our own side

@test
def file_that_becomes_shorter_is_set_aside_and_others_go_on(t):
    def odd(c, line):
        if line.startswith("DATA 1 0 "):
            os.truncate(path, 2 * MIB)
        return False
    fake = FakeReceiver(t, odd)
    q = Queue(t, fake)
    items = q.add("status", large(t, 8), b"small")
    path = os.path.join(q.spool, "queue", "%020d" % 1)
    q("run", "--once", expect=SET_ASIDE)
    del items[1]
    went_well(fake, items)
    equal((q.numbers(), q.numbers("failed")), ([], [1]))
    contains(q("list").stdout, "damaged")
    equal(fake.connections, 1, "connections")
    equal(fake.said("SKIP"), ["SKIP 1 refused"])


def hold(t, mib, **ready):
    """A run that is held amid an upload: (queue, process, fake, let_go)."""
    held = []

    def odd(c, line):
        if line.startswith("DATA 1") and int(line.split(" ")[2]) >= (mib - 2) * MIB and not held:
            held.append(True)
            until(lambda: len(held) > 1, 30, "to be let go")
        return False
    fake = FakeReceiver(t, odd, **ready)
    q = Queue(t, fake)
    items = q.add("status", large(t, mib))
    run = run_in_background(t, q, "--once", "-v")
    until(lambda: held, 30, "the upload")
    return q, run, fake, items, lambda: held.append(True)


@test
def memory_does_not_grow_with_the_item(t):
    if "address" in sanitizers():
        raise Skip("AddressSanitizer holds on to memory that was freed")
    peaks = []
    for mib in (3, 96):
        q, run, fake, items, let_go = hold(t, mib)
        with open("/proc/%d/status" % run.pid, encoding="ascii") as file:
            peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)))
        let_go()
        equal(run.wait(bound(60)), 0, said(q))
        went_well(fake, items)
    t.note("VmHWM with an item of 3 MiB and of 96 MiB: %d and %d KiB" % tuple(peaks))
    assert peaks[1] < peaks[0] + 1024 * slow(), peaks


@test
def progress_counts_the_bytes_of_an_item_under_way(t):
    q, run, _, _, let_go = hold(t, 20)
    until(lambda: re.search(r"0 of 1 items, 1[89]\.[0-9] MiB", said(q)), 10, "bytes under way")
    let_go()
    equal(run.wait(bound(60)), 0, said(q))
    contains(said(q), "1 of 1 items, 20.0 MiB")


@test
def sigterm_ends_an_upload_in_order_and_the_next_run_goes_on(t):
    q, run, fake, items, let_go = hold(t, 20)
    run.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    let_go()
    equal(run.wait(bound(10)), TEMPFAIL, said(q))
    equal(fake.lines[-1], "QUIT")
    equal(q.numbers(), [1])
    there = len(next(iter(fake.partials.values())))
    assert there < 20 * MIB, there
    mark = len(fake.lines)
    once(t, q, fake, items)
    offsets = [int(line.split(" ")[2]) for line in fake.lines[mark:] if line.startswith("DATA")]
    equal(offsets[0], there, "where it goes on")


# ---- with the real receiver

LIMITS = {"limits": {"item": "8G"}}


def offsets(text):
    """From where the receiver wanted bytes, each time."""
    return [int(offset) for offset in re.findall(r"event=upload_from n=\d+ offset=(\d+)", text)]


def partial_size(r):
    parts = [r.path("status", name, "tmp") for name in r.files("status", "tmp")
             if name.startswith("part-")]
    return sum(os.stat(path).st_size for path in parts if os.path.exists(path))


def begin_upload(t, q, r, enough=4 * MIB):
    """A run, once so many bytes of its large item have come."""
    run = run_in_background(t, q, "--once")
    until(lambda: run.poll() is not None or partial_size(r) > enough, 30, "the upload")
    equal(run.poll(), None, "the upload was over too soon; exit code")
    return run


@test
def items_of_all_sizes_arrive(t):
    r = t.receiver({"limits": {"inline": "64K", "item": "8G"}})
    q = Queue(t, r)
    items = q.add("status", *[large(t, 5)[:size] for size in (
        0, 1, 65535, 65536, 65537, FRAME - 1, FRAME, FRAME + 1, MIB, MIB + 1, 5 * MIB)])
    done = q("run", "--once")
    all_there(r, items.values())
    equal((q.numbers(), q.numbers("failed")), ([], []))
    equal(offsets(done.stderr), [0] * 7)
    row = r.client_row(q.id())
    equal((row["settled"], row["missing"], row["stored"]), (12, 0, 11))


@test
def killed_client_goes_on_where_it_was(t):
    r = t.receiver(LIMITS)
    q = Queue(t, r)
    items = q.add("status", large(t, 96), b"small")
    for _ in range(2):
        run = begin_upload(t, q, r, partial_size(r) + 8 * MIB)
        run.kill()
        run.wait(bound(30))
    done = q("run", "--once")
    all_there(r, items.values())
    assert max(offsets(done.stderr)) >= 16 * MIB, offsets(done.stderr)


@test
def restarted_receiver_goes_on_where_it_was(t):
    r = t.receiver(LIMITS)
    q = Queue(t, r)
    items = q.add("status", large(t, 96))
    run = begin_upload(t, q, r)
    r.stop()
    run.wait(bound(30))
    there = partial_size(r)
    assert there > 4 * MIB, there
    r.start()
    q.point_at(r)
    done = q("run", "--once")
    all_there(r, items.values())
    equal(offsets(done.stderr), [there])


@test
def failed_start_spoils_no_upload(t):
    """It takes nothing in, so what the last run left in order stays in order."""
    r = t.receiver(LIMITS)
    q = Queue(t, r)
    items = q.add("status", large(t, 96))
    run = begin_upload(t, q, r)
    r.stop()
    run.wait(bound(30))
    there = partial_size(r)
    tls = r.sections["tls"]
    tls["certificate"] += ".gone"
    r.write_conf()
    r.start(wait=False)
    r.wait_end(75)
    tls["certificate"] = tls["certificate"][:-len(".gone")]
    r.write_conf()
    r.start()
    q.point_at(r)
    done = q("run", "--once")
    all_there(r, items.values())
    equal(offsets(done.stderr), [there])


@test
def killed_receiver_begins_anew(t):
    r = t.receiver(LIMITS)
    q = Queue(t, r)
    items = q.add("status", large(t, 96))
    run = begin_upload(t, q, r)
    r.kill()
    run.wait(bound(30))
    r.start()
    q.point_at(r)
    done = q("run", "--once")
    all_there(r, items.values())
    equal(offsets(done.stderr), [0], "the page cache is not trusted")


@test
def other_receiver_takes_over(t):
    first, second = t.receiver(LIMITS), t.receiver({"receiver": {"host": "cap2"}, **LIMITS})
    q = Queue(t, first, second)
    items = q.add("status", large(t, 96), b"small")
    run = begin_upload(t, q, first)
    first.stop()
    equal(run.wait(bound(60)), 0, said(q))
    equal(offsets(said(q)), [0, 0])
    equal(sorted(file_digest(r.path("status", name)) for r in (first, second)
                 for name in r.files("status")), sorted(sha256(data) for data in items.values()))
    first.start()
    q.point_at(first, second)
    q.add("status", b"next")
    q("run", "--once")
    equal(first.client_row(q.id())["missing"], 0, "missing at the first")


class Cutter:
    """Between client and receiver: ends each connection after some bytes, whatever they are."""

    def __init__(self, t, r, cuts):
        self.target, self.cuts = r.address, cuts
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        t.closing.append(self)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), client, \
                    socket.create_connection(self.target) as server:
                self.forward(client, server, self.cuts.pop(0) if self.cuts else None)

    @staticmethod
    def forward(client, server, left):
        while left is None or left > 0:
            ready, _, _ = select.select([client, server], [], [], 60)
            for sock in ready:
                data = sock.recv(65536 if sock is server or left is None else min(65536, left))
                if not data:
                    return
                (client if sock is server else server).sendall(data)
                if sock is client and left is not None:
                    left -= len(data)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@test
def real_receiver_goes_on_at_any_byte_it_was_cut_at(t):
    r = t.receiver(LIMITS)
    r.others = True
    cutter = Cutter(t, r, [t.random.randrange(1000, 200000) for _ in range(32)])
    q = Queue(t, servers=["127.0.0.1:%d" % cutter.port])
    items = q.add("status", large(t, 3), b"small", large(t, 2, 1))
    stderr = ""
    for _ in range(40):
        done = q("run", "--once", expect=None)
        stderr += done.stderr
        if done.returncode == 0:
            break
    all_there(r, items.values())
    equal(q.numbers(), [])
    equal(r.client_row(q.id())["missing"], 0)
    assert len(offsets(stderr)) > 8 and max(offsets(stderr)) > MIB, offsets(stderr)


@test
def item_of_more_than_4_gib_arrives_and_small_ones_pass_it(t):
    if not os.environ.get("TEST_HUGE"):
        raise Skip("needs 9 GiB of disk and minutes: set TEST_HUGE=1")
    signal.alarm(1800)
    r = t.receiver(LIMITS)
    r.others = True
    q = Queue(t, r)
    path = os.path.join(q.folder, "huge")
    with open(path, "wb") as file:
        file.write(b"begin")
        file.truncate(4 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"!")
    q("add", "-i", "status", path, timeout=900)
    begun = time.monotonic()
    run = run_in_background(t, q, "-v")
    until(lambda: partial_size(r) > 100 * MIB, 60, "the upload")
    waits = []
    while partial_size(r) and run.poll() is None:
        count = len(r.files("status"))
        started = time.monotonic()
        q.add("status", b"small %f" % started)
        until(lambda n=count: len(r.files("status")) > n, 60, "a small item")
        waits.append(time.monotonic() - started)
        with open("/proc/%d/status" % run.pid, encoding="ascii") as file:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))
    until(lambda: not q.numbers(), 300, "the end of the upload")
    t.note("%.0f s; %d small items meanwhile, each in new/ after %.2f to %.2f s; VmHWM %d KiB" % (
        time.monotonic() - begun, len(waits), min(waits), max(waits), peak))
    run.send_signal(signal.SIGTERM)
    equal(run.wait(bound(20)), 0, said(q))
    sizes = [os.stat(r.path("status", name)).st_size for name in r.files("status")]
    equal(max(sizes), (4 << 30) + 1)
    digests = {file_digest(r.path("status", name)) for name in r.files("status")}
    assert file_digest(path) in digests, "the bytes"
    assert len(waits) > 3 and max(waits) < 10, waits
    assert peak < 32768, peak


if __name__ == "__main__":
    main()
