#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The receiver as a daemon: how it starts, tells its supervisor, drains, dies and comes back."""

import contextlib
import os
import re
import signal
import socket
import threading
import time

from client import Closed, Timeout
from harness import SHIMMED, bound, cases, equal, main, need_call, test, until


class Supervisor:
    """The other end of sd_notify(3)."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = []

    def hear(self, word, seconds=10):
        """The message (its lines) that has this line."""
        def look():
            self.socket.settimeout(0.05)
            try:
                self.lines.append(self.socket.recv(4096).decode("ascii").split("\n"))
            except socket.timeout:
                pass
            for i, message in enumerate(self.lines):
                if any(re.fullmatch(word, line) for line in message):
                    return self.lines.pop(i)
            return None
        return until(look, seconds, "notification %s; heard %r" % (word, self.lines))

    def hear_all(self, seconds):
        """What comes in that time."""
        limit = time.monotonic() + seconds
        del self.lines[:]
        while time.monotonic() < limit:
            self.socket.settimeout(max(0.01, limit - time.monotonic()))
            with contextlib.suppress(socket.timeout):
                self.lines.append(self.socket.recv(4096).decode("ascii").split("\n"))
        return list(self.lines)

    def close(self):
        self.socket.close()


def deeds(heard):
    """What it was told but for sentences."""
    return [message for message in heard if not message[0].startswith("STATUS=")]


# ---- the supervisor

@test
def supervisor_is_told_of_each_state(t):
    supervisor = Supervisor(t.folder)
    t.closing.append(supervisor)
    r = t.receiver(start=False, env={"NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": "600000"})
    r.start(env={"NOTIFY_SOCKET": supervisor.path})
    supervisor.hear("READY=1")
    supervisor.hear("WATCHDOG=1")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    r.process.send_signal(signal.SIGHUP)
    message = supervisor.hear("RELOADING=1")
    stamp = [line for line in message if line.startswith("MONOTONIC_USEC=")]
    equal(len(stamp), 1, "MONOTONIC_USEC in %r" % message)
    assert before <= int(stamp[0].split("=")[1]) <= before + 30000000, stamp
    supervisor.hear("READY=1")
    r.check()
    r.stop()
    supervisor.hear("STOPPING=1")


@test
def watchdog_of_another_process_is_not_fed(t):
    supervisor = Supervisor(t.folder)
    t.closing.append(supervisor)
    r = t.receiver(start=False)
    r.start(env={"NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    supervisor.hear("READY=1")
    time.sleep(0.5)
    r.stop()
    supervisor.hear("STOPPING=1")
    assert not any("WATCHDOG=1" in message for message in supervisor.lines), supervisor.lines


@test
def watchdog_is_not_fed_while_nothing_can_become_visible(t):
    """Not even where all else goes on, and is answered."""
    supervisor = Supervisor(t.folder)
    t.closing.append(supervisor)
    arm = os.path.join(t.folder, "arm")
    r = t.receiver(start=False, env={**SHIMMED, "FAULT_ARM": arm,
                                     "FAULT": "fsync@tmpdir:1:8000ms:once"})
    r.start(env={"NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": "600000"})
    supervisor.hear("WATCHDOG=1")
    c = r.client(hello=t.queue())
    open(arm, "w", encoding="ascii").close()
    for n in (1, 2):
        c.put(n, "status", b"acknowledged all the same")
        c.stored(n)
    # For five times that interval it may be one sync that takes long.
    assert ["WATCHDOG=1"] in supervisor.hear_all(2.0), supervisor.lines
    supervisor.hear_all(2.0)
    heard = supervisor.hear_all(1.5)
    assert r.gauge("unpublished_items") > 0, "it was not held up long enough"
    equal(deeds(heard), [], "said to the supervisor meanwhile")
    supervisor.hear("WATCHDOG=1")
    c.quit()


@test
def watchdog_is_not_fed_while_a_worker_hangs(t):
    """One alone: the commit thread and the other worker go on.  It may hang for as long as a sync
    may take, and is told of at once; when it is back, nothing is lost."""
    supervisor = Supervisor(t.folder)
    t.closing.append(supervisor)
    arm = os.path.join(t.folder, "arm")
    r = t.receiver(start=False, env={**SHIMMED, "FAULT_ARM": arm,
                                     "FAULT": "openat@draft:1:16000ms:once"})
    r.start(env={"NOTIFY_SOCKET": supervisor.path, "WATCHDOG_USEC": "600000"})
    supervisor.hear("WATCHDOG=1")
    hangs, works = [r.client(hello=t.queue()) for _ in range(2)]  # one of each worker
    open(arm, "w", encoding="ascii").close()
    hangs.put(1, "status", b"it hangs as its draft is made")
    hangs.flow(0.3)
    works.put(1, "status", b"and the other one is stored")
    works.stored(1)
    supervisor.hear_all(1.0)  # longer than an interval
    assert ["WATCHDOG=1"] in supervisor.hear_all(1.0), supervisor.lines
    supervisor.hear_all(2.0)
    heard = supervisor.hear_all(1.5)
    equal(deeds(heard), [], "said to the supervisor meanwhile")
    works.put(2, "status", b"though all else goes on")
    works.stored(2)
    line = r.wait_log(r"event=thread_silent thread=worker number=\d seconds=1\d ", 12).group(0)
    assert r.gauge("thread_silent_seconds") >= 10
    supervisor.hear(r"STATUS=A thread has not answered for 1\d s: its disk may hang\. "
                    r"Serving 2 connections; .*", 12)
    r.wait_log(r"event=thread_answers %s" % " ".join(line.split()[1:3]), 12)
    supervisor.hear("WATCHDOG=1")
    hangs.stored(1)
    until(lambda: r.gauge("thread_silent_seconds") == 0, 8, "the roll to be called again")
    for c in (hangs, works):
        c.quit()


@test
def supervisor_is_told_how_it_is(t):
    supervisor = Supervisor(t.folder)
    t.closing.append(supervisor)
    r = t.receiver(start=False)
    r.start(env={"NOTIFY_SOCKET": supervisor.path})
    supervisor.hear("STATUS=Recovering: making the journal")
    tail = ", 0 in flight, 0 waiting to be published"
    supervisor.hear("STATUS=Serving 0 connections; 0 items stored" + tail)
    c = r.client(hello=t.queue())
    c.put(1, "status", b"one")
    c.stored(1)
    supervisor.hear("STATUS=Serving 1 connection; 1 item stored" + tail, 16)
    equal(supervisor.hear_all(6), [], "it is told of what is new alone")
    c.quit()
    r.write_conf("[nonsense]\n")
    r.process.send_signal(signal.SIGHUP)
    supervisor.hear("STATUS=The last reload was not taken: .*nonsense.*" + tail)
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    supervisor.hear("STATUS=Serving 0 connections; 1 item stored" + tail)
    r.check()
    r.stop()
    supervisor.hear("STATUS=Stopping: 0 connections; 1 item stored" + tail)


# ---- the process

@test
def process_is_set_up_as_promised(t):
    r = t.receiver()
    with open("/proc/%d/limits" % r.process.pid, encoding="ascii") as file:
        soft, hard = re.search(r"Max open files +(\d+) +(\d+)", file.read()).groups()
    equal(soft, hard, "soft limit of open files")
    with open("/proc/%d/status" % r.process.pid, encoding="ascii") as file:
        status = file.read()
    equal(re.search(r"^Umask:\s+(\d+)", status, re.M).group(1), "0027")
    ignored = int(re.search(r"^SigIgn:\s+([0-9a-f]+)", status, re.M).group(1), 16)
    assert ignored >> (signal.SIGPIPE - 1) & 1, "SIGPIPE is not ignored"
    if os.geteuid() == 0:
        assert re.search(r"event=\S*root", r.log()), "runs as root and does not say so"


@cases([("plain", "plain", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z [a-z]+ event=[a-z_]+( |$)"),
        ("journal", "journal", r"<[0-7]>event=[a-z_]+( |$)")])
def log_is_one_event_a_line(t, form, pattern):
    r = t.receiver({"log": {"format": form}})
    c = r.client(hello=t.queue())
    c.put(1, "status", b"x", name="evil\nevent=forged")
    c.stored(1)
    c.post("NON\tSENSE\n")
    c.wait_close()
    r.stop()
    for line in r.log().splitlines():
        assert re.match(pattern, line), line


@cases([("SIGTERM", signal.SIGTERM), ("SIGINT", signal.SIGINT)])
def signal_ends_an_idle_receiver(t, how):
    r = t.receiver()
    c = r.client(hello=t.queue())
    r.process.send_signal(how)
    goaway = c.expect("GOAWAY")
    equal(goaway.code, "stopping")
    c.wait_close()
    r.wait_end(0)


@test
def reload_signal_before_ready_does_not_kill(t):
    r = t.receiver(start=False)
    r.start(wait=False)
    for _ in range(20):
        time.sleep(0.01)
        if "event=" in r.log():
            r.process.send_signal(signal.SIGHUP)
            break
    r.wait_log("event=ready")
    r.port = int(re.search(r"event=listening [^\n]*address=\S+:(\d+)", r.log()).group(1))
    c = r.client(hello=t.queue())
    c.quit()


# ---- drain

@test
def drain_answers_what_had_arrived(t):
    r = t.receiver({"receiver": {"sync": "files"}})
    c = r.client(hello=t.queue())
    for n in range(1, 301):
        c.put(n, "status", b"%d" % n)
    c.flow(0.02)
    r.process.send_signal(signal.SIGTERM)
    lines = []
    try:
        c.wait_close()
    finally:
        lines = c.history
    goaways = [line for line in lines if line.verb == "GOAWAY"]
    equal([line.code for line in goaways], ["stopping"])
    r.wait_end(0)
    stored = {line.name for line in lines if line.verb == "STORED"}
    equal(set(r.files("status")), stored, "files, against the acks")
    equal(r.files("status", "tmp"), [], "drafts")


@test
def drain_does_not_wait_for_half_an_item_for_ever(t):
    r = t.receiver({"receiver": {"drain": "1s"}})
    c = r.client(hello=t.queue())
    c.announce(1, "status", b"x" * 1000)
    c.send(b"x" * 10)
    until(lambda: r.balance()[1]["in_flight"] == 1)
    started = time.monotonic()
    r.process.send_signal(signal.SIGTERM)
    line = c.expect("GOAWAY")
    equal((line.seconds, line.code), (0, "stopping"), "few may come back at once")
    r.wait_end(0)
    assert time.monotonic() - started < bound(6), "took %g s" % (time.monotonic() - started)
    equal(r.files("status", "tmp"), [], "drafts")


@test
def no_new_client_is_served_while_draining(t):
    r = t.receiver({"receiver": {"drain": "3s"}})
    c = r.client(hello=t.queue())
    c.announce(1, "status", b"x" * 1000)
    c.send(b"x" * 10)
    until(lambda: r.balance()[1]["in_flight"] == 1)
    r.process.send_signal(signal.SIGTERM)
    c.expect("GOAWAY")
    try:
        late = r.client(handshake=False, timeout=2)
        late.post("HELLO 1 %s 1\n" % t.queue())
        verbs = [line.verb for line in late.wait_close(2)]
        assert "READY" not in verbs or verbs[-1] == "GOAWAY", verbs
    except (OSError, Closed, Timeout):
        pass
    c.cut()
    r.wait_end(0)


# ---- time

@test
def idle_client_is_sent_away(t):
    r = t.receiver({"limits": {"idle": "1s"}})
    c = r.client(hello=t.queue())
    equal(c.ready.idle, 1)
    c.put(1, "status", b"x")
    c.stored(1)
    started = time.monotonic()
    goaway = c.expect("GOAWAY")
    equal((goaway.seconds, goaway.code), (0, "idle"))
    assert time.monotonic() - started > 0.5, "too early"
    c.wait_close()


@test
def half_an_item_does_not_keep_a_place_for_ever(t):
    r = t.receiver({"limits": {"idle": "1s"}})
    c = r.client(hello=t.queue())
    c.announce(1, "status", b"x" * 100)
    c.send(b"x")
    equal(c.expect("GOAWAY").code, "idle")
    c.wait_close()
    until(lambda: r.items("cut_off") == 1)


@test
def slow_disk_says_wait_and_answers_in_the_end(t):
    arm = os.path.join(t.folder, "arm")
    r = t.receiver(env={**SHIMMED, "FAULT_ARM": arm,
                        "FAULT": "fdatasync@journal:1:6500ms:once"})
    c = r.client(hello=t.queue())
    open(arm, "w", encoding="ascii").close()
    c.put(1, "status", b"slow")
    wait = c.expect("WAIT")
    assert wait.seconds > 5, wait
    assert 1 not in c.answers
    c.post("PING\n")  # the session is alive meanwhile
    c.expect("PONG", bound(1.4))
    c.stored(1)
    c.quit()


# ---- crash and return

@cases([(sync, sync) for sync in ("auto", "files", "filesystem")])
def receiver_killed_under_load_loses_nothing_and_doubles_nothing(t, sync):
    """Each item is acknowledged in the end and lies in new/ once, under its first name."""
    if sync == "filesystem":
        need_call("syncfs")
    r = t.receiver({"receiver": {"sync": sync}})
    r.consumed = True
    queues = [t.queue() for _ in range(3)]
    items = {queue: {n: t.bytes(t.random.randrange(2000)) for n in range(1, 81)}
             for queue in queues}
    names = {}
    for turn in range(4):
        clients = []
        for queue in queues:
            c = r.client(hello={"queue": queue, "wait": False})
            for n in t.random.sample(sorted(items[queue]), 80):
                c.put(n, "status", items[queue][n])
            clients.append((queue, c))
        killer = threading.Timer(t.random.uniform(0.0, 0.06), r.process.kill)
        if turn < 3:
            killer.start()
        for queue, c in clients:
            try:
                for n in items[queue]:
                    c.stored(n)
            except (Closed, OSError):
                if turn == 3:
                    raise
            for line in c.history:
                if line.verb == "STORED":
                    first = names.setdefault((queue, line.n), line.name)
                    equal(line.name, first, "name of item %d" % line.n)
            c.cut()
        if turn < 3:
            killer.join()
            r.wait_end(-signal.SIGKILL)
            r.start()
    equal(len(set(names.values())), 240, "names")
    equal(r.files("status"), sorted(names.values()), "files in new/")


@test
def drafts_without_a_record_are_deleted_at_start(t):
    r = t.receiver(start=False)
    with open(r.path("status", "left-over", "tmp"), "w", encoding="ascii") as file:
        file.write("x")
    r.start()
    equal(r.files("status", "tmp"), [])


@test
def torn_tail_of_the_ledger_is_no_obstacle(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"kept")
    c.stored(1)
    c.quit()
    r.kill()
    ledger = os.path.join(r.root, "ledger")
    last = os.path.join(ledger, sorted(os.listdir(ledger))[-1])
    with open(last, "ab") as file:
        file.write(b"12345678 accept 99 2026")
    r.start()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"goes on")
    c.stored(1)
    c.quit()


@test
def burst_of_connections_is_held_to_the_limit(t):
    """Those beyond it wait in the kernel's queue, however fast all of them come."""
    r = t.receiver({"limits": {"connections": "10", "handshakes": "50"}})
    # While it stands still they gather in the kernel's queue, and come at once.
    r.process.send_signal(signal.SIGSTOP)
    crowd = [socket.socket() for _ in range(300)]
    for one in crowd:
        one.setblocking(False)
        one.connect_ex(r.address)
    r.process.send_signal(signal.SIGCONT)
    until(lambda: r.gauge("handshakes") == 50, 10, "50 handshakes")
    until(lambda: r.metric("inboxd_handshake_waits_total") > 0, 10, "the others to wait")
    assert r.gauge("handshakes") <= 50 and r.gauge("connections") < 200
    for one in crowd:
        one.close()
    until(lambda: r.metric("inboxd_connections") == 0, 10, "all to be gone")
    r.client(hello=t.queue()).quit()


if __name__ == "__main__":
    main()
