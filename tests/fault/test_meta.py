#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What is told of an item beside it is there whenever the item is (P3), whatever befell it on its
way; and where it cannot be kept, that is said at the start, or the item waits."""

import os

from common import arm, events, shim
from harness import cases, contains, equal, main, need_call, test, until
from meta import beside, check_told, need_xattr, told

XATTR = {"status": {"clients": "*", "meta": "xattr"}}
JSON = {"status": {"clients": "*", "meta": "json"}}
ATTRIBUTES = 7


def put(c, count, first=1):
    for n in range(first, first + count):
        c.put(n, "status", b"%d" % n, name="file %d" % n)
    return {n: c.stored(n).name for n in range(first, first + count)}


def all_told(r, names):
    for n, name in names.items():
        check_told(r, "status", name, "file %d" % n)


@cases([("files", "files"), ("filesystem", "filesystem")])
def attributes_are_synced_before_the_item_is_seen(t, sync):
    """By a call that has to write them: fdatasync(2) need not."""
    need_xattr(t)
    need_call("renameat2")
    r = t.receiver({"receiver": {"sync": sync}}, inboxes=XATTR, env=shim(t, trace=True))
    c = r.client(hello=t.queue())
    names = put(c, 20)
    c.announce(21, "status", b"", verb="PUT", name="file 21")
    names[21] = c.stored(21).name
    all_told(r, names)
    c.quit()
    r.consumed = True
    r.stop()
    trace = events(t)
    for name in names.values():
        own = [event for event in trace if os.path.basename(event.path) == name]
        last = max(event.sequence for event in own if event.call == "fsetxattr")
        equal(sum(event.call == "fsetxattr" and event.when == "end" for event in own), ATTRIBUTES)
        seen = next(event.sequence for event in own if event.call == "renameat2")
        syncs = own if sync == "files" else trace
        call = "fsync" if sync == "files" else "syncfs"
        begun = [event for event in syncs if event.call == call and event.when == "begin" and
                 last < event.sequence < seen]
        assert any(event.call == call and event.when == "end" and event.result == 0 and
                   begin.thread == event.thread and begin.sequence < event.sequence < seen
                   for begin in begun for event in syncs), "%s was not synced: %r" % (name, own)


def meta_of(r):
    return sorted(os.listdir(os.path.join(r.root, "status", "meta")))


def of_items(r):
    return [name + ".json" for name in r.files("status")]


@cases([("files", "files"), ("filesystem", "filesystem")])
def files_beside_are_synced_before_the_item_is_seen(t, sync):
    """With their entries in meta/; for an item that the journal does not carry, too."""
    need_call("renameat2")
    r = t.receiver({"receiver": {"sync": sync}, "limits": {"inline": "64K"}}, inboxes=JSON,
                   env=shim(t, trace=True))
    c = r.client(hello=t.queue())
    names = put(c, 20)
    data = t.bytes(70000)
    c.announce(21, "status", data, verb="OPEN", name="file 21")
    equal(c.answer(21).verb, "SEND")
    c.post("DATA 21 0 70000\n")
    c.post(data)
    names[21] = c.stored(21).name
    all_told(r, names)
    c.quit()
    r.stop()
    trace = events(t)
    for name in names.values():
        seen = next(event.sequence for event in trace if event.call == "renameat2" and
                    os.path.basename(event.path) == name and event.when == "begin")
        ends = [event for event in trace
                if event.sequence < seen and event.when == "end" and event.result == 0]
        if sync == "filesystem":
            assert any(event.call == "syncfs" for event in ends), name
            continue
        own = [event.sequence for event in ends
               if event.call == "fdatasync" and event.path.endswith("/meta/%s.json" % name)]
        equal(len(own), 1, "syncs of the file beside " + name)
        assert any(event.call == "fsync" and event.path.endswith("/status/meta") and
                   event.sequence > own[0] for event in ends), "meta/ was not synced: " + name


@test
def what_is_put_off_leaves_nothing_in_meta(t):
    """It is made of what was acknowledged alone."""
    r = t.receiver({"receiver": {"workers": "1"}}, inboxes=JSON,
                   env=shim(t, "write@journal:1:ENOSPC:once"))
    arm(t)
    c = r.client(hello=t.queue())
    c.put(1, "status", b"1", digest="0" * 64)
    equal(c.answer(1).verb, "LATER")
    c.put(1, "status", b"1")
    equal(c.answer(1).code, "full")
    equal(meta_of(r), [])
    c.quit()


@cases([("its bytes", "openat@meta:2:ENOSPC:once"), ("its sync", "fdatasync@meta:2:ENOSPC:once")])
def no_room_beside_an_item_keeps_it_from_being_seen(t, fault):
    """It was acknowledged: so it waits, and is seen when there is room, with what is told of it."""
    r = t.receiver({"receiver": {"sync": "files"}}, inboxes=JSON, env=shim(t, fault))
    arm(t)
    c = r.client(hello=t.queue())
    names = put(c, 3)
    r.wait_log("event=publish_failed")
    until(lambda: len(r.files("status", now=True)) == 3, 10, "all to be visible")
    all_told(r, names)
    c.quit()


@test
def an_item_whose_name_is_taken_is_told_of_by_its_new_one(t):
    r = t.receiver({"receiver": {"sync": "files"}}, inboxes=JSON,
                   env=shim(t, "fdatasync@draft:1:1500ms:once"))
    arm(t)
    c = r.client(hello=t.queue())
    names = put(c, 1)
    with open(r.path("status", names[1], now=True), "w", encoding="ascii") as file:
        file.write("somebody else's")
    r.wait_log("event=name_taken")
    r.consumed, r.acks = True, []
    found = [name for name in r.files("status") if name != names[1]]
    equal(meta_of(r), [found[0] + ".json"])
    equal(beside(r, "status", found[0])["name"], "file 1")
    c.quit()


@cases([("files", "files", "fdatasync@draft:1:60000ms:on"),
        ("filesystem", "filesystem", "syncfs:1:60000ms:on"),
        ("files, before they are seen", "files", "renameat2@draft:1:60000ms:on"),
        ("files, while they are seen", "files", "renameat2@draft:9:60000ms:on")])
def a_kill_leaves_each_item_with_its_file_and_none_besides(t, sync, late):
    need_call("renameat2")
    r = t.receiver({"receiver": {"sync": sync}}, inboxes=JSON, env=shim(t, late))
    arm(t)
    c = r.client(hello=t.queue())
    names = put(c, 20)
    if "renameat2" in late:
        until(lambda: meta_of(r), 10, "files beside")
    r.kill()
    os.unlink(os.path.join(t.folder, "arm"))
    # What was not seen has what the page cache shows, which nobody believes.
    for name in names.values():
        if name not in r.files("status", now=True):
            with open(os.path.join(r.root, "status", "meta", name + ".json"), "w",
                      encoding="ascii") as file:
                file.write("spoilt")
    r.start()
    equal(sorted(r.files("status")), sorted(names.values()))
    all_told(r, names)
    equal(meta_of(r), of_items(r))


@cases([("files", "files", "fsync@draft:1:60000ms:on"),
        ("filesystem", "filesystem", "syncfs:1:60000ms:on")])
def what_recovery_makes_anew_has_them(t, sync, late):
    """Killed before the publisher has synced anything: the drafts are made of the journal."""
    need_xattr(t)
    r = t.receiver({"receiver": {"sync": sync}}, inboxes=XATTR, env=shim(t, late))
    arm(t)
    c = r.client(hello=t.queue())
    names = put(c, 20)
    equal(r.files("status", now=True), [], "visible")
    r.kill()
    os.unlink(os.path.join(t.folder, "arm"))
    # Of what the page cache says of them nothing is believed.
    for name in names.values():
        path = r.path("status", name, "tmp", now=True)
        for what in told(path):
            os.removexattr(path, "user.inboxd." + what)
    r.start()
    contains(r.log(here=True), "written=20")
    equal(len(r.files("status")), 20)
    all_told(r, names)


@test
def what_the_publisher_makes_anew_has_them(t):
    need_xattr(t)
    need_call("renameat2")
    r = t.receiver({"receiver": {"sync": "files"}}, inboxes=XATTR,
                   env=shim(t, "fsync@draft:1:1500ms:once"))
    arm(t)
    c = r.client(hello=t.queue())
    names = put(c, 3)
    for name in names.values():
        os.unlink(r.path("status", name, "tmp", now=True))
    r.wait_log("event=draft_gone")
    until(lambda: len(r.files("status", now=True)) == 3, 10, "all to be visible")
    all_told(r, names)
    c.quit()


@cases([(error, error, code) for error, code in (
    ("ENOSPC", "full"), ("EDQUOT", "full"), ("EPERM", "trouble"))])
def no_room_for_them_is_a_disk_that_is_full(t, error, code):
    """The item stays with its client, a large one with what has come of it."""
    need_xattr(t)
    r = t.receiver({"receiver": {"workers": "1"}, "limits": {"inline": "16K"}}, inboxes=XATTR,
                   env=shim(t, "fsetxattr@draft:3:%s:once,fsetxattr@draft:14:%s:once" % (
                       error, error)))
    arm(t)
    c = r.client(hello=t.queue())
    c.put(1, "status", b"1", name="file 1")
    line = c.answer(1)
    equal((line.verb, line.code), ("LATER", code))
    equal(r.drafts("status"), [])
    names = put(c, 1)
    data = t.bytes(20000)
    c.announce(2, "status", data, verb="OPEN", name="file 2")
    equal(c.answer(2).verb, "SEND")
    c.post("DATA 2 0 20000\n")
    c.post(data)
    line = c.answer(2)
    equal((line.verb, line.code), ("LATER", code))
    c.announce(2, "status", data, verb="OPEN", name="file 2")
    equal(c.answer(2).offset, 20000, "what has come of it stayed")
    names[2] = c.stored(2).name
    all_told(r, names)
    c.quit()


@test
def a_file_system_without_them_is_told_at_the_start(t):
    r = t.receiver(start=False, inboxes=XATTR, env=shim(t, "fsetxattr@tmpdir:1:EOPNOTSUPP:on"))
    arm(t)
    for done in (r.run("-t"), r.run()):
        equal(done.returncode, 78)
        contains(done.stderr, "status/tmp")
        contains(done.stderr, "meta = xattr")


main()
