#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What is missing is known by its numbers, and since when, and stays so (P8).

Whatever ends the receiver, and whatever segment its ledger goes on in; until the numbers come
after all, somebody confirms that they will not, or the queue is forgotten.
"""

import os

from harness import INBOXCTL, Unix, equal, main, test, until
from made import Made, ledger, lines_of

GAUGE = "inboxd_gaps_unknown"
SMALL_SEGMENTS = {"receiver": {"ledger-size": "65536"}}


def told(r, queue):
    """The queue's gaps as (first, last, missing, known), each with a date that can be."""
    row = r.client_row(queue)
    for gap in row["gaps"]:
        assert gap["since"] is None or 0 <= r.json("/clients")["now"] - gap["since"] < 60, gap
    return [(gap["first"], gap["last"], gap["missing"], gap["known"]) for gap in row["gaps"]]


def rotate(t, r):
    """Until the ledger goes on in a new segment."""
    c = r.client("filler.example.org", hello=t.queue())
    before = len(segments(r))
    for n in range(1, 500):
        c.skip(n, "removed")
        c.settled(n + 1)
        if n % 20 == 0:
            c.ping()
            if len(segments(r)) > before:
                break
    until(lambda: len(segments(r)) > before, 10, "a rotation")
    c.close()


def segments(r):
    folder = os.path.join(r.root, "ledger")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.endswith(".log")]


def survive(t, r, ends=("restart", "kill", "rotation", "restart", "rotation")):
    """Each way for the receiver to go on elsewhere, one after the other."""
    for end in ends:
        if end == "kill":
            r.kill()
            r.start()
        elif end == "rotation":
            rotate(t, r)
        else:
            r.restart()
        yield end


def make_gaps(r, queue, who="pc1.example.org"):
    """Missing are 2, 4 to 6 and 9; 8 is skipped, the others are stored."""
    c = r.client(who, hello=queue)
    for n in (1, 3, 7, 10):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    c.skip(8, "removed")
    c.settled(11)
    c.ping()
    equal(r.client_row(queue)["settled"], 11)  # the commit thread has heard of it
    return c


@test
def what_is_missing_is_told_with_its_numbers_and_since_when(t):
    r = t.receiver(SMALL_SEGMENTS)
    queue = t.queue()
    make_gaps(r, queue).quit()
    wanted = [(2, 2, 1, False), (4, 6, 3, False), (9, 9, 1, False)]
    equal(told(r, queue), wanted)
    row = r.client_row(queue)
    equal((row["missing"], row["gaps_total"], row["gaps_unknown"]), (5, 3, 3))
    assert all(gap["since"] for gap in row["gaps"]), row
    equal(r.metric(GAUGE), 3)
    since = [gap["since"] for gap in row["gaps"]]
    for end in survive(t, r):
        row = r.client_row(queue)
        equal(told(r, queue), wanted, end)
        equal([gap["since"] for gap in row["gaps"]], since, end)
        equal((row["missing"], row["gaps_unknown"]), (5, 3), end)
        equal(r.metric(GAUGE), 3, end)
    # Each segment has them behind its state, where a receiver that knows none passes them over;
    # and each of them is told once.
    rows, _ = ledger(t, r.root, "--type", "gap", "--queue", queue)
    equal([(row["n"], row["to"]) for row in rows], [(2, 2), (4, 6), (9, 9)])
    for path in segments(r):
        types = [line.split()[1] for line in lines_of(path)]
        assert b"gap" not in types[:types.index(b"state")], path


@test
def a_number_that_comes_after_all_is_missing_no_more(t):
    r = t.receiver(SMALL_SEGMENTS)
    queue = t.queue()
    c = make_gaps(r, queue)
    c.put(5, "status", b"late")
    name = c.stored(5).name
    c.skip(9, "removed")
    c.ping()
    wanted = [(2, 2, 1, False), (4, 4, 1, False), (6, 6, 1, False)]
    equal(told(r, queue), wanted)
    row = r.client_row(queue)
    equal((row["missing"], row["reused"], row["skipped"]), (3, 0, 2))
    r.wait_log(r"event=gap_ended client=pc1.example.org queue=%s n=5 how=stored " % queue)
    r.wait_log(r"event=gap_ended client=pc1.example.org queue=%s n=9 how=skipped " % queue)
    # Now it has been used.
    c.put(5, "status", b"another")
    c.stored(5)
    equal(r.client_row(queue)["reused"], 1)
    c.quit()
    for end in survive(t, r):
        row = r.client_row(queue)
        equal(told(r, queue), wanted, end)
        equal((row["missing"], row["reused"], row["skipped"]), (3, 1, 2), end)
    assert name in r.files("status")
    c = r.client("pc1.example.org", hello=dict(queue=queue, settled=11))
    for n in (2, 4, 6):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    equal((told(r, queue), r.client_row(queue)["missing"]), ([], 0))


@test
def a_client_that_leaves_out_every_second_number_hides_nothing(t):
    r = t.receiver(SMALL_SEGMENTS)
    queue = t.queue()
    c = r.client("pc1.example.org", hello=queue)
    for n in range(2, 102, 2):
        c.skip(n, "removed")
    c.settled(102)
    c.ping()
    c.quit()
    for end in ["", *survive(t, r, ("restart", "rotation", "kill"))]:
        row, gaps = r.client_row(queue), told(r, queue)
        equal(len(gaps), 32, end)
        equal(sum(missing for _, _, missing, _ in gaps), 51, end)
        equal((gaps[0][0], gaps[-1][:2]), (1, (101, 101)), end)
        equal((row["missing"], row["gaps_total"], row["gaps_unknown"]), (51, 51, 51), end)
    rows, _ = ledger(t, r.root, "--type", "gap", "--queue", queue)
    equal([row["n"] for row in rows], list(range(1, 102, 2)))


@test
def what_somebody_has_confirmed_stays_so(t):
    """A kill in the moment of the answer included, and told by the ledger, too."""
    r = t.receiver(SMALL_SEGMENTS)
    queue = t.queue()
    make_gaps(r, queue).quit()
    for first, last in ((2, 2), (5, 20)):
        connection = Unix(r.socket, 10)
        connection.request("POST", "/gap", body="identity=pc1.example.org&first=%d&last=%d" %
                           (first, last))
        equal(connection.getresponse().status, 200)
        r.kill()
        r.start()
    wanted = [(2, 2, 1, True), (4, 4, 1, False), (5, 6, 2, True), (9, 9, 1, True)]
    for end in ["", *survive(t, r)]:
        row = r.client_row(queue)
        equal(told(r, queue), wanted, end)
        equal((row["missing"], row["gaps_total"], row["gaps_unknown"]), (5, 4, 1), end)
        equal(r.metric(GAUGE), 1, end)
    rows, _ = ledger(t, r.root, "--type", "gap", "--queue", queue)
    equal([(row["n"], row["to"], row["known"]) for row in rows],
          [(2, 2, 0), (4, 6, 0), (9, 9, 0), (2, 2, 1), (5, 20, 1)])
    text, _ = ledger(t, r.root, "--type", "gap", "--queue", queue, json_lines=False)
    equal(sum(line.endswith(" 5 to 20 known=1") for line in text.splitlines()), 1)
    # One that comes after all is not known to be missing.
    c = r.client("pc1.example.org", hello=dict(queue=queue, settled=11))
    c.put(5, "status", b"late")
    c.stored(5)
    equal(told(r, queue), [(2, 2, 1, True), (4, 4, 1, False), (6, 6, 1, True), (9, 9, 1, True)])


@test
def gaps_go_with_their_queue(t):
    r = t.receiver()
    queue = t.queue()
    make_gaps(r, queue).quit()
    make_gaps(r, t.queue(), "pc2.example.org").quit()
    equal(r.metric(GAUGE), 6)
    r.at_rest()
    until(lambda: t.run([INBOXCTL, "forget", "-s", r.socket, "pc1.example.org"]).returncode == 0,
          10, "it to be forgotten")
    equal(r.metric(GAUGE), 3)
    r.restart()
    equal(r.metric(GAUGE), 3)
    c = r.client("pc1.example.org", hello=dict(queue=queue, settled=11))
    c.ping()
    equal((told(r, queue), r.client_row(queue)["missing"]), ([], 0))


@test
def a_ledger_of_before_gaps_were_kept_is_read(t):
    made = Made(t)
    old, new = t.queue(), t.queue()
    made.segment(0, 1, ["queue pc1.example.org %s 8 missing=3 stored=4" % old])
    made.add("queue pc2.example.org %s 1" % new, "gap pc2.example.org %s 1 2" % new,
             "gap pc2.example.org %s 4 4 colour=blue" % new,
             "skip pc2.example.org %s 3 removed" % new, "settled pc2.example.org %s 5" % new)
    r = t.receiver({"receiver": {"root": made.root}}, make=False)
    equal((told(r, old), r.client_row(old)["missing"]), ([], 3))
    row = r.client_row(new)
    equal([(gap["first"], gap["last"], gap["since"]) for gap in row["gaps"]],
          [(1, 2, None), (4, 4, None)])
    equal(r.metric(GAUGE), 2)


@test
def who_is_put_off_or_refused_is_told_and_remembered(t):
    """By a worker alone (a wrong digest), or with the commit thread's word."""
    r = t.receiver(inboxes={"status": {"size": "100"}})
    queue = t.queue()
    c = r.client("pc1.example.org", hello=queue)

    def figures():
        row = r.client_row(queue)
        return row["again"], row["later"], row["refused"], row["stored"]

    def answers(began):
        for n in range(began, began + 3):
            c.put(n, "status", b"%d" % n, digest="0" * 64)
            equal(c.answer(n).code, "digest")
        c.put(began, "status", b"x" * 101)
        equal(c.answer(began).code, "too-large")
        for _ in range(2):
            c.put(began, "status", b"%d" % began)
            c.stored(began)

    answers(1)
    equal(figures(), (1, 3, 1, 1))
    c.put(9, "status", b"9", digest="0" * 64)
    equal(c.answer(9).code, "digest")
    c.quit()
    until(lambda: figures() == (1, 4, 1, 1), 5, "the last one to be told")
    # A session of a moment, in which nothing else is counted.
    c = r.client("pc1.example.org", hello=queue)
    c.put(9, "status", b"9", digest="0" * 64)
    equal(c.answer(9).code, "digest")
    c.quit()
    until(lambda: figures() == (1, 5, 1, 1), 5, "that one to be told")
    for turn, how in enumerate(("restart", "kill")):
        until(lambda: not r.client_row(queue)["connected"], 5, "it to be gone")
        if how == "kill":
            # That a session is over is told a moment before its record is in the ledger.
            until(lambda: ledger(t, r.root, "--type", "queue", "--queue", queue)[0][-1][
                "later"] == 5 + 3 * turn, 5, "the queue's record")
            r.kill()
            r.start()
        else:
            r.restart()
        equal(figures(), (1 + turn, 5 + 3 * turn, 1 + turn, 1 + turn), how)
        c = r.client("pc1.example.org", hello=queue)
        answers(10 + 10 * turn)
        equal(figures(), (2 + turn, 8 + 3 * turn, 2 + turn, 2 + turn), how)
        c.quit()


main()
