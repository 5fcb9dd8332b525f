#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Inboxes whose items go on to a receiver further up: nothing is lost, whoever dies, and nothing is
given up here before it is stored there."""

import grp
import os
import shutil
import signal
import threading
import time

from copyqueue import cpu, end_run, run_in_background
from harness import INBOXQ, Skip, bound, cases, contains, equal, main, test, until
from relaying import Relay, stored_once


def upload(relay):
    relay.q("run", "--once")


# ---- what goes up

@test
def an_item_stays_here_until_it_is_stored_there(t):
    r = t.receiver()
    relay = Relay(t, r)
    old = relay.put_items(t.bytes(5000), b"")
    relay.start()
    new = relay.put_items(t.bytes(3 << 20), b"one", b"one")
    relay.wait_queued(5)
    equal(relay.new(), sorted({**old, **new}))
    time.sleep(2.5)  # looks again, and takes nothing twice
    equal(len(relay.q.numbers()), 5)
    upload(relay)
    relay.wait_new()
    relay.stop()
    stored_once(r, {**old, **new})
    equal(sorted(line[-2] for line in relay.q.sent_log()), sorted({**old, **new}))


@test
def its_name_here_goes_along(t):
    below, above = t.receiver(inboxes={"status": {"meta": "json"}}), t.receiver()
    below.consumed = True
    c = below.client()
    c.hello(t.queue())
    c.put(1, "status", b"from a client")
    name = c.stored(1).name
    below.acks.clear()  # it is not to stay
    below.wait_published()
    meta = os.path.join(below.root, "status", "meta", name + ".json")
    assert os.path.exists(meta)
    relay = Relay(t, above, folder=os.path.join(below.root, "status"), priority="high")
    relay.start()
    relay.wait_queued(1)
    upload(relay)
    relay.wait_new()
    relay.stop()
    assert not os.path.exists(meta)
    record = t.run([above.ctl, "-c", above.conf, "ledger", "--json"])
    contains(record.stdout, name)
    contains(name, "pc1.example.org")


@test
def who_starts_again_knows_what_is_queued_and_what_is_stored(t):
    r = t.receiver()
    relay = Relay(t, r)
    items = relay.put_items(b"a", b"b", b"c")
    relay.start()
    relay.wait_queued(3)
    relay.kill()
    relay.start()
    time.sleep(1.5)
    equal(len(relay.q.numbers()), 3)
    relay.kill()
    upload(relay)
    equal(len(relay.new()), 3)
    relay.start()
    relay.wait_new()
    equal(relay.q.numbers(), [])
    relay.stop()
    stored_once(r, items)


@test
def what_another_consumer_takes_is_no_error(t):
    r = t.receiver()
    relay = Relay(t, r)
    items = relay.put_items(*(b"%d" % i for i in range(10)))
    relay.start()
    relay.wait_queued(10)
    for name in sorted(items)[:5]:
        os.rename(relay.path(name), relay.path(name, "cur"))
    upload(relay)
    relay.wait_new()
    until(lambda: relay.log().count("event=relay_gone") == 5, 10, "to hear of the others")
    relay.stop()
    assert "trouble" not in relay.log()
    stored_once(r, items)


@test
def what_is_refused_there_stays_here_and_holds_up_nothing(t):
    r = t.receiver(sections={"limits": {"forgive": "0"}})
    relay = Relay(t, r)
    bad = Relay(t, q=relay.q, folder=relay.folder + "bad", inbox="unknown")
    relay.configure(relay, bad)
    refused = bad.put_items(b"nobody has that inbox")
    items = relay.put_items(b"fine")
    relay.start()
    relay.wait_queued(2)
    relay.q("run", "--once", expect=65)
    relay.wait_new()
    relay.stop()
    equal(bad.new(), sorted(refused))
    equal(len(relay.q.numbers("failed")), 1)
    relay.start()
    time.sleep(1.5)
    equal(relay.q.numbers(), [])  # a start does not copy it again
    relay.q("remove", "-y", "all")
    relay.wait_queued(1)  # it is in new/, and has no copy
    relay.kill()
    relay.start()  # the copy has come back since it was removed
    time.sleep(1.5)
    equal(len(relay.q.numbers()), 1)
    equal(bad.new(), sorted(refused))
    relay.stop()
    stored_once(r, items)


@test
def a_queue_without_room_is_waited_for(t):
    r = t.receiver()
    relay = Relay(t, r, queue="items = 3")
    items = relay.put_items(*(b"%d" % i for i in range(8)))
    relay.start()
    relay.wait_log("event=relay_full")
    equal(len(relay.q.numbers()), 3)
    equal(len(relay.new()), 8)
    run = run_in_background(t, relay.q)
    relay.wait_new(seconds=60)
    end_run(run, relay.q)
    contains(relay.log(), "event=relay_has_room")
    relay.stop()
    stored_once(r, items)


@test
def one_relay_has_a_folder(t):
    relay = Relay(t)
    other = Relay(t, folder=relay.folder)
    relay.put_items(b"one")
    relay.start()
    relay.wait_queued(1)
    other.start(wait=False)
    other.wait_log("another relay has it")
    assert not os.path.exists(other.q.spool) or other.q.numbers() == []
    relay.kill()
    other.wait_log("event=relay_began")
    other.stop()


@test
def a_member_of_the_inboxs_group_relays(t):
    if os.geteuid():
        raise Skip("only root can start it as somebody else")
    group = next((g for g in grp.getgrall() if g.gr_gid not in (0, os.getegid())), None)
    if not group:
        raise Skip("no second group here")
    member = {"user": 12345, "group": group.gr_gid, "extra_groups": []}
    below = t.receiver(inboxes={"status": {"group": group.gr_name}}, start=False)
    below.consumed = True
    above = t.receiver()
    relay = Relay(t, above, folder=os.path.join(below.root, "status"))
    with open(relay.q.conf, encoding="ascii") as file:
        text = file.read()
    key = shutil.copy(relay.q.pair.key, os.path.join(relay.q.folder, "key"))
    program = shutil.copy(INBOXQ, relay.q.folder)
    with open(relay.q.conf, "w", encoding="ascii") as file:
        file.write(text.replace(relay.q.pair.key, key))
    for path in (relay.q.folder, key, relay.q.conf):
        os.chown(path, 12345, -1)
    for path in (below.root, t.pki.ca.cert):
        while path != "/":  # the test's own folders are closed to others
            path = os.path.dirname(path)
            if not os.stat(path).st_mode & 0o001:
                os.chmod(path, os.stat(path).st_mode | 0o011)
    os.chmod(relay.q.pair.cert, 0o644)
    os.chmod(t.pki.ca.cert, 0o644)
    below.start()
    c = below.client(hello=t.queue())
    c.put(1, "status", b"for the group")
    c.stored(1)
    below.acks.clear()  # it is not to stay
    below.wait_published()
    relay.start(program=program, wait=False, **{**member, "group": 54321})
    relay.wait_log("event=relay_trouble .*Permission denied")
    relay.stop()
    equal(relay.q.numbers(), [])
    relay.start(program=program, **member)
    relay.wait_queued(1)
    done = t.run([program, "run", "-c", relay.q.conf, "--once"], **member)
    equal(done.returncode, 0, done.stderr)
    relay.wait_new()
    relay.stop()
    stored_once(above, {"": b"for the group"})


@test
def a_folder_that_is_not_there_is_waited_for(t):
    relay = Relay(t)
    away = relay.folder + ".away"
    os.rename(relay.folder, away)
    contains(relay.q("check", expect=None).stderr, "No such file")
    relay.start(wait=False)
    relay.wait_log("event=relay_trouble .*No such file")
    os.rename(away, relay.folder)
    relay.wait_log("event=relay_began")
    relay.put_items(b"one")
    relay.wait_queued(1)
    os.rename(relay.folder, away)
    relay.wait_log("it is gone")
    os.rename(away, relay.folder)
    until(lambda: relay.log().count("event=relay_began") == 2, 10, "to be served again")
    relay.put_items(b"two")
    relay.wait_queued(2)
    relay.stop()


@test
def what_is_no_item_stays_and_is_named_once(t):
    relay = Relay(t)
    os.mkdir(relay.path("20261122T-folder"))
    os.symlink("/etc/passwd", relay.path("20261122T-link"))
    for name in (".hidden", "blank name", "other\nname"):
        with open(relay.path(name), "wb") as file:
            file.write(b"x")
    relay.start()
    relay.put_items(b"good")
    relay.wait_queued(1)
    time.sleep(2.5)
    equal(len(relay.q.numbers()), 1)
    equal(len(relay.new()), 6)
    for name in ("20261122T-folder", "20261122T-link"):
        equal(relay.log().count("file=%s reason=" % name), 1, name)
    equal(relay.log().count("event=relay_not_taken"), 3)
    relay.stop()


# ---- kills

@cases([(call, call) for call in ("openat", "unlinkat", "renameat2", "fsync", "fdatasync", "write",
                                  "ftruncate", "read", "flock")])
def killed_at_every_step_each_item_is_stored_once(t, call):
    r = t.receiver()
    relay = Relay(t, r)
    run = run_in_background(t, relay.q)
    items, n, kills = {}, 1, 0
    for _ in range(60):
        items.update(relay.put_items(t.bytes(3000), b"%d" % n, b"%d" % n))
        relay.start(faults="%s:%d:KILL:once" % (call, n), wait=False)
        until(lambda: relay.process.poll() is not None or not relay.new(), 20,
              "the kill, or all to be stored")
        if relay.process.poll() is None:
            relay.process.terminate()
        if relay.process.wait(bound(20)) == 0:
            break
        equal(relay.process.returncode, -signal.SIGKILL)
        kills += 1
        n += 1 + n // 8
        relay.start()
        until(lambda: set(items) <= relay.known(), 20, "all to be queued")
        relay.kill()
    else:
        raise AssertionError("%s: no end of calls" % call)
    relay.start()
    relay.wait_new()
    relay.stop()
    end_run(run, relay.q)
    t.note("%d kills" % kills)
    assert kills, "no kill"
    stored_once(r, items)


@test
def whoever_is_killed_each_item_is_stored_once_up_there(t):
    """Two receivers in a chain, and all four between client and top killed at random."""
    below, above = t.receiver(), t.receiver()
    below.consumed = above.consumed = True
    below.others = above.others = True
    items = {}
    relay = Relay(t, above, folder=os.path.join(below.root, "status"))
    client = Relay(t, below).q  # a queue, and no relay of its own
    run_up, run_client = None, None
    for turn in range(10):
        client_items = [b"%d.%d " % (turn, i) + t.bytes(t.random.randrange(3000))
                        for i in range(60)]
        items.update((data, data) for data in client_items)
        client.add("status", *client_items)
        run_client = run_client or run_in_background(t, client)
        run_up = run_up or run_in_background(t, relay.q)
        if relay.process is None:
            relay.start(wait=False)
        time.sleep(t.random.uniform(0.05, 1.2))
        for victim in t.random.sample(["relay", "up", "below", "above"], 2):
            if victim == "relay" and relay.process:
                relay.kill()
            elif victim == "up":
                run_up.kill()
                run_up.wait()
                run_up = None
            elif victim == "below":
                port = below.port
                below.kill()
                below.sections["receiver"]["listen"] = "127.0.0.1:%d" % port
                below.write_conf()
                below.start()
            elif victim == "above":
                port = above.port
                above.kill()
                above.sections["receiver"]["listen"] = "127.0.0.1:%d" % port
                above.write_conf()
                above.start()
    run_up = run_up or run_in_background(t, relay.q)
    if relay.process is None:
        relay.start()
    until(lambda: not client.numbers(), 60, "all to be stored here")
    below.wait_published()
    relay.wait_new(seconds=60)
    until(lambda: not relay.q.numbers(), 60, "all to be stored there")
    relay.stop()
    end_run(run_up, relay.q)
    end_run(run_client, client)
    stored_once(above, items)
    t.note("%d items" % len(items))


@test
def beside_a_consumer_nothing_is_lost(t):
    r = t.receiver()
    relay = Relay(t, r)
    run = run_in_background(t, relay.q)
    relay.start()
    items, taken, stop = {}, set(), threading.Event()

    def consume():
        while not stop.is_set():
            for name in relay.new()[::3]:
                try:
                    os.rename(relay.path(name), relay.path(name, "cur"))
                    taken.add(name)
                except FileNotFoundError:
                    pass
            time.sleep(0.01)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for i in range(300):
        items.update(relay.put_items(b"%d" % i))
        time.sleep(0.002)
    relay.wait_new()
    stop.set()
    consumer.join()
    until(lambda: not relay.q.numbers(), 20, "the queue to be empty")
    relay.stop()
    end_run(run, relay.q)
    there = {r.read("status", name) for name in r.files("status")}
    equal(len(r.files("status")), len(there), "stored once each")
    equal(there | {items[name] for name in taken}, set(items.values()))
    t.note("%d taken by the consumer, %d stored" % (len(taken), len(there)))


# ---- many

@test
def a_crowded_inbox_is_held_neither_on_the_disk_nor_in_memory_twice(t):
    relay = Relay(t)
    for i in range(30000):
        with open(relay.path("20261122T141103.%06dZ-1f2e3d4c-0.%d-pc1" % (i, i)), "wb"):
            pass
    relay.start()
    relay.wait_queued(4096, seconds=90)
    before, begin = cpu(relay.process), time.monotonic()
    time.sleep(4)
    used = (cpu(relay.process) - before) / (time.monotonic() - begin)
    equal(len(relay.q.numbers()), 4096)
    with open("/proc/%d/status" % relay.process.pid, encoding="ascii") as file:
        peak = int(file.read().split("VmHWM:")[1].split()[0])
    relay.stop()
    t.note("peak %d KiB, %.1f %% of a processor while it waits" % (peak, 100 * used))
    assert peak < 100 << 10, "%d KiB" % peak
    assert used < 0.2, "%.2f processors while it waits" % used


if __name__ == "__main__":
    main()
