#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What the root's file system can do is tried at each start, told, and held to what is set."""

import os
import re
import subprocess

from harness import INBOXD, SHIMMED, Skip, bound, cases, contains, equal, main, need_call, test

CONFIG = 78
FOUND = re.compile(r"event=filesystem (.*)")


def found(r):
    """What the last start said, as a dictionary."""
    lines = FOUND.findall(r.log(here=True))
    equal(len(lines), 1, "lines of event=filesystem")
    return dict(word.split("=", 1) for word in re.sub(r' note="[^"]*"', "", lines[0]).split(" "))


def send(t, r, number=1):
    c = r.client(hello=t.queue())
    c.put(number, "status", b"an item")
    c.stored(number)
    c.quit()


@test
def what_it_can_is_told_at_the_start_and_by_a_check(t):
    r = t.receiver(start=False)
    before = sorted(os.listdir(r.root))
    checked = r.run("-t")
    equal(checked.returncode, 0, checked.stderr)
    contains(checked.stdout, "filesystem: type=")
    contains(checked.stdout, " locks=yes ")
    equal(sorted(os.listdir(r.root)), before, "the root after a check")
    r.start()
    said = found(r)
    equal(said["locks"], "yes")
    contains(checked.stdout, "type=%s " % said["type"])
    contains(checked.stdout, " rename=%s " % said["rename"])
    equal([name for name in os.listdir(r.root) if name.startswith(".")], [], "left over")
    root = r.json("/status")["root"]
    equal(root["filesystem"], said["type"])
    equal({name: {True: "yes", False: "no"}.get(value, str(value))
           for name, value in root["abilities"].items()},
          {name: value for name, value in said.items() if name != "type"})
    told = t.run([r.ctl, "status", "-v", "-s", r.socket]).stdout
    contains(told, "\nfile system %s: rename %s, " % (said["type"], said["rename"]))
    contains(told, ", locks yes, ")
    # Beside a receiver nothing is tried.
    beside = r.run("-t")
    equal(beside.returncode, 0, beside.stderr)
    contains(beside.stdout, "(a receiver runs there: not tried all)")
    assert " rename=" not in beside.stdout, beside.stdout
    send(t, r)


@test
def what_it_knows_not_is_done_without(t):
    need_call("renameat2")
    r = t.receiver(env={**SHIMMED, "FAULT": "renameat2:1:EINVAL:on"})
    said = found(r)
    equal((said["rename"], said["exchange"]), ("look", "no"))
    send(t, r)


@test
def checks_at_once_disturb_none_of_each_other(t):
    """Each tries it or says that another one does, and none believes what that does."""
    r = t.receiver(start=False)
    command = [INBOXD, "-c", r.conf, "-t"]
    what = set()
    for _ in range(10):
        checks = [t.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                  for _ in range(6)]
        for check in checks:
            text = check.communicate(timeout=bound(30))[0]
            equal(check.returncode, 0, text)
            what.add(re.search("filesystem: type=(.*)", text).group(1))
    tried = [line for line in what if "(" not in line]
    equal(len(tried), 1, "what was found: %r" % what)
    for line in what - set(tried):
        contains(line, "(another check is at work there: not tried all)")
    assert not os.path.exists(os.path.join(r.root, ".trial-check")), "left over"
    r.start()


@test
def trial_that_was_killed_leaves_nothing_for_long(t):
    need_call("renameat2")
    r = t.receiver(start=False)
    r.start(wait=False, env={**SHIMMED, "FAULT": "renameat2:1:KILL:once"})
    r.wait_end(-9)
    equal(sorted(os.listdir(os.path.join(r.root, ".trial"))), ["draft", "item"], "left over")
    r.start()
    equal(found(r)["rename"], "noreplace")
    assert not os.path.exists(os.path.join(r.root, ".trial"))
    send(t, r)


@test
def full_disk_stops_no_trial_and_no_start(t):
    r = t.receiver(start=False)
    r.start(env={**SHIMMED, "FAULT_SCOPE": "program", "FAULT": "mkdirat:1:ENOSPC:once"})
    contains(r.log(), 'note="not tried all: No space left on device"')
    can = r.json("/status")["root"]["abilities"]
    equal((can["rename"], can["locks"]), (None, None))
    contains(t.run([r.ctl, "status", "-v", "-s", r.socket]).stdout, ", locks -, ")
    send(t, r)


class Overlay:
    """A file system whose syncfs(2) passes no error on."""

    def __init__(self, t, options=""):
        if os.geteuid() != 0:
            raise Skip("only root can mount a file system")
        self.folder = os.path.join(t.folder, "merged")
        parts = [os.path.join(t.folder, name) for name in ("lower", "upper", "work")]
        for part in [*parts, self.folder]:
            os.mkdir(part)
        done = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o",
             "lowerdir=%s,upperdir=%s,workdir=%s%s" % (*parts, options), self.folder],
            stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise Skip("no overlay can be mounted: %s" % done.stderr.decode().strip())

    def __enter__(self):
        return os.path.join(self.folder, "root")

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=True)


@test
def syncfs_that_tells_no_errors_is_refused(t):
    need_call("syncfs")
    with Overlay(t) as root:
        r = t.receiver({"receiver": {"root": root, "sync": "filesystem"}}, start=False)
        before = sorted(os.listdir(root))
        for done in (r.run("-t"), r.run()):
            equal(done.returncode, CONFIG, done.stderr)
            contains(done.stderr, "set files, or auto")
            contains(done.stderr, "overlay")
        equal(sorted(set(os.listdir(root)) - {"lock"}), before, "the root after a refused start")
        r.sections["receiver"]["sync"] = "auto"
        r.write_conf()
        r.start()
        said = found(r)
        equal((said["type"], said["syncfs"]), ("overlay", "no"))
        send(t, r)
        r.finish()


@cases([("right", "fdatasync@draft:1:0ms:on", True), ("wrong", "fdatasync@draft:1:EIO:on", False)])
def parts_outlive_a_stop_where_they_were_synced(t, fault, kept):
    """No syncfs(2) vouches for them there; each file's own sync does."""
    with Overlay(t) as root:
        r = t.receiver({"receiver": {"root": root}}, start=False)
        r.start(env={**SHIMMED, "FAULT": fault, "TRACE": os.path.join(t.folder, "trace")})
        queue, data = t.queue(), t.bytes(3 << 20)
        c = r.client(hello=queue)
        c.announce(1, "status", data, verb="OPEN")
        equal(c.answer(1).verb, "SEND")
        c.pieces(1, data, 0, 1 << 20)
        c.ping()
        c.cut()
        r.stop()
        with open(os.path.join(t.folder, "trace"), encoding="ascii", errors="replace") as file:
            assert re.search("end\tfdatasync\tdraft\t[^\t]*/part-", file.read()), "not synced"
        equal("event=root_not_marked" in r.log(), not kept)
        r.start()
        c = r.client(hello=queue)
        c.announce(1, "status", data, verb="OPEN")
        answer = c.answer(1)
        equal((answer.verb, int(answer.offset)), ("SEND", 1 << 20 if kept else 0))
        c.pieces(1, data, int(answer.offset))
        c.stored(1)
        c.quit()
        r.finish()


@test
def what_forgets_all_is_told_of(t):
    with Overlay(t, ",volatile") as root:
        r = t.receiver({"receiver": {"root": root}}, start=False)
        contains(r.run("-t").stdout, "(it keeps nothing when the power fails)")
        r.start()
        contains(r.log(), 'note="it keeps nothing when the power fails"')
        send(t, r)
        r.finish()


main()
