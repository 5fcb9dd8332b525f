#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The spool itself: its bounds, what is wrong in it, disks without room, copies of it."""

import hashlib
import hmac
import os
import shutil
import subprocess
import time

from copyqueue import TEMPFAIL, Queue, all_there, run_in_background, said
from harness import INBOXQ, Skip, bound, contains, equal, main, test, until

NOWHERE = ["127.0.0.1:1"]


def bounded(t, *receivers, **bounds):
    q = Queue(t, *receivers, servers=None if receivers else NOWHERE)
    set_bounds(q, **bounds)
    return q


def set_bounds(q, **bounds):
    with open(q.conf, encoding="ascii") as file:
        text = file.read()
    head, tail = text.split("[server]", 1)
    head = "\n".join(line for line in head.splitlines() if line.split(" ")[0] not in bounds)
    head += "\n" + "".join("%s = %s\n" % pair for pair in bounds.items())
    with open(q.conf, "w", encoding="ascii") as file:
        file.write(head + "[server]" + tail)


def refused(q, *arguments, stdin=b"x"):
    done = q("add", "-i", "status", *arguments, stdin=stdin, expect=TEMPFAIL)
    equal(done.stdout, b"", "nothing is said to be queued")
    text = done.stderr.decode()
    contains(text, "the queue is full: ")
    contains(text, q.conf)
    equal(os.listdir(os.path.join(q.spool, "tmp")), [], "tmp/")
    return text


@test
def add_beyond_the_bounds_is_refused_with_75_and_nothing_is_lost(t):
    r = t.receiver()
    q = bounded(t, r, items="3", bytes="100")
    items = q.add("status", b"one", b"two")
    contains(refused(q, stdin=bytes(101)), "6 bytes of at most 100")
    items.update(q.add("status", b"three"))
    contains(refused(q), "3 items of at most 3")
    # A batch is taken as a whole or not at all.
    equal(q.numbers(), [1, 2, 3])
    q("run", "--once")
    paths = [os.path.join(q.folder, name) for name in "abcd"]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"again")
    refused(q, *paths)
    equal(q("add", "-i", "status", *paths[:3]).stdout.split(), ["4", "5", "6"])
    q("run", "--once")
    equal(len(r.files("status")), 6)


@test
def what_was_set_aside_fills_the_queue_until_it_is_removed(t):
    r = t.receiver()
    q = bounded(t, r, items="2")
    q.add("nosuch", b"one", b"two")
    q("run", "--once", expect=65)
    equal(q.numbers("failed"), [1, 2])
    refused(q)
    q("remove", "1")
    equal(sorted(q.add("status", b"three")), [3])
    q("requeue", "--all")
    refused(q)


@test
def what_will_be_refused_is_not_copied_first(t):
    """A file that would take hours to read: it has a hole of that size."""
    q = bounded(t, items="100", bytes="1M")
    q.add("status", b"one")
    path = os.path.join(q.folder, "large")
    with open(path, "wb") as file:
        file.truncate(1 << 43)
    refused(q, stdin=bytes(1 << 20))  # all is counted, and nothing has changed since
    began = time.monotonic()
    refused(q, path)
    equal(time.monotonic() - began < bound(5), True, "at once")


@test
def what_left_while_all_was_counted_does_not_count_for_ever(t):
    """An item leaves in the very moment in which an add counts: the folder's time does not tell."""
    q = bounded(t, items="2")
    q.add("status", b"one", b"two")
    folder = os.path.join(q.spool, "queue")
    now = time.time_ns()
    os.utime(folder, ns=(now, now))
    refused(q)
    os.unlink(os.path.join(folder, "%020d" % 1))
    os.utime(folder, ns=(now, now))
    time.sleep(2.5)
    equal(sorted(q.add("status", b"three")), [3])
    refused(q)


@test
def many_adders_at_once_pass_no_bound(t):
    q = bounded(t, items="25")
    adders = [subprocess.Popen(
        ["sh", "-c", 'i=0; while [ $i -lt 8 ]; do echo x | "$0" add -c "$1" -i status; '
         'i=$((i+1)); done', INBOXQ, q.conf], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True) for _ in range(6)]
    told = [adder.communicate(timeout=60) for adder in adders]
    numbers = sorted(int(n) for out, _ in told for n in out.split())
    equal(numbers, list(range(1, 26)), "numbers printed")
    equal(q.numbers(), numbers, "queue/")
    equal(sum(err.count("the queue is full") for _, err in told), 48 - 25)


@test
def a_receiver_that_was_away_is_told_over_the_turn_of_sent_log(t):
    """The lines have long names, so that 1 MiB is soon full."""
    first, away = t.receiver(), t.receiver()
    q = Queue(t, away)
    q.add("status", b"known here")
    q("run", "--once")
    q.point_at(first)
    set_bounds(q, **{"sent-log": "1M"})
    numbers, name = 0, "\n" * 250
    path = os.path.join(q.folder, name)
    with open(path, "wb") as file:
        file.write(b"x")
    while not os.path.exists(os.path.join(q.spool, "sent.log.1")):
        equal(numbers < 3000, True, "sent.log was turned over")
        numbers += len(q("add", "-i", "status", *[path] * 250).stdout.split())
        q("run", "--once")
    with open(os.path.join(q.spool, "sent.log.1"), "rb") as file:
        equal(len(file.read()) >= 1 << 20, True, "its size")
    numbers += len(q("add", "-i", "status", *[path] * 20).stdout.split())
    q("run", "--once")
    q.point_at(away)
    q.add("status", b"last")
    q("run", "--once")
    row = away.client_row(q.id())
    equal((row["settled"], row["missing"], row["skipped"]), (numbers + 3, 0, numbers))


def machine_file(q):
    return os.path.join(q.spool, "machine")


def need_machine_id():
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            text = file.read().strip()
    except OSError:
        text = ""
    if len(text) != 32:
        raise Skip("this system has no machine-id")
    return text


@test
def the_machine_is_noted_as_it_may_be_told(t):
    system = need_machine_id()
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"one")
    q("run", "--once")
    with open(machine_file(q), encoding="ascii") as file:
        noted = file.read()
    key = bytes.fromhex("5c1f0e9a27434db8936ed1703b88c512")
    want = bytearray(hmac.new(bytes.fromhex(system), key, hashlib.sha256).digest()[:16])
    want[6] = want[6] & 0x0f | 0x40
    want[8] = want[8] & 0x3f | 0x80
    equal(noted, want.hex() + "\n")


@test
def a_spool_copied_from_another_machine_is_a_queue_of_its_own(t):
    need_machine_id()
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"one", b"two")
    first = q.id()
    q("run", "--once")
    q.add("status", b"three")
    with open(machine_file(q), "w", encoding="ascii") as file:
        file.write("%032x\n" % 7)
    q.add("status", b"four")
    equal(q.id(), first, "add looks at no machine")
    text = q("run", "--once").stderr
    contains(text, "event=queue_copied old=%s queue=%s" % (first, q.id()))
    equal(q.id() != first, True, "another id")
    with open(os.path.join(q.spool, "queue-id.old"), encoding="ascii") as file:
        equal(file.read(), first + "\n")
    all_there(r, [b"one", b"two", b"three", b"four"])
    row = r.client_row(q.id())
    equal((row["stored"], row["missing"]), (2, 0))
    second = q.id()
    q.add("status", b"five")
    equal("queue_copied" in q("run", "--once").stderr, False, "it is said once")
    equal(q.id(), second)


@test
def a_damaged_queue_id_is_kept_beside_and_the_queue_goes_on(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"one")
    path = os.path.join(q.spool, "queue-id")
    with open(path, "w", encoding="ascii") as file:
        file.write("what a disk left")
    q.add("status", b"two")
    equal(len(q.id()), 32)
    with open(path + ".damaged", encoding="ascii") as file:
        equal(file.read(), "what a disk left")
    q("run", "--once")
    all_there(r, [b"one", b"two"])


@test
def a_machine_id_that_does_not_outlast_a_boot_makes_no_other_queue(t):
    """In memory, over /etc/machine-id, as systemd has it where /etc cannot be written to."""
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"one")
    first = q.id()
    memory = os.path.join(q.folder, "memory")
    os.mkdir(memory)
    script = 'mount -t tmpfs none "$1" && echo "$2" >"$1/id" && ' \
             'mount --bind "$1/id" /etc/machine-id && shift 2 && exec "$@"'
    if not shutil.which("unshare") or not os.path.exists("/etc/machine-id") or t.run(
            ["unshare", "-rm", "sh", "-c", script, "sh", memory, "0", "true"]).returncode:
        raise Skip("no user and mount namespaces here (unshare -rm)")
    for boot in range(1, 4):
        done = t.run(["unshare", "-rm", "sh", "-c", script, "sh", memory, "%032x" % boot, INBOXQ,
                      "run", "--once", "-c", q.conf])
        equal((done.returncode, "queue_copied" in done.stderr), (0, False), done.stderr)
    equal(q.id(), first)
    equal(os.path.exists(machine_file(q)), False, "no machine is noted")


def gap_by_another_id(t, change_id):
    """Items are stored under one id while an older one waits; what is told under the next id?"""
    r = t.receiver({"limits": {"forgive": "1d"}},
                   inboxes={"status": {"clients": "*"}, "payroll": {"clients": "other*"}})
    q = Queue(t, r)
    q.add("payroll", b"one")
    q.add("status", b"two", b"three")
    q("run", "--once", expect=None)
    equal(q.numbers(), [1], "what waits")
    first = q.id()
    change_id(q)
    q.add("status", b"four")
    q("run", "--once", expect=None)
    equal(q.id() != first, True, "another id")
    q("remove", "1")
    q.add("status", b"five")
    q("run", "--once")
    row = r.client_row(q.id())
    equal((row["settled"], row["stored"], row["skipped"], row["missing"]), (6, 2, 3, 0))
    equal("cut" in fsck(q), False, "fsck knows each line of sent.log")
    all_there(r, [b"two", b"three", b"four", b"five"])


@test
def a_copied_spool_tells_of_what_its_old_id_has_sent(t):
    need_machine_id()

    def change_id(q):
        with open(machine_file(q), "w", encoding="ascii") as file:
            file.write("%032x\n" % 7)

    gap_by_another_id(t, change_id)


@test
def a_queue_id_that_was_damaged_or_deleted_leaves_no_gap(t):
    def damage(q):
        with open(os.path.join(q.spool, "queue-id"), "w", encoding="ascii") as file:
            file.write("what a disk left")

    gap_by_another_id(t, damage)
    gap_by_another_id(t, lambda q: os.unlink(os.path.join(q.spool, "queue-id")))


# ---- what is no item

@test
def what_is_no_item_stops_nothing_and_is_told_once(t):
    """Items that are none are set aside; names that are none are left alone, and a run that
    lasts neither ends nor spins."""
    r = t.receiver()
    q = Queue(t, r)
    good = [b"good %d" % i for i in range(12)]
    q.add("status", *good)
    for n, spoil_it in enumerate((
            lambda path: spoil(path, 2), lambda path: os.truncate(path, 700),
            lambda path: os.truncate(path, 0), lambda path: (os.unlink(path), os.mkdir(path)),
            lambda path: (os.unlink(path), os.symlink("/etc/passwd", path)),
            lambda path: (os.unlink(path), os.symlink("nowhere", path)),
            lambda path: (os.unlink(path), os.mkfifo(path)),
            lambda path: (os.unlink(path), os.mkdir(path), open(path + "/x", "w").close()))):
        spoil_it(place(q, "queue", n + 1))
    for name in ("letter", "0" * 20, "1" * 21, "n\n\x1b" * 60, "000", "x.tmp"):
        with open(place(q, "queue", name), "wb"):
            pass
    os.mkdir(place(q, "queue", "folder"))
    process = run_in_background(t, q)
    until(lambda: len(r.files("status")) == 4, 20, "the good ones")
    until(lambda: len(q.numbers("failed")) == 8, 20, "the others")
    q.add("status", b"goes on")
    until(lambda: len(r.files("status")) == 5, 20, "the next one")
    before = cpu_time(process)
    time.sleep(2)
    equal(cpu_time(process) - before < 0.5, True, "it does not spin")
    process.terminate()
    equal(process.wait(20), 0)
    text = said(q)
    equal(text.count("event=queue_strays"), 1)
    contains(text, "event=queue_strays count=7 name=")
    all_there(r, good[8:] + [b"goes on"])
    row = r.client_row(q.id())
    equal((row["missing"], row["skipped"]), (0, 8))
    equal(len(os.listdir(place(q, "queue", ""))), 7, "they are left")
    q("list")
    q("status")


def cpu_time(process):
    with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- fsck

def fsck(q, *arguments, expect=0):
    return q("fsck", *arguments, expect=expect).stdout


def place(q, part, n):
    return os.path.join(q.spool, part, "%020d" % n if isinstance(n, int) else n)


def spoil(path, at=1030):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(b"\0spoilt\0")


@test
def a_sound_spool_is_clean(t):
    r = t.receiver()
    q = bounded(t, r, items="100")
    equal("wrong: " in fsck(q, expect=65), True, "there is none yet")
    q.add("status", b"one" * 500, b"two")
    q.add("nosuch", b"three")
    for _ in range(2):
        equal(fsck(q).splitlines()[-1].split(",")[1:], [" 0 wrong", " 0 repaired"])
        q("run", "--once", expect=None)
    equal(len(q.numbers("failed")), 1)
    equal(fsck(q, "--repair"), "1 items, 0 wrong, 0 repaired\n")
    equal(os.path.exists(os.path.join(q.spool, "odd")), False)


@test
def each_finding_is_told_and_repaired_and_nothing_is_deleted(t):
    r = t.receiver()
    q = bounded(t, r, items="100")
    contents = [b"item %d" % i * 200 for i in range(1, 10)]
    q.add("status", *contents)
    spoil(place(q, "queue", 2))                      # bytes
    spoil(place(q, "queue", 3), 3)                   # header
    os.truncate(place(q, "queue", 4), 1500)
    os.unlink(place(q, "queue", 5))
    os.mkdir(place(q, "queue", 5))
    os.unlink(place(q, "queue", 6))
    os.symlink("/etc/passwd", place(q, "queue", 6))
    os.unlink(place(q, "queue", 7))
    os.mkfifo(place(q, "queue", 7))
    shutil.copy(place(q, "queue", 8), place(q, "failed", 8))
    for part, name in (("queue", "letter"), ("queue", "0" * 20), ("queue", "1" * 21),
                       ("failed", "%020d.reason" % 77), ("failed", "n\n" * 120),
                       ("tmp", "alien")):
        with open(place(q, part, name), "wb") as file:
            file.write(b"somebody's")
    with open(os.path.join(q.spool, "last"), "w", encoding="ascii") as file:
        file.write("00x")
    with open(os.path.join(q.spool, "queue-id"), "w", encoding="ascii") as file:
        file.write("00x")
    before = fsck(q, expect=65)
    equal([line for line in before.splitlines() if not line.startswith("wrong: ")], [],
          "it cannot be opened, and that is a finding")
    told = fsck(q, "--repair")
    for text in ("queue-id: ", "last, below which no number is given again, is damaged",
                 "item 2 in queue/ is damaged: its bytes are not those that were added",
                 "item 3 in queue/ is damaged: its header is damaged",
                 "item 4 in queue/ is damaged: its file has 1500 bytes",
                 "item 5 in queue/ is damaged: ", "item 6 in queue/ is damaged: ",
                 "item 7 in queue/ is damaged: ",
                 "number 8 is in queue/ and, another item, in failed/",
                 "letter in queue/ is no item's name", "0" * 20 + " in queue/ is no",
                 "1" * 21 + " in queue/ is no", "77.reason in failed/ is no item's name",
                 "n%0An%0A", "alien in tmp/ is no draft's name"):
        contains(told, text)
    equal([line for line in told.splitlines()[:-1] if not line.startswith("repaired: ")], [])
    equal(fsck(q).splitlines()[-1].split(",")[1:], [" 0 wrong", " 0 repaired"])
    equal(len(os.listdir(os.path.join(q.spool, "odd"))), 7)
    equal(q.numbers("failed"), [2, 3, 4, 5, 6, 7])
    equal(sorted(q.add("status", b"more")), [10], "no number comes again")
    q("run", "--once")
    all_there(r, [contents[0], contents[7], contents[8], b"more"])
    row = r.client_row(q.id())
    equal((row["missing"], row["skipped"]), (0, 6))


@test
def fsck_sets_aside_so_that_receivers_see_no_gap(t):
    r = t.receiver()
    q = Queue(t, r)
    q.add("status", b"one")
    q("run", "--once")
    q.add("status", b"two" * 100, b"three")
    spoil(place(q, "queue", 2))
    contains(fsck(q, "--repair"), "1 repaired")
    q("run", "--once")
    row = r.client_row(q.id())
    equal((row["settled"], row["missing"], row["skipped"]), (4, 0, 1))
    contains(q("list").stdout, "set aside by fsck")


@test
def fsck_repairs_nothing_beside_run(t):
    r = t.receiver()
    q = Queue(t, r)
    run_in_background(t, q)
    until(lambda: "event=session_ready" in said(q), 20, "the session")
    with open(place(q, "failed", "alien"), "wb"):
        pass
    text = fsck(q, "--repair", expect=65)
    contains(text, "inboxq run is active (process ")
    contains(text, "wrong: alien in failed/ is no item's name")
    equal(os.path.exists(place(q, "failed", "alien")), True)


@test
def counts_that_are_too_low_are_found(t):
    q = bounded(t, items="100")
    q.add("status", b"one", b"two")
    shutil.copy(place(q, "queue", 1), place(q, "queue", 3))
    contains(fsck(q, expect=65), "counts says that 2 items of 6 bytes lie here, and it is 3 of 9")
    contains(fsck(q, "--repair"), "counted anew")
    equal(fsck(q), "3 items, 0 wrong, 0 repaired\n")


if __name__ == "__main__":
    main()
