# SPDX-License-Identifier: ISC
"""What inboxq shows to people, on terminals of several widths, and to programs."""

import json
import os
import re
import subprocess
import time

from copyqueue import Queue
from harness import INBOXQ, bound, cases, contains, equal, main, sanitizers, test
from terminal import Terminal, screen

NOWHERE = ["127.0.0.1:1"]
COUNT = 100000


def write_item(q, n, inbox="status", name="", size=3, age=0, part="queue", header=None):
    """An item as the spool has it, without the price of adding it."""
    if header is None:
        header = "inboxq-item 1 %s %d %s time=%d%s" % (
            inbox, size, "ab" * 32, int(time.time()) - age, " name=" + name if name else "")
    with open(os.path.join(q.spool, part, "%020d" % n), "wb") as file:
        file.write(header.encode().ljust(1023) + b"\n" + b"x" * size)


def filled(t, count=0):
    """A queue of three items and one set aside, and of `count` more."""
    q = Queue(t, servers=NOWHERE)
    q.add("status", b"x" * 12, b"y" * 1536)
    write_item(q, 3, inbox="inventory-of-all", name="a%1B[31m%20long.txt", size=70000, age=7300)
    write_item(q, 4, name="old.txt", age=3 * 86400, part="failed")
    with open(os.path.join(q.spool, "failed", "%020d.reason" % 4), "w", encoding="ascii") as file:
        file.write("no-inbox: no such inbox (cap1)\n")
    for n in range(5, 5 + count):
        write_item(q, n, name="f%d" % n)
    return q


@test
def list_has_columns_for_eyes(t):
    q = filled(t)
    equal(q("list").stdout.splitlines(), [
        "NUMBER  INBOX                 SIZE    AGE  NAME",
        "     1  status                12 B     0s  file0.txt",
        "     2  status             1.5 KiB     0s  file1.txt",
        "     3  inventory-of-all  68.4 KiB  2h 1m  a%1B[31m%20long.txt",
        "     4  status                 3 B     3d  old.txt  "
        "failed: no-inbox: no such inbox (cap1)"])


@cases([("40", 40), ("80", 80), ("COLUMNS", 0)])
def list_is_cut_to_the_terminal_and_never_folded(t, width):
    q = filled(t)
    code, text = Terminal(t, [INBOXQ, "list", "-c", q.conf], width or 0,
                          env={} if width else {"COLUMNS": "40"}).end()
    equal(code, 0)
    shown = screen(text, width or 40)
    equal(len(shown), 6)
    whole = q("list").stdout.splitlines()
    for line, full in zip(shown, whole):
        want = width or 40
        equal(line, full if len(full) <= want else full[:want - 3] + "...")


@test
def list_picks_by_inbox_and_state_and_speaks_json(t):
    q = filled(t)
    rows = json.loads(q("list", "--json").stdout)
    equal((rows["schema"], rows["queue"]), (1, q.id()))
    equal([(row["number"], row["state"], row["inbox"], row["size"]) for row in rows["items"]],
          [(1, "pending", "status", 12), (2, "pending", "status", 1536),
           (3, "pending", "inventory-of-all", 70000), (4, "failed", "status", 3)])
    equal([row["reason"] for row in rows["items"]],
          [None] * 3 + ["no-inbox: no such inbox (cap1)"])
    equal(rows["items"][2]["name"], "a%1B[31m%20long.txt")
    def numbers(*arguments):
        found = json.loads(q("list", "--json", *arguments).stdout)
        return [row["number"] for row in found["items"]]
    equal(numbers("-i", "status"), [1, 2, 4])
    equal(numbers("--state", "failed"), [4])
    equal(numbers("--state", "pending", "-i", "status"), [1, 2])
    equal(numbers("-i", "nothing"), [])
    equal(q("list", "-i", "nothing").stdout, "")
    q("list", "--state", "lost", expect=64)


@test
def list_shows_what_it_cannot_read(t):
    q = filled(t)
    write_item(q, 5, header="no header")
    contains(q("list").stdout, "     5  -                        -      -  -  damaged: ")
    row = json.loads(q("list", "--json").stdout)["items"][3]
    equal((row["number"], row["state"], "inbox" in row), (5, "pending", False))
    contains(row["reason"], "header")


@test
def list_of_a_large_queue_begins_at_once_and_takes_no_memory(t):
    q = filled(t, COUNT)
    for arguments in ([], ["--json"]):
        began = time.monotonic()
        child = t.spawn([INBOXQ, "list", "-c", q.conf, *arguments],
                        stdout=subprocess.PIPE)
        child.stdout.readline()
        first = time.monotonic() - began
        lines = sum(1 for _ in zip(range(COUNT // 2), child.stdout))
        with open("/proc/%d/status" % child.pid, encoding="ascii") as file:
            memory = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
        lines += sum(1 for _ in child.stdout)
        whole = time.monotonic() - began
        child.stdout.close()
        equal((child.wait(), lines), (0, COUNT + 4))
        t.note("%s: first line %.2f s, all %.2f s, %d KiB" % (
            arguments, first, whole, memory))
        assert first < bound(2) and whole < bound(20), (first, whole)
        assert memory < 16384 or sanitizers(), memory


if __name__ == "__main__":
    main()
