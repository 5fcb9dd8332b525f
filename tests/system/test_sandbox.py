#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The receiver shut in: what it reaches and what not, and what is said where it cannot be.

What takes Landlock is skipped where this kernel has none; make check-sandbox boots one that has.
"""

import collections
import ctypes
import grp
import os
import re
import shutil

from harness import Skip, TOP_BUILD, contains, equal, main, sanitizers, test, until

PROBE = os.path.join(TOP_BUILD, "tests/sandbox/probe.so")
CREATE_RULESET = 444  # on every architecture but alpha
ASK_VERSION = 1


def version():
    """Of Landlock's interface; 0: this kernel has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ASK_VERSION))


def need_landlock(least=2):
    if version() < least:
        raise Skip("this kernel has Landlock %s, it takes %d: make check-sandbox" % (
            version() or "not at all", least))
    if sanitizers():
        raise Skip("a sanitizer reads what inboxd need not")


def shut_in(t, start=True, **more):
    r = t.receiver({"receiver": {"sandbox": "require"}, **more}, start=start)
    return r


def reload(t, r):
    return t.run([r.ctl, "-s", r.socket, "reload"])


# ---- where it cannot be

@test
def receiver_says_what_it_is_shut_in_by_or_why_it_is_not(t):
    if sanitizers():
        raise Skip("a sanitizer's receiver is not shut in")
    r = t.receiver()
    page = r.json("/status")
    if version() >= 2:
        equal((page["sandbox"], page["sandbox_lacks"]), ("Landlock ABI %d" % version(), None))
        contains(r.log(), "event=sandbox landlock=%d " % version())
    else:
        equal(page["sandbox"], None)
        contains(page["sandbox_lacks"], "Landlock")
        contains(r.log(), "event=no_sandbox note=\"%s\"" % page["sandbox_lacks"])
    with open("/proc/%d/status" % r.process.pid, encoding="ascii") as file:
        contains(file.read(), "NoNewPrivs:\t1")


@test
def one_that_is_not_to_be_is_not(t):
    r = t.receiver({"receiver": {"sandbox": "off"}})
    page = r.json("/status")
    equal((page["sandbox"], page["sandbox_lacks"]), (None, "[receiver] sandbox = off"))
    with open("/proc/%d/status" % r.process.pid, encoding="ascii") as file:
        contains(file.read(), "NoNewPrivs:\t0")


@test
def one_that_is_required_and_cannot_be_is_no_start(t):
    if version() >= 2:
        raise Skip("this kernel has Landlock")
    r = shut_in(t, start=False)
    for done in (r.run("-t"), r.run()):
        equal(done.returncode, 78, done.stderr)
        contains(done.stderr, "[receiver] sandbox = require: ")
        contains(done.stderr, "Landlock")


# ---- where it is

@test
def all_that_a_receiver_does_it_does_shut_in(t):
    need_landlock()
    r = shut_in(t, limits={"inline": "1K"})
    c = r.client(hello=t.queue())
    for n in range(1, 30):
        c.put(n, "status", t.bytes(2 ** (n % 10)))
        c.stored(n)
    # A new inbox, and all else, by a reload.
    r.inboxes["fresh"] = {}
    r.sections["limits"]["window"] = "33"
    other = t.pki.server("renewed")
    r.sections["tls"].update(certificate=other.cert, key=other.key,
                             crl=t.pki.crl("nobody.example.org"))
    r.write_conf()
    r.make()
    done = reload(t, r)
    equal(done.returncode, 0, done.stderr)
    c.quit()
    c = r.client(hello=t.queue())
    equal(c.ready.window, 33)
    c.put(1, "fresh", b"into the new one")
    c.stored(1)
    c.quit()
    equal(r.json("/status")["reload"]["files"], [])
    r.write_conf("# another\n")
    equal(r.json("/status")["reload"]["files"], [r.conf])
    equal(len(r.files("fresh")), 1)
    rows = {row["name"]: row for row in r.json("/inboxes")["inboxes"]}
    equal((rows["fresh"]["waiting"], rows["fresh"]["error"]), (1, None))
    # What is unfinished when it is killed is finished by the next one, which is shut in, too.
    r.kill()
    r.start()
    contains(r.log(here=True), "event=sandbox ")
    equal(len(r.files("fresh")), 1)
    assert os.path.exists(r.socket)
    r.stop()
    assert not os.path.exists(r.socket), "the socket is left behind"


@test
def ledger_turns_over_and_groups_are_looked_up_shut_in(t):
    need_landlock()
    r = t.receiver({"receiver": {"sandbox": "require", "ledger-size": "64K"}},
                   inboxes={"status": {"group": "root" if os.geteuid() == 0 else "users"}}) \
        if os.geteuid() == 0 else shut_in(t, receiver={"ledger-size": "64K"})
    c = r.client(hello=t.queue())
    ledger = os.path.join(r.root, "ledger")
    for n in range(1, 1000):
        c.put(n, "status", b"x")
        c.stored(n)
        if n % 100 == 0:
            c.settled(n)
        if len(os.listdir(ledger)) > 2:
            break
    assert len(os.listdir(ledger)) > 1, os.listdir(ledger)
    c.quit()
    r.inboxes["other"] = dict(r.inboxes["status"])
    r.write_conf()
    r.make()
    done = reload(t, r)
    equal(done.returncode, 0, done.stderr)


def probe(t, r, tries):
    """{(thread, what, on): errno} of each thread that it makes."""
    r.start(env={"LD_PRELOAD": PROBE, "PROBE": ";".join(tries)})
    tasks = len(os.listdir("/proc/%d/task" % r.process.pid)) - 1

    def look():
        found = re.findall(r'event=probe what=(\w+) on="([^"]*)" error=(\w+)', r.log(here=True))
        return len(found) == tasks * len(tries) and collections.Counter(found)
    assert tasks >= 8, tasks
    counts = until(look, 20, "%d threads with %d tries" % (tasks, len(tries)))
    equal({key[:2] for key in counts}, {tuple((each + " ").split(" ")[:2]) for each in tries})
    return counts


@test
def what_it_does_not_need_no_thread_of_it_reaches(t):
    need_landlock()
    r = shut_in(t, start=False)
    beside = os.path.join(t.folder, "beside")
    os.mkdir(beside)
    with open(os.path.join(beside, "secret"), "w", encoding="ascii") as file:
        file.write("not its business")
    tries = ["read " + beside + "/secret", "write " + beside + "/secret", "list " + beside,
             "make " + beside + "/new", "read /etc/passwd", "write /etc/passwd", "list /",
             "read /proc/self/maps", "execute /bin/sh",
             "write " + r.conf, "make " + os.path.dirname(r.conf) + "/new"]
    mine = ["read " + r.conf, "list " + r.root, "make " + r.root + "/probe"]
    counts = probe(t, r, tries + mine)
    reached = {key for key in counts if key[2] != "EACCES"}
    equal({(what, on) for what, on, _ in reached},
          {tuple(each.split(" ", 1)) for each in mine}, "what was reached")
    equal({key[2] for key in reached}, {"none"})
    os.unlink(r.root + "/probe")
    # The same without a sandbox reaches all: the probe itself is right.
    r.stop()
    r.sections["receiver"]["sandbox"] = "off"
    r.write_conf()
    counts = probe(t, r, [each for each in tries if not each.startswith(("write /etc", "exec"))])
    equal({key[2] for key in counts}, {"none"})
    os.unlink(r.root + "/probe") if os.path.exists(r.root + "/probe") else None


@test
def no_connection_is_made_and_no_port_opened_shut_in(t):
    need_landlock(4)
    r = shut_in(t, start=False)
    counts = probe(t, r, ["connect 9", "listen"])
    equal({key[2] for key in counts}, {"EACCES"})
    # Those that come are taken as ever.
    c = r.client(hello=t.queue())
    c.put(1, "status", b"x")
    c.stored(1)
    c.quit()


@test
def reload_that_names_a_file_elsewhere_is_refused_in_words(t):
    need_landlock()
    r = shut_in(t)
    elsewhere = os.path.join(t.folder, "elsewhere")
    os.mkdir(elsewhere, 0o700)
    ca = os.path.join(elsewhere, "ca.pem")
    shutil.copy(t.pki.ca.cert, ca)
    here = r.sections["tls"]["ca"]
    r.sections["tls"]["ca"] = ca
    r.write_conf()
    done = reload(t, r)
    equal(done.returncode, 78)
    contains(done.stderr, ca + ": needs a restart: the sandbox lets files be read in ")
    contains(done.stderr, os.path.realpath(os.path.dirname(here)))
    # By a link it is elsewhere, too.
    link = os.path.join(os.path.dirname(here), "link.pem")
    os.symlink(ca, link)
    r.sections["tls"]["ca"] = link
    r.write_conf()
    equal(reload(t, r).returncode, 78)
    # A pattern likewise.
    r.sections["tls"]["ca"] = here
    r.sections["clients"] = {"expected": elsewhere + "/*.list"}
    r.write_conf()
    contains(reload(t, r).stderr, "needs a restart")
    # So does the first group of all: the system's are out of reach.
    r.sections["clients"] = {}
    r.inboxes["status"] = {"group": grp.getgrgid(os.getegid()).gr_name}
    r.write_conf()
    contains(reload(t, r).stderr, "a restart: the sandbox keeps the groups out of reach")
    r.inboxes["status"] = {}
    # A restart takes it, and lets the link's place in.
    r.sections["clients"] = {}
    r.sections["tls"]["ca"] = link
    r.write_conf()
    r.restart()
    equal(reload(t, r).returncode, 0)
    os.rename(ca, ca + ".old")
    shutil.copy(t.pki.ca.cert, ca)
    equal(reload(t, r).returncode, 0, "renewed behind the link")


@test
def folder_that_was_put_in_place_of_another_is_refused_in_words(t):
    """It has the name of one that may be read, and is another one."""
    need_landlock()
    r = shut_in(t, start=False)
    folders = {}
    for name, file in (("conf", r.conf), ("ca", t.pki.ca.cert)):
        folders[name] = os.path.join(t.folder, name)
        os.mkdir(folders[name], 0o700)
        shutil.copy(file, folders[name])
    r.conf = os.path.join(folders["conf"], os.path.basename(r.conf))
    r.sections["tls"]["ca"] = os.path.join(folders["ca"], os.path.basename(t.pki.ca.cert))
    r.write_conf()
    r.start()
    for name, file in (("ca", r.sections["tls"]["ca"]), ("conf", r.conf)):
        shutil.copytree(folders[name], folders[name] + ".new")
        os.rename(folders[name], folders[name] + ".old")
        os.rename(folders[name] + ".new", folders[name])
        done = reload(t, r)
        equal(done.returncode, 78)
        contains(done.stderr, file + ": needs a restart: the sandbox lets files be read in ")
    os.rename(folders["ca"], folders["ca"] + ".new")
    os.rename(folders["ca"] + ".old", folders["ca"])
    r.restart()
    equal(reload(t, r).returncode, 0)


if __name__ == "__main__":
    main()
