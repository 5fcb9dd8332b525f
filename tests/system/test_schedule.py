# SPDX-License-Identifier: ISC
"""What inboxq run sends when: at once, in which order, and at what cost where much waits."""

import hashlib
import os
import re
import signal
import time

from copyqueue import TEMPFAIL, Queue, run_in_background, said
from fakereceiver import FakeReceiver
from harness import SHIMMED, Skip, bound, contains, equal, main, sanitizers, slow, test, until

MANY = int(os.environ.get("TEST_ITEMS", "20000"))  # items that wait
FEW = 10
ADDS = 20
HEADER = 1024


def lay(q, rows):
    """Items as adds would have left them: (number, inbox, priority, bytes)."""
    for part in ("", "tmp", "queue", "failed"):
        os.makedirs(os.path.join(q.spool, part), mode=0o700, exist_ok=True)
    folder = os.open(os.path.join(q.spool, "queue"), os.O_RDONLY)
    for n, inbox, priority, data in rows:
        line = "inboxq-item 1 %s %d %s time=1%s" % (
            inbox, len(data), hashlib.sha256(data).hexdigest(),
            " priority=" + priority if priority else "")
        file = os.open("%020d" % n, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        os.write(file, line.ljust(HEADER - 1).encode() + b"\n" + data)
        os.close(file)
    os.close(folder)


def is_queued(q, n):
    return os.path.exists(os.path.join(q.spool, "queue", "%020d" % n))


def sent(fake):
    return [int(line.split(" ")[1]) for line in fake.said("PUT", "OPEN")]


# ---- at once

def latencies(t, q, adds, env=None):
    """How long items are in the queue behind the end of their add, seconds, in order of length."""
    child = run_in_background(t, q, env=env)
    until(lambda: "event=session_ready" in said(q), what="the session")
    took = []
    for i in range(adds):
        n = max(q.add("status", b"%d" % i))
        begun = time.monotonic()
        while is_queued(q, n):
            assert time.monotonic() < begun + bound(10), "item %d does not go" % n
            time.sleep(0.0005)
        took.append(time.monotonic() - begun)
        time.sleep(0.11 * (i % 9))
    child.terminate()
    equal(child.wait(bound(10)), 0, "exit code")
    took.sort()
    t.note("from add's end: median %.1f ms, longest %.1f ms" % (
        1000 * took[adds // 2], 1000 * took[-1]))
    return took


@test
def new_item_is_sent_at_once(t):
    q = Queue(t, t.shared())
    took = latencies(t, q, ADDS)
    if "event=wake_by_timer" not in said(q):
        equal(took[ADDS // 2] < bound(0.25), True, "%.3f s is at once" % took[ADDS // 2])


@test
def new_item_is_sent_within_seconds_where_nothing_is_heard(t):
    q = Queue(t, t.shared())
    took = latencies(t, q, 8, {**SHIMMED, "FAULT": "inotify:1:ENOSYS:on",
                               "FAULT_SCOPE": "program", "LSAN_OPTIONS": "exitcode=0"})
    contains(said(q), "event=wake_by_timer")
    equal(took[-1] < bound(3), True, "%.3f s by the timer" % took[-1])


@test
def what_others_take_away_is_noticed(t):
    fake = FakeReceiver(t, on_put=lambda c, n, _: not c.say("LATER %d 3600 full" % n), state=1)
    q = Queue(t, fake)
    q.add("status", b"1", b"2", b"3")
    child = run_in_background(t, q)
    until(lambda: len(fake.said("PUT")) == 3, what="all to be sent")
    q("remove", "1")
    until(lambda: "SKIP 1 removed" in fake.lines and "SETTLED 2" in fake.lines,
          what="the server to be told")
    child.terminate()
    equal(child.wait(bound(10)), 0, "exit code")


# ---- in which order

@test
def urgent_items_go_first_then_inboxes_by_turns_and_small_ones_first(t):
    fake = FakeReceiver(t)
    q = Queue(t, fake)
    big, small = b"b" * 100000, b"s"
    lay(q, [(1, "status", "low", small), (2, "dumps", "", big), (3, "dumps", "", small),
            (4, "status", "", small), (5, "status", "", small), (6, "status", "high", big),
            (7, "dumps", "high", small), (8, "dumps", "urgent", small)])
    q("run", "--once")
    equal(q.numbers(), [])
    order = sent(fake)
    equal(sorted(order[:2]), [6, 7], "the urgent ones")
    equal(order[-1], 1, "the last one")
    of = {2: "dumps", 3: "dumps", 4: "status", 5: "status", 8: "dumps"}
    turns = [of[n] for n in order[2:-1]]
    assert turns[:4] in (["dumps", "status"] * 2, ["status", "dumps"] * 2), order
    equal([n for n in order if of.get(n) == "dumps"], [3, 8, 2], "small ones first")
    equal(fake.wrong, [])


@test
def an_item_rests_after_ten_tries(t):
    def busy(c, n, _):
        if n == 1:
            c.say("LATER 1 1 busy")
        return n == 1
    fake = FakeReceiver(t, on_put=busy)
    q = Queue(t, fake)
    q.add("status", b"1", b"2")
    q("run", "--once", expect=TEMPFAIL)
    equal(sent(fake).count(1), 10, "tries")
    equal(q.numbers(), [1])


# ---- how fast

@test
def bandwidth_is_kept_and_small_items_pass(t):
    rate, size, seconds = 1 << 20, 6 << 20, 6
    fake = FakeReceiver(t)
    q = Queue(t, fake, bandwidth="1M", timeout="2s")
    q.add("dumps", t.bytes(size))
    begun = time.monotonic()
    child = run_in_background(t, q)
    until(lambda: fake.said("DATA"), what="the first bytes")
    begun = time.monotonic()
    took, last, most = [], 0, 0
    while time.monotonic() < begun + seconds - 2:
        arrived = fake.bytes
        most, last = max(most, arrived - last), arrived
        n = max(q.add("status", b"small"))
        added = time.monotonic()
        until(lambda: n in fake.stored, what="a small one to pass")
        took.append(time.monotonic() - added)
        time.sleep(max(0, 0.5 - (time.monotonic() - added)))
    until(lambda: 1 in fake.stored, 20, what="the large one")
    speed = size / (time.monotonic() - begun)
    t.note("%.3f of what is allowed; at most %d KiB in half a second; a small one took %.2f s" % (
        speed / rate, most / 1024, max(took)))
    equal(0.9 < speed / rate < 1.1 or bound(1) > 1, True, "%d bytes/s" % speed)
    equal(most < rate, True, "%d bytes in half a second" % most)
    equal(max(took) < bound(1), True, "%.2f s for a small one" % max(took))
    equal(fake.connections, 1, "connections: no pause of ours is a dead server")
    child.terminate()
    equal(child.wait(bound(10)), 0, "exit code")


# ---- at what cost

class Process:
    def __init__(self, pid):
        self.pid = pid

    def seconds(self):
        """Of processor time."""
        try:
            with open("/proc/%d/schedstat" % self.pid, encoding="ascii") as file:
                return int(file.read().split()[0]) / 1e9
        except FileNotFoundError:
            raise Skip("this system does not tell a process's time") from None

    def memory(self):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+) kB", file.read())[1]) * 1024


def cost_of_adds(t, count):
    """Of a run beside `count` items, nearly all put off, and adds one by one: what it costs."""
    # One of sixteen is taken: who takes none at all is soon sent an item a second.
    fake = FakeReceiver(t, on_put=lambda c, n, _: n % 16 > 0 and
                        not c.say("LATER %d 3600 full" % n), window=100000)
    q = Queue(t, fake)
    lay(q, ((n, "status" if n % 2 else "dumps", "", b"x") for n in range(1, count + 1)))
    begun = time.monotonic()
    child = run_in_background(t, q)
    process = Process(child.pid)
    until(lambda: fake.said("PUT"), 30, what="the first to be sent")
    first = time.monotonic() - begun
    until(lambda: len(fake.lines) > count, 120, what="all to be sent")
    known = re.search(r"event=queue_known items=(\d+) milliseconds=(\d+)", said(q))
    time.sleep(1.5)
    at_rest = process.seconds()
    time.sleep(3)
    idle = (process.seconds() - at_rest) / 3
    began = process.seconds()
    for i in range(ADDS):
        n = max(q.add("status", b"%d" % i))
        until(lambda: n in sent(fake)[-ADDS:], what="item %d to be sent" % n)
    each = (process.seconds() - began) / ADDS
    t.note("%d items: first sent %.2f s after the start, known in %s ms, %.1f MiB, idle %.2f %%, "
           "an add %.2f ms" % (count, first, known[2] if known else "-",
                               process.memory() / 2**20, 100 * idle, 1000 * each))
    child.send_signal(signal.SIGTERM)
    equal(child.wait(bound(10)), 0, "exit code")
    return first, idle, each, process


@test
def items_set_aside_make_no_report_dear(t):
    fake = FakeReceiver(t, on_put=lambda c, n, _: not c.say("LATER %d 3600 full" % n), state=1)
    q = Queue(t, fake)
    lay(q, [])
    for n in range(1, MANY + 1):
        with open(os.path.join(q.spool, "failed", "%020d" % n), "wb"):
            pass
    child = run_in_background(t, q)
    process = Process(child.pid)
    until(lambda: fake.said("HELLO"), what="the session")
    contains(fake.lines[0], "failed=%d " % MANY)
    time.sleep(3)
    began, told = process.seconds(), len(fake.said("STATE"))
    for i in range(4):
        q.add("status", b"%d" % i)
        time.sleep(1.1)
    each = (process.seconds() - began) / max(1, len(fake.said("STATE")) - told)
    t.note("a report beside %d items set aside: %.2f ms" % (MANY, 1000 * each))
    equal(each < 0.01 * slow(), True, "%.1f ms a report" % (1000 * each))
    child.terminate()
    equal(child.wait(bound(10)), 0, "exit code")


@test
def run_costs_the_same_whatever_waits(t):
    _, _, few, _ = cost_of_adds(t, FEW)
    first, idle, many, _ = cost_of_adds(t, MANY)
    if sanitizers():
        return
    equal(first < bound(5), True, "%.1f s until the first was sent" % first)
    equal(idle < 0.02, True, "%.1f %% of a processor, idle" % (100 * idle))
    equal(many < 3 * few + 0.002, True, "an add costs run %.2f ms beside %d, %.2f ms beside %d" % (
        1000 * many, MANY, 1000 * few, FEW))


if __name__ == "__main__":
    main()
