# SPDX-License-Identifier: ISC
"""What happens in the short lives that are judged in lives.py.

One set of scenarios serves faults (enumerate.py) and kills (tests/crash/steps.py).
"""

import http.client
import json
import os
import signal
import time

from common import harness
from lives import (BROKEN, FRAME, IMPATIENCE, LARGE, NEVER, PATIENCE, SET_ASIDE, must, say)


# ---- the receiver

def serving(run, root):
    run.use_root(root)
    must(run.start(), "it does not start")
    # The publisher has a descriptor of its own for the ledger, soon.
    harness.until(lambda: sum("/ledger/2" in path for path in run.open_files()) == 2)
    run.baseline = run.descriptors()


def first_start(run, roots):
    """The journal is made."""
    run.use_root(roots["made"])
    start_armed(run, run.new_items(2))


def start(run, roots):
    run.use_root(roots["empty"])
    start_armed(run, run.new_items(2))


def start_armed(run, numbers):
    run.arm()
    if run.start():
        run.offer(numbers)


def grow(run, roots):
    """The journal is to be larger than it was."""
    run.use_root(roots["empty"])
    run.set_journal("5M")
    start_armed(run, run.new_items(1))


def shrink(run, roots):
    run.use_root(roots["wide"])
    start_armed(run, run.new_items(1))


def upload(run, roots):
    serving(run, roots["empty"])
    run.arm()
    run.offer(run.new_items(3))


def proxied(run, roots):
    """By a proxy, whose preface comes in two pieces."""
    run.listen_behind_a_proxy()
    serving(run, roots["empty"])
    run.arm()
    run.offer(run.new_items(2))


def duplicate(run, roots):
    serving(run, roots["empty"])
    numbers = run.new_items(3)
    must(run.exchange(numbers, harness.bound(PATIENCE)) is not None,
         "no answer before the fault")
    run.arm()
    run.offer(numbers)


def reload(run, roots):
    serving(run, roots["empty"])
    numbers = run.new_items(2)
    run.arm()
    run.reload()
    run.offer(numbers)


def rotation(run, roots):
    """The ledger is filled with SKIPs up to its size; the items take it over."""
    serving(run, roots["empty"])
    segment = max(os.listdir(os.path.join(run.r.root, "ledger")))
    path = os.path.join(run.r.root, "ledger", segment)
    goal = os.path.getsize(path) + 64 * 1024 - 500
    c = run.r.client(hello=run.queue)
    n = 1000
    run.new_items(1, 500)
    while os.path.getsize(path) < goal:
        must(n < 9000, "the ledger does not grow")
        for _ in range(max(1, min(200, (goal - os.path.getsize(path)) // 110))):
            c.skip(n, "removed")
            n += 1
        c.put(500, *run.items[500])  # again and again: its answer says that the SKIPs are written
        c.stored(500)
    run.note_acks(c)
    c.close()
    run.r.at_rest()
    run.arm()
    run.offer(run.new_items(4))
    run.offer(run.new_items(2, 10))


def recover_from(run, root):
    run.use_root(root.folder)
    run.queue, run.items, run.acked = root.queue, dict(root.items), dict(root.acked)
    start_armed(run, sorted(run.items))


def recovery(run, roots):
    """Of one that was killed while it renamed."""
    recover_from(run, roots["killed"])


def recovery_of_frames(run, roots):
    """Of one whose drafts were never synced, whose last batch is torn, and whose ledger has
    lost its end: as after a power cut, all stands on the journal."""
    recover_from(run, roots["torn"])


def recovery_of_many(run, roots):
    """So many that threads help with them: of drafts that have to be made anew."""
    recover_from(run, roots["many_frames"])


def recovery_of_many_drafts(run, roots):
    """Likewise, of drafts that have to be moved."""
    recover_from(run, roots["many_drafts"])


def takeover(run, roots):
    """A root of the version before, which had no journal."""
    recover_from(run, roots["old"])


def stop(run, roots):
    run.codes.add(0)  # all is stored, and the mark that it has stopped is no promise
    serving(run, roots["empty"])
    numbers = run.new_items(3)
    c = run.r.client(hello=run.queue)
    for n in numbers[:2]:
        c.put(n, *run.items[n])
        c.stored(n)
    run.arm()
    c.put(numbers[2], *run.items[numbers[2]])
    run.r.process.send_signal(signal.SIGTERM)
    limit = time.monotonic() + harness.bound(PATIENCE)
    try:
        while not c.eof and time.monotonic() < limit:
            c.flow(0.01)
    except BROKEN:
        pass
    must(c.eof or not run.alive(), "the connection was not ended")
    run.note_acks(c)
    c.close()
    if run.lasts:
        time.sleep(0.05)


def large(run, roots):
    """In pieces, with small ones between them."""
    serving(run, roots["empty"])
    run.arm()
    run.offer([run.new_large(9), *run.new_items(2)])


def send_parts(run, numbers):
    """The first bytes of these items, wrong ones of item 9."""
    c = run.r.client(hello=run.queue)
    for n in numbers:
        say(c, run.items, n)
        must(c.answer(n).verb == "SEND", "no SEND before the fault")
        c.post("DATA %d 0 %d\n" % (n, FRAME))
        c.post(run.items[n][1][:FRAME] if n == 8 else b"?" * FRAME)
    c.ping()
    c.close()
    run.r.at_rest()
    sizes = [os.path.getsize(run.r.path("status", name, "tmp"))
             for name in run.r.files("status", "tmp")]
    must(sizes == [FRAME for _ in numbers], "before the fault: %r", sizes)


def resume(run, roots):
    """Parts of two items came, of one of them wrong bytes; a new connection goes on."""
    serving(run, roots["empty"])
    numbers = [run.new_large(8), run.new_large(9)]
    send_parts(run, numbers)
    run.arm()
    run.offer(numbers)


def expire(run, roots):
    """A part that nobody has gone on with for a year; the receiver looks a second after
    its start."""
    serving(run, roots["empty"])
    send_parts(run, [run.new_large(9)])
    run.r.stop(0)
    name, = run.r.files("status", "tmp")
    os.utime(run.r.path("status", name, "tmp"), (0, time.time() - 365 * 86400))
    must(run.start(), "it does not start again")
    run.arm()
    began = time.monotonic()
    while run.alive() and run.r.files("status", "tmp") and (
            time.monotonic() - began < (1.5 if run.met() else harness.bound(5))):
        time.sleep(0.01)
    must(run.met() or not run.r.files("status", "tmp"), "it has not expired")


def full(run, roots):
    """No room, by its marks, for large items, then for none; a reload makes room (judge()).
    The shim cannot fill a disk, but the marks can be put where the disk is full."""
    run.set_marks(**{"reserve-large": NEVER})
    serving(run, roots["empty"])
    run.arm()
    answers = run.offer([run.new_large(9), *run.new_items(2)])
    codes = answers and [answers[n].get("code", "stored") for n in (1, 2, 9)]
    must(run.met() or codes == ["stored", "stored", "full"], "no large items: %r", answers)
    if not run.alive():
        return
    run.set_marks(reserve=NEVER)
    run.reload()
    answers = run.offer(run.new_items(1, 3))
    must(run.met() or answers[3].get("code") == "full", "no items: %r", answers)


def status(run, roots):
    """All pages are asked for; what is served is whole, or nothing."""
    serving(run, roots["empty"])
    must(run.exchange(run.new_items(2), harness.bound(PATIENCE)) is not None,
         "no answer before the fault")
    run.arm()
    for page in ("/status", "/clients", "/inboxes", "/metrics", "/healthz", "/nosuch"):
        if not run.alive():
            return
        try:
            code, kind, body = run.r.get(page, patience=IMPATIENCE if run.lasts else None)
        except (OSError, http.client.HTTPException):
            continue
        # A page whose type found no memory is whole all the same.
        if code == 200 and page in ("/status", "/clients", "/inboxes"):
            json.loads(body)
        must(page != "/metrics" or code != 200 or body.endswith("\n"), "%r", body)


# ---- the queue

def first_add(run):
    run.arm()
    run.judge_code(run.add(2, env=run.env))
    if not os.path.isdir(run.spool):
        run.disarm()
        run.add(1)


def add(run):
    run.add(1)
    run.arm()
    run.judge_code(run.add(2, env=run.env))


def add_stdin(run):
    run.add(1)
    run.arm()
    run.judge_code(run.add(1, env=run.env, by_stdin=True))


def set_in_queue(run, line):
    with open(run.conf, encoding="ascii") as file:
        text = file.read()
    with open(run.conf, "w", encoding="ascii") as file:
        file.write(text.replace("[server]", line + "\n[server]", 1))


def add_bounded(run):
    """Where the queue has bounds, what lies there is counted."""
    set_in_queue(run, "items = 4")
    run.add(1)
    run.arm()
    run.judge_code(run.add(2, env=run.env))
    run.disarm()
    while len(os.listdir(os.path.join(run.spool, "queue"))) < 4:
        run.add(1)
    must(run.inboxq("add", "-i", "status", run.conf).returncode == 75, "a fifth item is taken")


def turn_over(run):
    """sent.log has its size, and the first that leave turn it over."""
    set_in_queue(run, "sent-log = 1M")
    run.add(1)
    line = b"20261101T000000.000000Z 0 STORED cap1 name status 3 " + b"a" * 64 + b"\n"
    with open(os.path.join(run.spool, "sent.log"), "wb") as file:
        file.write(line * (1 + (1 << 20) // len(line)))
    run.arm()
    run.judge_code(run.inboxq("run", "--once", env=run.env).returncode)
    run.disarm()
    must(run.met() or os.path.exists(os.path.join(run.spool, "sent.log.1")), "it was not")


def copied(run):
    """The spool comes from another machine."""
    run.add(1)
    with open(os.path.join(run.spool, "machine"), "w", encoding="ascii") as file:
        file.write("%032x\n" % 7)
    run.arm()
    run.judge_code(run.inboxq("run", "--once", env=run.env).returncode)


def fsck(run):
    run.add(2)
    for part in ("tmp", "queue", "failed"):
        with open(os.path.join(run.spool, part, "alien"), "w", encoding="ascii"):
            pass
    run.arm()
    run.judge_code(run.inboxq("fsck", "--repair", env=run.env).returncode)
    run.disarm()
    done = run.inboxq("fsck", "--repair")
    must(done.returncode == 0, "fsck without faults ends with %d: %s", done.returncode,
         done.stdout)


def requeue(run):
    """What was refused; it will be again."""
    run.add(2, "nosuch")
    must(run.inboxq("run", "--once").returncode == SET_ASIDE, "no answer before the fault")
    run.arm()
    run.judge_code(run.inboxq("requeue", "--all", env=run.env).returncode)


def offer_again(run):
    """Likewise, by itself, a day later."""
    run.add(2, "nosuch")
    must(run.inboxq("run", "--once").returncode == SET_ASIDE, "no answer before the fault")
    for name in os.listdir(os.path.join(run.spool, "failed")):
        os.utime(os.path.join(run.spool, "failed", name), (1e9, 1e9))
    run.arm()
    run.judge_code(run.inboxq("run", "--once", env=run.env).returncode)


def remove(run):
    run.add(2)
    run.arm()
    done = run.inboxq("remove", "1", env=run.env)
    run.judge_code(done.returncode)
    must(done.returncode != 0 or os.listdir(os.path.join(run.spool, "queue")) == ["%020d" % 2],
         "removed, and there")
    run.promised.pop(0)


def run_once(run):
    run.add(2)
    run.add(1, "nosuch")
    run.arm()
    run.judge_code(run.inboxq("run", "--once", env=run.env).returncode)


def run_large(run):
    run.add(2, sizes=(LARGE, 30))
    run.arm()
    run.judge_code(run.inboxq("run", "--once", env=run.env).returncode)


def watch(run):
    """Files in a hot folder; what a fault leaves of them is for the next start."""
    run.add(1)
    run.put(2)
    run.arm()
    run.judge_code(run.watch(env=run.env, seconds=0.5))
    run.disarm()
    must(run.watch() == 0, "watch without faults does not end well")
    must(os.listdir(os.path.join(run.hot, ".inboxq")) == ["lock"], "claims are left")
    must(os.listdir(run.hot) == [".inboxq"], "files are left")


RECEIVER = {function.__name__: function for function in (
    first_start, start, grow, shrink, upload, proxied, duplicate, reload, rotation, recovery,
    recovery_of_frames, recovery_of_many, recovery_of_many_drafts, takeover, stop, large, resume,
    expire, full, status)}
QUEUE = {function.__name__: function for function in (
    first_add, add, add_stdin, add_bounded, turn_over, copied, fsck, requeue, offer_again,
    remove, run_once, run_large, watch)}
