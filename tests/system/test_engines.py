#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inbox-relay into PostgreSQL and NATS JetStream, the real ones: an item leaves its inbox when the
engine has it for good, and not before; whoever dies, it is there once by its key."""

import os
import shutil
import signal
import threading
import time

from client import sha256
from engines import (ROOT, Cutter, InboxRelay, Nats, by_key, nats_server, postgres, relay_into,
                     relay_into_stream)
from harness import bound, cases, contains, equal, main, test, until
from meta import need_xattr

# ---- PostgreSQL

@test
def an_item_is_a_row_and_leaves_its_inbox_then(t):
    pg, table, relay = relay_into(t)
    items = relay.put_items(b"", b"one", b"one", bytes(range(256)) * 3, t.bytes(9 << 20))
    relay.start()
    items.update(relay.put_items(*(b"%d" % i for i in range(700))))
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), items)
    equal(pg.sql("SELECT DISTINCT root, inbox FROM %s" % table), "%s|status" % ROOT)
    equal(pg.sql("SELECT count(*) FROM %s WHERE sha256 <> encode(sha256(bytes), 'hex')" % table),
          "0")
    contains(relay.log(), "stored=%d aside=0 exit=0" % len(items))


def upload(t, meta, name):
    """A receiver with one item, and the item's name there."""
    r = t.receiver(inboxes={"status": {"meta": meta}})
    r.consumed = True
    c = r.client()
    c.hello(t.queue())
    c.put(7, "status", b"from a client", name=name)
    stored = c.stored(7).name
    r.acks.clear()  # it is not to stay
    r.wait_published()
    return r, stored


@cases([("json", "json"), ("attributes", "xattr")])
def what_is_told_of_an_item_goes_along(t, meta):
    if meta == "xattr":
        need_xattr(t)
    r, name = upload(t, meta, b"r\xc3\xa9sum\xc3\xa9 \x01\xff.txt")
    pg, table, relay = relay_into(t, folder=os.path.join(r.root, "status"))
    relay.start()
    relay.wait_gone()
    relay.stop()
    with open(os.path.join(r.root, "id"), encoding="ascii") as file:
        root = file.read().strip()
    row = pg.sql("SELECT root, item, client, number, name, sha256, length(queue), received > "
                 "now() - interval '5 minutes' FROM %s" % table).split("|")
    equal(row, [root, name, "pc1.example.org", "7", "r%C3%A9sum%C3%A9%20%01%FF.txt",
                sha256(b"from a client"), "32", "t"])
    if meta == "json":
        equal(os.listdir(os.path.join(r.root, "status", "meta")), [])


@test
def a_name_in_utf_8_goes_as_such(t):
    r, _ = upload(t, "json", "r\u00e9sum\u00e9.txt".encode())
    pg, table, relay = relay_into(t, folder=os.path.join(r.root, "status"))
    equal(relay.run("-o").returncode, 0)
    equal(pg.sql("SELECT name FROM %s" % table), "r\u00e9sum\u00e9.txt")


@test
def once_takes_what_is_there_and_what_the_dead_have_left(t):
    pg, table, relay = relay_into(t)
    items = relay.put_items(b"one", b"two", b"three")
    for name in list(items)[:2]:
        os.rename(relay.path(name), relay.path(name, "cur"))
    equal(relay.run("-o").returncode, 0)
    equal(relay.there(), [])
    equal(pg.rows(table), items)


@test
def whoever_is_killed_each_item_is_there_once(t):
    """The relay and the server, by SIGKILL, in thirty rounds; what has left the inbox is a row."""
    pg, table, relay = relay_into(t)
    items, kills = {}, {"relay": 0, "server": 0}
    for turn in range(30):
        items.update(relay.put_items(*(t.bytes(t.random.randrange(2000)) for _ in range(150))))
        if not relay.runs():
            relay.start(wait=False)
        time.sleep(t.random.uniform(0.02, 0.25))
        victim = t.random.choice(["relay", "relay", "server"])
        kills[victim] += 1
        if victim == "relay":
            relay.kill()
            left = set(items) - set(relay.there())
        else:
            # Before it is killed what is deleted counts, not what will have been.
            left = set(items) - set(relay.there())
            pg.kill()
            pg.start()
        missing = left - set(pg.rows(table))
        equal(missing, set(), "turn %d: not in the inbox, and no rows" % turn)
    if not relay.runs():
        relay.start()
    relay.wait_gone(seconds=60)
    relay.stop()
    equal(pg.rows(table), items)
    t.note("%d items; killed: %r" % (len(items), kills))


@cases([(call, call) for call in ("renameat2", "open", "read", "unlinkat", "flock")])
def killed_at_every_step_each_item_is_there_once(t, call):
    pg, table, relay = relay_into(t)
    items, n, kills = {}, 1, 0
    for _ in range(30):
        items.update(relay.put_items(b"%d" % n, b"%d" % n))
        relay.start(faults="%s:%d:KILL:once" % (call, n), wait=False)
        until(lambda: relay.process.poll() is not None or not relay.there(), 20, "the kill, or all")
        if relay.process.poll() is None:
            relay.process.terminate()
        if relay.process.wait(bound(20)) == 0:
            break
        equal(relay.process.returncode, -signal.SIGKILL)
        kills += 1
        n += 1 + n // 3
        equal(set(items) - set(relay.there()) - set(pg.rows(table)), set(), "lost")
    else:
        raise AssertionError("%s: no end of calls" % call)
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), items)
    assert kills, "no kill"
    t.note("%d kills" % kills)


@cases([(call, call, errors) for call, errors in (
    ("renameat2", "ENOSPC EIO"), ("open", "EMFILE EIO"), ("read", "EIO"), ("flock", "ENOLCK"),
    ("unlinkat", "EACCES"), ("fstat", "EIO"), ("fstatat", "EIO"), ("fdopendir", "ENOMEM"),
    ("readdir", "EIO"), ("mkdirat", "ENOSPC"), ("malloc", "ENOMEM"), ("fcntl", "EMFILE"))])
def each_call_that_fails_costs_no_item(t, call, errors):
    """The first, the second, ... once: what is not in the inbox is a row or set aside, and the next
    run has all."""
    pg, table, relay = relay_into(t, engine={"item": "5"})
    met, items, large, tried = os.path.join(relay.home, "met"), {}, {}, 0
    for error in errors.split():
        for n in range(1, 200):
            # All is deleted, but where that is what fails: then it waits, and is told to stop.
            items.update(relay.put_items(b"%d" % n, b"two"))
            large.update(relay.put_items(b"too large"))
            done = relay.run("-o", faults="%s:%d:%s:once" % (call, n, error), met=met)
            assert done.returncode in (0, 66, 71, 74, 75, 77, 78), done
            if not os.path.exists(met):
                break
            os.unlink(met)
            tried += 1
            there = set(relay.there())
            equal(set(items) - there - set(pg.rows(table)), set(), "lost: %s" % done.stderr)
            equal(set(large) - there - set(relay.names_in("failed")), set(), "lost, of the large")
            if n % 10 == 0 or there:
                equal(relay.run("-o").returncode, 0)
        else:
            raise AssertionError("no end of calls")
    equal(relay.run("-o").returncode, 0)
    equal(relay.there(), [])
    equal(pg.rows(table), items)
    equal(relay.names_in("failed"), sorted(large))
    assert tried, "no call failed"
    t.note("%d calls failed" % tried)


@test
def what_cannot_be_deleted_is_not_given_again(t):
    pg, table, relay = relay_into(t)
    items = relay.put_items(b"one", b"two")
    relay.start(faults="unlinkat:1:EACCES:on", wait=False)
    relay.wait_log("event=delete_failed")
    equal(pg.rows(table), items)
    relay.put_items(b"three")
    time.sleep(1)
    equal(pg.rows(table), items)
    equal(len(relay.names_in("new")), 1)
    relay.stop()
    equal(len(relay.there()), 3)
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(len(pg.rows(table)), 3)


@cases([("at a claim", "renameat2:2:EIO:on", "output error"),
        ("at an end", "unlinkat:1:EROFS:on", "ReadWritePaths")])
def a_folder_that_is_gone_ends_it(t, faults, word):
    pg, table, relay = relay_into(t)
    items = relay.put_items(b"one", b"two")
    relay.start(faults=faults, wait=False)
    relay.end(74)
    contains(relay.log(), "event=folder_gone")
    contains(relay.log(), word)
    equal(set(items) - set(relay.there()) - set(pg.rows(table)), set())


@test
def a_lost_answer_to_commit_makes_no_second_row(t):
    pg = postgres()
    cutter = Cutter(pg.port, lost=3)
    t.closing.append(cutter)
    pg, table, relay = relay_into(t, port=cutter.port)
    items = relay.put_items(*(b"%d" % i for i in range(20)))
    relay.start()
    relay.wait_log("event=engine_away")
    until(lambda: pg.rows(table) == items, 10, "COMMIT to have come there")
    assert cutter.cuts == 3 or relay.there(), "what was not answered for was deleted"
    relay.wait_gone()
    equal(cutter.cuts, 3)
    relay.stop()
    equal(pg.rows(table), items)


@test
def a_row_that_waits_for_its_standby_is_not_stored_yet(t):
    """Its COMMIT stands, and the connection is gone: who gives the item again finds the row, and
    has to wait all the same."""
    pg, table, relay = relay_into(t, engine={"timeout": "3s"})
    items = relay.put_items(b"one", b"two")
    waiters = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    waiting = "SELECT count(*) " + waiters
    try:
        pg.set(synchronous_standby_names="nobody")
        relay.start()
        until(lambda: pg.sql(waiting) != "0", 10, "COMMIT to wait")
        pg.sql("SELECT pg_terminate_backend(pid) " + waiters)
        until(lambda: pg.rows(table) == items, 10, "the rows to be seen")
        relay.wait_log("event=engine_away")
        until(lambda: pg.sql(waiting) != "0", 10, "the next COMMIT to wait")
        equal(relay.there(), sorted(items))
        # It is answered with success and a warning.
        pg.sql("SELECT pg_cancel_backend(pid) " + waiters)
        relay.wait_log("event=engine_warns")
        time.sleep(0.5)
        equal(relay.there(), sorted(items))
    finally:
        pg.set(synchronous_standby_names=None)
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), items)


@test
def what_does_not_mean_durable_is_refused(t):
    pg, table, relay = relay_into(t)
    items = relay.put_items(b"one")

    def refused(word):
        check = relay.run("-t")
        equal(check.returncode, 78, check.stderr)
        contains(check.stderr, word)
        relay.start(wait=False)
        relay.end(78)
        contains(relay.log(), "event=engine_refused")
        equal(relay.there(), sorted(items))
        equal(pg.sql("SELECT count(*) FROM %s" % table), "0")

    for setting in ("fsync", "full_page_writes"):
        try:
            pg.set(**{setting: "off"})
            refused(setting)
            if setting == "full_page_writes":
                relay.sections["engine"]["trust"] = "full-page-writes"
                relay.write_conf()
                equal(relay.run("-t").returncode, 0)
        finally:
            pg.set(**{setting: None})
    pg.sql("ALTER TABLE %s SET UNLOGGED" % table)
    refused("unlogged")
    pg.sql("ALTER TABLE %s SET LOGGED; ALTER TABLE %s RENAME TO real_%s; CREATE VIEW %s AS "
           "SELECT * FROM real_%s" % ((table,) * 5))
    refused("view")
    pg.sql("DROP VIEW %s; ALTER TABLE real_%s RENAME TO %s" % ((table,) * 3))
    equal(relay.run("-o").returncode, 0)
    equal(pg.rows(table), items)


@cases([("nothing", "SELECT 1"), ("to read", "GRANT SELECT ON %s TO %s"),
        ("to write", "GRANT INSERT ON %s TO %s")])
def a_role_that_may_not_is_told_what_it_lacks(t, right):
    pg, table, relay = relay_into(t)
    role = "some_" + table
    pg.sql("CREATE ROLE %s LOGIN" % role)
    try:
        pg.sql(right % ((table, role) if "%" in right else ()))
        settings = relay.sections["postgresql"]
        settings["connection"] = settings["connection"].replace("tester", role)
        relay.write_conf()
        check = relay.run("-t")
        equal(check.returncode, 75, check.stderr)
        contains(check.stderr, "GRANT INSERT, SELECT ON %s TO %s" % (table, role))
        items = relay.put_items(b"one")
        relay.start(wait=False)
        relay.wait_log("event=engine_away")
        pg.sql("GRANT INSERT, SELECT ON %s TO %s" % (table, role))
        relay.wait_gone()
        relay.stop()
        equal(pg.rows(table), items)
    finally:
        pg.sql("DROP OWNED BY %s; DROP ROLE %s" % (role, role))


@test
def what_stops_to_be_durable_is_refused_while_it_runs(t):
    pg, table, relay = relay_into(t)
    relay.start()
    relay.wait_log("event=engine_open")
    try:
        pg.set(fsync="off")
        items = relay.put_items(b"one")
        relay.end(78)
    finally:
        pg.set(fsync=None)
    equal(relay.there(), sorted(items))
    equal(pg.rows(table), {})


@test
def asynchronous_commit_of_the_server_does_not_count(t):
    pg, table, relay = relay_into(t)
    try:
        pg.set(synchronous_commit="off", log_statement="all")
        items = relay.put_items(b"one")
        equal(relay.run("-o").returncode, 0)
    finally:
        pg.set(synchronous_commit=None, log_statement=None)
    equal(pg.rows(table), items)
    # What its COMMIT waited for is on the disk when it is answered.
    pg.kill()
    pg.start()
    equal(pg.rows(table), items)


@test
def an_item_that_will_not_do_is_set_aside_and_holds_up_nothing(t):
    pg, table, relay = relay_into(t, engine={"item": "1K"})
    pg.sql("ALTER TABLE %s ADD CHECK (bytes <> 'poison'::bytea)" % table)
    bad = relay.put_items(b"poison", b"x" * 1025)
    good = relay.put_items(b"one", b"two", b"x" * 1024)
    worse = relay.put_items(b"poison")
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), good)
    equal(relay.names_in("failed"), sorted({**bad, **worse}))
    equal(relay.log().count("event=item_set_aside"), 3)
    contains(relay.log(), "violates check constraint")
    contains(relay.log(), "it has 1025 bytes")


@test
def bytes_that_are_not_those_that_came_are_set_aside(t):
    r, name = upload(t, "json", b"a")
    pg, table, relay = relay_into(t, folder=os.path.join(r.root, "status"))
    with open(relay.path(name), "r+b") as file:
        file.write(b"F")
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), {})
    equal(sorted(os.listdir(relay.folder + "/failed")), sorted([name, name + ".json"]))
    contains(relay.log(), "its bytes are not those that came")


@test
def an_engine_that_is_away_is_waited_for(t):
    pg, table, relay = relay_into(t, make=False)
    items = relay.put_items(b"one")
    equal(relay.run("-t").returncode, 75)
    equal(relay.run("-o").returncode, 75)
    equal(relay.names_in("new"), sorted(items))
    relay.start(wait=False)
    relay.wait_log("event=engine_away .*there is no table")
    equal(relay.names_in("new"), sorted(items))
    pg.sql(relay.run("-s").stdout)
    relay.wait_gone()
    pg.kill()
    more = relay.put_items(b"two")
    relay.wait_log('event=engine_away error="[^t]')
    equal(relay.there(), sorted(more))
    pg.start()
    relay.wait_gone()
    relay.stop()
    equal(pg.rows(table), {**items, **more})


@test
def it_ends_at_once_while_the_engine_is_away(t):
    pg, _, relay = relay_into(t)
    relay.sections["postgresql"]["connection"] = pg.connection(1)
    relay.write_conf()
    items = relay.put_items(b"one")
    relay.start(wait=False)
    relay.wait_log("event=engine_away")
    begin = time.monotonic()
    relay.stop()
    assert time.monotonic() - begin < bound(3), "it took its time"
    equal(relay.names_in("new"), sorted(items))


@test
def beside_other_consumers_each_item_is_taken_once(t):
    pg, table, relay = relay_into(t)
    other = InboxRelay(t, relay.sections["engine"], {
        "postgresql": relay.sections["postgresql"]}, folder=relay.folder)
    other.sections["inbox status"]["root"] = "f" * 32  # of another root, for whoever looks
    other.write_conf()
    relay.start()
    other.start()
    taken, stop, items = set(), threading.Event(), {}

    def consume():
        while not stop.is_set():
            for name in relay.names_in("new")[::17]:
                try:
                    os.rename(relay.path(name), os.path.join(relay.home, name))
                    taken.add(name)
                except FileNotFoundError:
                    pass
            time.sleep(0.005)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for i in range(400):
        items.update(relay.put_items(b"%d" % i))
        time.sleep(0.001)
    relay.wait_gone()
    stop.set()
    consumer.join()
    relay.stop()
    other.stop()
    rows = pg.rows(table)
    equal(int(pg.sql("SELECT count(*) FROM %s" % table)), len(rows), "items in both roots")
    equal({**rows, **{name: items[name] for name in taken}}, items)
    equal(set(rows) & taken, set())
    t.note("%d by the two relays, %d by the other consumer" % (len(rows), len(taken)))


@test
def what_another_one_is_at_work_on_stays(t):
    import fcntl
    pg, table, relay = relay_into(t)
    items = relay.put_items(b"held", b"free")
    held = sorted(items)[0]
    os.rename(relay.path(held), relay.path(held, "cur"))
    with open(relay.path(held, "cur"), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        equal(relay.run("-o").returncode, 0)
        equal(relay.there(), [held])
    equal(relay.run("-o").returncode, 0)
    equal(pg.rows(table), items)


@test
def it_waits_for_no_folder_that_is_not_there(t):
    _, _, relay = relay_into(t, make=False)
    del relay.sections["inbox status"]["root"]
    relay.write_conf()
    check = relay.run("-t")
    equal(check.returncode, 66)
    contains(check.stderr, "the id of its root")
    relay.sections["inbox status"]["folder"] += "-not"
    relay.write_conf()
    contains(relay.run("-t").stderr, "[inbox status] folder ")
    relay.sections["inbox status"]["folder"] = relay.folder
    relay.write_conf()
    shutil.rmtree(os.path.join(relay.folder, "cur"))
    relay.start(wait=False)
    relay.end(66)
    contains(relay.log(), "cur")


@cases([("no connection", "postgresql", "connection", None, "connection is missing"),
        ("a table", "postgresql", "table", "a; drop", "SCHEMA.TABLE"),
        ("a root", "inbox status", "root", "12", "32 digits"),
        ("trust", "engine", "trust", "everybody", "sync-always"),
        ("an engine", "engine", "type", "kafka", "postgresql")])
def what_is_wrong_in_the_settings_is_told(t, section, key, value, word):
    _, _, relay = relay_into(t, make=False)
    if value is None:
        del relay.sections[section][key]
    else:
        relay.sections[section][key] = value
    relay.write_conf()
    said = relay.run("-t")
    equal(said.returncode, 78)
    contains(said.stderr, word)


@test
def its_settings_are_printed_as_they_are_read(t):
    _, _, relay = relay_into(t, make=False)
    said = relay.run("-T")
    equal(said.returncode, 0)
    with open(relay.conf, "w", encoding="ascii") as file:
        file.write(said.stdout)
    equal(relay.run("-T").stdout, said.stdout)


@test
def how_many_items_a_second(t):
    """A figure, on whatever this runs on."""
    pg, table, relay = relay_into(t)
    items = relay.put_items(*(b"%1000d" % i for i in range(5000)))
    begin = time.monotonic()
    equal(relay.run("-o").returncode, 0)
    seconds = time.monotonic() - begin
    equal(len(pg.rows(table)), len(items))
    t.note("PostgreSQL: %d items of 1,000 bytes in %.1f s, %d/s" % (
        len(items), seconds, len(items) / seconds))


# ---- NATS

@test
def an_item_is_a_message_and_leaves_its_inbox_then(t):
    nats, relay = relay_into_stream(t)
    items = relay.put_items(b"", b"one", b"one", t.bytes(1 << 20))
    relay.start()
    items.update(relay.put_items(*(b"%d" % i for i in range(600))))
    relay.wait_gone()
    relay.stop()
    equal(by_key(nats), items)
    equal({headers["subject"] for headers, _ in nats.messages()}, {"inbox.status"})
    contains(relay.log(), "stored=%d aside=0 exit=0" % len(items))


@test
def what_is_told_of_an_item_stands_in_its_message(t):
    r, name = upload(t, "json", "r\u00e9sum\u00e9 .txt".encode())
    nats, relay = relay_into_stream(t)
    relay.folder = os.path.join(r.root, "status")
    relay.sections["inbox status"] = {"folder": relay.folder}
    relay.write_conf()
    equal(relay.run("-o").returncode, 0)
    headers, _ = nats.messages()[0]
    equal([headers["Inbox-" + key] for key in ("Item", "Client", "Number", "Name", "Inbox")],
          [name, "pc1.example.org", "7", "r%C3%A9sum%C3%A9%20.txt", "status"])


@test
def whoever_is_killed_each_item_is_one_message(t):
    nats, relay = relay_into_stream(t)
    items, kills = {}, {"relay": 0, "server": 0}
    for turn in range(30):
        items.update(relay.put_items(*(t.bytes(t.random.randrange(2000)) for _ in range(60))))
        if not relay.runs():
            relay.start(wait=False)
        time.sleep(t.random.uniform(0.02, 0.25))
        victim = t.random.choice(["relay", "relay", "server"])
        kills[victim] += 1
        if victim == "relay":
            relay.kill()
            left = set(items) - set(relay.there())
        else:
            left = set(items) - set(relay.there())
            nats.kill()
            nats.start()
        equal(left - set(by_key(nats)), set(), "turn %d: not in the inbox, and no messages" % turn)
    if not relay.runs():
        relay.start()
    relay.wait_gone(seconds=60)
    relay.stop()
    equal(by_key(nats), items)
    t.note("%d items; killed: %r" % (len(items), kills))


@cases([("memory", {"storage": "memory"}, "storage"),
        ("interest", {"retention": "interest"}, "retention"),
        ("age", {"max_age": 10 ** 12}, "max_age"),
        ("a bound that drops", {"discard": "old", "max_msgs": 5}, "drops old messages"),
        ("bytes that drop", {"discard": "old", "max_bytes": 5000}, "drops old messages"),
        ("a bound each subject", {"max_msgs_per_subject": 5}, "max_msgs_per_subject"),
        ("no answers", {"no_ack": True}, "no_ack"),
        ("nobody vouches", {}, "trust = sync-always")])
def a_stream_that_does_not_mean_for_good_is_refused(t, config, word):
    nats, relay = relay_into_stream(t, trust=None if not config else "sync-always", **config)
    items = relay.put_items(b"one")
    check = relay.run("-t")
    equal(check.returncode, 78)
    contains(check.stderr, word)
    relay.start(wait=False)
    relay.end(78)
    equal(relay.there(), sorted(items))
    equal(nats.messages(), [])


@test
def a_server_that_cannot_sync_first_is_refused(t):
    old = nats_server(lambda version: version < (2, 10))
    nats, relay = relay_into_stream(t, Nats(t.folder, old, always=False))
    items = relay.put_items(b"one")
    check = relay.run("-t")
    equal(check.returncode, 78)
    contains(check.stderr, "older than NATS 2.10")
    relay.start(wait=False)
    relay.end(78)
    equal(relay.there(), sorted(items))
    equal(nats.messages(), [])


@test
def a_stream_that_changes_is_refused_while_it_runs(t):
    nats, relay = relay_into_stream(t)
    relay.start()
    nats.stream(verb="UPDATE", max_age=10 ** 12)
    until(lambda: relay.put_items(b"one") and not relay.runs(), 20, "the relay to end")
    relay.end(78)
    contains(relay.log(), "max_age")


@test
def what_the_stream_never_takes_is_set_aside(t):
    nats, relay = relay_into_stream(t, max_msg_size=5000)
    bad = relay.put_items(t.bytes(6000), t.bytes(3 << 20))
    good = relay.put_items(b"one")
    relay.start()
    relay.wait_gone()
    relay.stop()
    equal(by_key(nats), good)
    equal(relay.names_in("failed"), sorted(bad))


@test
def a_stream_that_is_full_is_waited_for(t):
    nats, relay = relay_into_stream(t, max_msgs=3)
    items = relay.put_items(*(b"%d" % i for i in range(5)))
    relay.start()
    relay.wait_log("event=engine_away .*maximum messages")
    equal(len(relay.there()), 2)
    found = by_key(nats)
    equal(len(found), 3)
    nats.ask("$JS.API.STREAM.PURGE.S")
    relay.wait_gone()
    relay.stop()
    equal({**found, **by_key(nats)}, items)


@test
def a_stream_that_is_not_there_is_waited_for(t):
    nats, relay = relay_into_stream(t)
    nats.ask("$JS.API.STREAM.DELETE.S")
    items = relay.put_items(b"one")
    relay.start(wait=False)
    relay.wait_log("event=engine_away .*stream not found")
    equal(relay.names_in("new"), sorted(items))
    nats.stream()
    relay.wait_gone()
    relay.stop()
    equal(by_key(nats), items)


@test
def how_many_messages_a_second(t):
    nats, relay = relay_into_stream(t)
    items = relay.put_items(*(b"%1000d" % i for i in range(1500)))
    begin = time.monotonic()
    equal(relay.run("-o").returncode, 0)
    seconds = time.monotonic() - begin
    equal(nats.ask("$JS.API.STREAM.INFO.S")["state"]["messages"], len(items))
    t.note("JetStream, sync_interval: always: %d items of 1,000 bytes in %.1f s, %d/s" % (
        len(items), seconds, len(items) / seconds))


if __name__ == "__main__":
    main()
