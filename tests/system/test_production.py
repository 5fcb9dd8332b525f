#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What inbox-production(7) says was seen: certificates, copies of a root and of a spool that are
put back, a root that moves, a host that gets another name."""

import os
import shutil

from copyqueue import Queue
from harness import INBOXCTL, contains, equal, main, test, until

LAST_WEEK = [b"%d" % n for n in range(1, 6)]
THIS_WEEK = [b"%d" % n for n in range(6, 11)]


def ctl(t, r, command, *arguments):
    done = t.run([INBOXCTL, command, "-c", r.conf, *arguments])
    equal(done.returncode, 0, "%s: %s%s" % (command, done.stdout, done.stderr))
    return done.stdout


def world(t):
    """A receiver and a client that has sent it some items; they may be taken, or lost."""
    r = t.receiver()
    r.others = r.consumed = True
    q = Queue(t, r)
    send(r, q, LAST_WEEK)
    return r, q


def send(r, q, items):
    if items:
        q.add("status", *items)
    said = q("run", "--once").stderr
    r.wait_published()
    return said


def copy(source, target):
    shutil.copytree(source, target, symlinks=True)


def put_back(r, q, root):
    """`root` in place of the one there is, the receiver being stopped and started."""
    r.stop()
    shutil.rmtree(r.root)
    if root:
        copy(root, r.root)
    else:
        r.make()
    r.start()
    q.point_at(r)


def contents(r):
    return sorted(r.read("status", name) for name in r.files("status"))


def row(r, q):
    """What is known of the client's queue, once its connection has ended."""
    return until(lambda: (lambda x: None if x["connected"] else x)(r.client_row(q.id())))


# ---- copies of a root

@test
def old_root_tells_by_number_what_it_misses(t):
    r, q = world(t)
    r.stop()
    copy(r.root, r.root + ".old")
    r.start()
    q.point_at(r)
    os.rename(r.path("status", r.files("status")[0]), os.path.join(t.folder, "taken"))
    send(r, q, THIS_WEEK)
    put_back(r, q, r.root + ".old")
    ctl(t, r, "verify")
    equal(contents(r), LAST_WEEK, "what a consumer had taken is there again")
    send(r, q, [b"next"])
    equal(contents(r), LAST_WEEK + [b"next"])
    found = row(r, q)
    equal([(gap["first"], gap["last"], gap["known"]) for gap in found["gaps"]], [(6, 10, False)])
    equal((found["missing"], found["settled"]), (5, 12))
    check = [INBOXCTL, "check", "-c", r.conf, "--only", "items-missing"]
    equal(t.run(check).returncode, 1, "a warning")
    ctl(t, r, "gap", "--known", "pc1.example.org", "6-10")
    equal(t.run(check).returncode, 0, "the warning ends")


@test
def old_root_stores_once_what_was_under_way(t):
    r, q = world(t)
    r.stop()
    copy(r.root, r.root + ".old")
    q.add("status", b"while it was away")
    put_back(r, q, r.root + ".old")
    send(r, q, [])
    equal(contents(r), LAST_WEEK + [b"while it was away"])
    equal(row(r, q)["missing"], 0)


@test
def new_root_in_place_of_a_lost_one_misses_nothing(t):
    r, q = world(t)
    with open(os.path.join(r.root, "id"), encoding="ascii") as file:
        before = file.read()
    put_back(r, q, None)
    send(r, q, [b"next"])
    found = row(r, q)
    equal((found["stored"], found["missing"]), (1, 0))
    with open(os.path.join(r.root, "id"), encoding="ascii") as file:
        assert file.read() != before, "the id of the lost one"


def drained_copy(t, order):
    """A copy beside a receiver that takes nothing, clients coming between its parts."""
    r, q = world(t)
    contains(ctl(t, r, "drain"), "drained")
    target = r.root + ".copy"
    os.mkdir(target, 0o700)
    c = r.client(who="pc2.example.org", hello=t.queue())
    for number, part in enumerate(order, 1):
        copy(os.path.join(r.root, part), os.path.join(target, part))
        c.skip(number, "removed")
        c.settled(number + 1)
        c.ping()
    c.quit()
    for name in ("id", "lock", "paused"):
        shutil.copy2(os.path.join(r.root, name), os.path.join(target, name))
    ctl(t, r, "resume")
    put_back(r, q, target)
    ctl(t, r, "verify")
    equal(r.json("/status")["state"], "paused", "state")
    ctl(t, r, "resume")
    send(r, q, [b"next"])
    equal(contents(r), LAST_WEEK + [b"next"])
    equal(row(r, q)["missing"], 0)


@test
def copy_beside_a_drained_receiver_is_whole(t):
    drained_copy(t, ["journal", "ledger", "status", "reports"])
    drained_copy(t, ["reports", "status", "ledger", "journal"])


@test
def root_that_moves_goes_on_where_it_was(t):
    r, q = world(t)
    r.stop()
    elsewhere = os.path.join(t.folder, "elsewhere")
    copy(r.root, elsewhere)
    r.root = r.sections["receiver"]["root"] = elsewhere
    r.sections["receiver"]["host"] = "cap2"
    r.write_conf()
    r.start()
    q.point_at(r)
    contains(send(r, q, [b"next"]), "host=cap2/")
    ctl(t, r, "verify")
    equal(contents(r), LAST_WEEK + [b"next"])
    equal((row(r, q)["missing"], r.metric("inboxd_numbers_reused_total")), (0, 0))


# ---- a copy of a spool

@test
def old_spool_sends_the_past_again_and_loses_nothing(t):
    r, q = world(t)
    q.add("status", b"6", b"7")
    copy(q.spool, q.spool + ".old")
    send(r, q, [b"8", b"9"])
    shutil.rmtree(q.spool)
    copy(q.spool + ".old", q.spool)
    contains(send(r, q, [b"other"]), "event=queue_behind")
    equal(contents(r), sorted(LAST_WEEK + [b"6", b"6", b"7", b"7", b"8", b"9", b"other"]))
    equal(r.metric("inboxd_numbers_reused_total"), 3, "6, 7 and 8 again")
    r.wait_log("event=number_reused")
    equal(row(r, q)["missing"], 0)


@test
def old_spool_without_its_items_sends_nothing_again(t):
    r, q = world(t)
    q.add("status", b"6", b"7")
    copy(q.spool, q.spool + ".old")
    send(r, q, [])
    shutil.rmtree(q.spool)
    copy(q.spool + ".old", q.spool)
    for name in os.listdir(os.path.join(q.spool, "queue")):
        os.unlink(os.path.join(q.spool, "queue", name))
    send(r, q, [b"next"])
    equal(contents(r), LAST_WEEK + [b"6", b"7", b"next"])
    # Which number it gives depends on whether the hint in the spool's "next" was written already.
    with open(os.path.join(q.spool, "sent.log"), encoding="utf-8") as file:
        number = int(file.read().splitlines()[-1].split()[1])
    assert number in (6, 7, 8), number
    equal((row(r, q)["missing"], r.metric("inboxd_numbers_reused_total")), (0, int(number < 8)))


@test
def lost_spool_stays_as_a_silent_queue_with_what_waited_in_it(t):
    r = t.receiver({"clients": {"silent": "1s"}})
    r.others = r.consumed = True
    q = Queue(t, r)
    send(r, q, LAST_WEEK)
    ctl(t, r, "pause")
    q.add("status", b"6", b"7")
    q("run", "--once", expect=75)
    lost = q.id()
    shutil.rmtree(q.spool)
    ctl(t, r, "resume")
    send(r, q, [b"next"])
    c = r.client("pc1.example.org", hello="7" * 32)  # the machine is there, by yet another queue
    until(lambda: "silent" in r.client_row(lost)["states"], 10, "the lost one to be silent")
    equal((r.client_row(lost)["pending"], row(r, q)["pending"]), (2, 0))
    contains(ctl(t, r, "client", "pc1.example.org"), "2 items at the client")
    ctl(t, r, "forget", "pc1.example.org", lost)
    assert "2 items at the client" not in ctl(t, r, "client", "pc1.example.org")
    c.quit()


@test
def client_of_another_name_begins_a_queue_and_misses_nothing(t):
    r, q = world(t)
    q.pair = t.pki.client("pc99.example.org")
    q.point_at(r)
    send(r, q, [b"next"])
    found = [(one["identity"], one["stored"], one["missing"])
             for one in r.json("/clients")["clients"]]
    equal(sorted(found), [("pc1.example.org", 5, 0), ("pc99.example.org", 1, 0)])
    until(lambda: not any(one["connected"] for one in r.json("/clients")["clients"]))
    ctl(t, r, "forget", "pc1.example.org")


# ---- certificates

@test
def certificates_of_both_usages_and_with_other_names_do(t):
    both = "extendedKeyUsage = serverAuth, clientAuth"
    server = t.pki.make("both-server", "CN = cap1",
                        "subjectAltName = DNS:cap1.example.org, IP:127.0.0.1\n" + both, t.pki.ca)
    r = t.receiver({"tls": {"certificate": server.cert, "key": server.key}})
    client = t.pki.make("both-client", "CN = pc17",
                        "subjectAltName = DNS:pc17.example.org, "
                        "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:pc17@ad.example.org, "
                        "email:root@example.org\n" + both, t.pki.ca)
    r.others = True
    q = Queue(t, r)
    q.pair = client
    q.point_at(r)
    send(r, q, [b"one"])
    equal(row(r, q)["identity"], "pc17.example.org")


@test
def two_authorities_are_taken_while_one_follows_the_other(t):
    r, q = world(t)
    new = t.pki.other_ca()
    # In a folder where the receiver may read: its sandbox knows those of its start.
    bundle = os.path.join(os.path.dirname(t.pki.ca.cert), "cas.pem")
    with open(bundle, "w", encoding="ascii") as file:
        for path in (t.pki.ca.cert, new.cert):
            with open(path, encoding="ascii") as source:
                file.write(source.read())
    r.sections["tls"]["ca"] = bundle
    r.write_conf()
    ctl(t, r, "reload")
    send(r, q, [b"by the old one"])
    q.pair = t.pki.make("renewed", "CN = pc1",
                        "subjectAltName = DNS:pc1.example.org\nextendedKeyUsage = clientAuth", new)
    q.point_at(r)
    send(r, q, [b"by the new one"])
    found = row(r, q)
    equal((found["identity"], found["stored"], found["missing"]), ("pc1.example.org", 7, 0))


if __name__ == "__main__":
    main()
