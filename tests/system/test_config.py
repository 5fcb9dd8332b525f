#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Configuration, folders, status socket, reload: what is wrong is said, and where."""

import grp
import json
import os
import re
import shutil
import signal
import stat
import subprocess

from client import Client
from harness import INBOXD, INBOXES, Skip, bound, cases, contains, equal, main, test, until

CONFIG = 78   # EX_CONFIG
NOINPUT = 66  # EX_NOINPUT


def fails_to_start(r, *words, code=CONFIG):
    """And -t says the same."""
    for done in (r.run("-t"), r.run()):
        assert done.returncode == code, "want exit code %d, got %d: %s" % (
            code, done.returncode, done.stderr)
        for word in words:
            contains(done.stderr, word, "log")
    return done


# ---- the file

WRONG = [
    "[receiver]",                       # 1
    "listen = nowhere",                 # 2
    "wrokers = 2",                      # 3
    "sync = sometimes",                 # 4
    "root = var/lib/inboxd",            # 5
    "drain = 30 parsecs",               # 6
    "drain = 20s",                      # 7, twice
    "ledger-size = 12",                 # 8
    "[tls]",                            # 9: key is missing
    "certificate = /nowhere/cert.pem",  # 10
    "ca = /nowhere/ca.pem",             # 11
    "minimum = 1.1",                    # 12
    "[limits]",                         # 13
    "window = 0",                       # 14
    "connections = -1",                 # 15
    "item = 10X",                       # 16
    "bytes = 99999999999999999999",     # 17
    "idle =",                           # 18
    "[status]",                         # 19
    "mode = 0999",                      # 20
    "[nonsense]",                       # 21
    "key = value",                      # 22
    "[inbox ledger]",                   # 23
    "[inbox .hidden]",                  # 24
    "[inbox status]",                   # 25
    "suffix = /../x",                   # 26
    "this line has no sign",            # 27
    "[inbox status]",                   # 28, twice
    "size = " + "9" * 300,              # 29, long
    "[inbox id]",                       # 30
]
RIGHT_LINES = {1, 6, 9, 10, 11, 13, 19, 25}
# Where a section is wrong its keys may go unsaid, and a duplicate may be told at either.
EITHER = {6, 7, 21, 22, 23, 24, 25, 28, 30}


@test
def all_errors_of_a_file_are_told_in_one_run_with_their_lines(t):
    r = t.receiver(start=False, make=False)
    with open(r.conf, "w", encoding="ascii") as file:
        file.write("\n".join(WRONG) + "\n")
    for arguments in (["-t"], []):
        done = r.run(*arguments)
        equal(done.returncode, CONFIG, "exit code")
        told = {int(n) for n in re.findall(re.escape(r.conf) + r":(\d+):", done.stderr)}
        for n in range(1, len(WRONG) + 1):
            if n in EITHER:
                continue
            assert (n in told) == (n not in RIGHT_LINES), "line %d (%s): %s\n%s" % (
                n, WRONG[n - 1], "not told" if n not in told else "told", done.stderr)
        assert told & {6, 7} and told & {21, 22} and {23, 24} <= told and told & {25, 28}, \
            done.stderr
        contains(done.stderr, "workers", "the nearest key")
        assert re.search(r"\bkey\b", done.stderr), "the missing [tls] key"


@cases([("that is a directory", "dir", None), ("that is not there", "none", None),
        ("with a NUL", "file", b"[receiver]\nhost = a\0b\n"), ("that is empty", "file", b""),
        ("with a continuation", "file", b"[receiver]\nhost = a\n  b\n"),
        ("with a key before any section", "file", b"host = a\n"),
        ("with a byte-order mark and nonsense", "file", b"\xef\xbb\xbfxyz\n")])
def configuration_is_an_error(t, kind, content):
    r = t.receiver(start=False, make=False)
    os.unlink(r.conf)
    if kind == "dir":
        os.mkdir(r.conf)
    elif kind == "file":
        with open(r.conf, "wb") as file:
            file.write(content)
    done = r.run("-t")
    assert done.returncode in (CONFIG, 66), done
    contains(done.stderr, r.conf)


@test
def effective_configuration_is_a_configuration(t):
    r = t.receiver({"limits": {"item": "5M", "idle": "90"}}, start=False)
    shown = r.run("-T")
    equal(shown.returncode, 0, shown.stderr)
    for part in ("[limits]", "[inbox status]", "item = ", "window = 1024", "ledger-days = 90"):
        contains(shown.stdout, part)
    first = r.conf
    r.conf = os.path.join(r.folder, "again.conf")
    with open(r.conf, "w", encoding="ascii") as file:
        file.write(shown.stdout)
    checked = r.run("-t")
    equal(checked.returncode, 0, checked.stderr)
    equal(r.run("-T").stdout, shown.stdout, "-T of -T")
    r.start()
    c = r.client(hello=t.queue())
    equal(c.ready.item, 5 << 20)
    c.quit()
    r.stop()
    r.conf = first


@test
def right_file_checks_without_a_word_of_error(t):
    r = t.receiver(start=False)
    done = r.run("-t")
    equal(done.returncode, 0, done.stderr)


@test
def version_and_help(t):
    for version in ("-V", "--version"):
        done = t.run([INBOXD, version])
        equal(done.returncode, 0)
        assert re.search(r"inboxd \d+\.\d+", done.stdout), done.stdout
    for asked in ("-h", "--help"):
        done = t.run([INBOXD, asked])
        equal(done.returncode, 0)
        for option in ("-c", "-t", "-T", "-V", "-h", "-m"):
            contains(done.stdout, option)
    done = t.run([INBOXD, "-Z"])
    equal(done.returncode, 64, "EX_USAGE")


# ---- folders

def let_others_come(t, r):
    """Another user finds the way to the root folder."""
    for path in (t.folder, r.folder, os.path.dirname(t.folder)):
        os.chmod(path, 0o711)


@test
def folders_are_made_only_when_asked(t):
    r = t.receiver(start=False, make=False)
    fails_to_start(r, r.root, "-m", code=NOINPUT)
    r.make()
    for part in ("", "ledger", "status/tmp", "status/new", "status/cur"):
        mode = os.stat(os.path.join(r.root, part)).st_mode
        equal(stat.S_IMODE(mode), 0o700, "mode of " + part)
    r.make()  # again: nothing to do
    r.start()


@cases([("root", ""), ("ledger", "ledger"), ("inbox", "status"), ("tmp", "status/tmp"),
        ("new", "status/new"), ("cur", "status/cur")])
def folder_missing_or_open_to_others_is_an_error(t, part):
    r = t.receiver(start=False)
    path = os.path.join(r.root, part).rstrip("/")
    shown = "root" if not part else part
    for mode in (0o777, 0o770, 0o702):
        os.chmod(path, mode)
        fails_to_start(r, shown)
    os.chmod(path, 0o700)
    if os.geteuid() == 0:
        let_others_come(t, r)
        os.chown(path, 12345, -1)
        fails_to_start(r, shown)
        os.chown(path, 0, -1)
    shutil.move(path, r.folder + "/away")
    fails_to_start(r, shown, "inboxd -m", code=NOINPUT if part in ("", "ledger") else CONFIG)
    if part:
        os.symlink(r.folder + "/away", path)
        fails_to_start(r, shown, "symbolic link")
        os.unlink(path)
    with open(path, "w", encoding="ascii"):
        pass
    fails_to_start(r, shown)
    os.unlink(path)
    shutil.move(r.folder + "/away", path)
    r.start()


@test
def mount_point_without_its_file_system_stays_bare(t):
    """A root is known by its ledger; on what lies below a mount nothing is ever made by a start."""
    r = t.receiver(start=False)
    os.rename(r.root, r.folder + "/mounted")
    os.mkdir(r.root, 0o700)
    fails_to_start(r, r.root, "mount", "inboxd -m", code=NOINPUT)
    equal(os.listdir(r.root), [], "what a start has made")
    if os.geteuid() == 0:  # another's, and one that nobody is let into: time mends both
        let_others_come(t, r)
        os.chown(r.root, 12345, -1)
        fails_to_start(r, r.root, "mount", code=NOINPUT)
    else:
        os.chmod(r.root, 0)
        fails_to_start(r, r.root, "Permission denied", code=NOINPUT)
    os.rmdir(r.root)
    os.rename(r.folder + "/mounted", r.root)
    r.start()


@cases([("the folder itself", ""), ("behind a symbolic link", "-itself")])
def folders_made_by_root_are_the_root_folders_owners(t, behind):
    if os.geteuid() != 0:
        raise Skip("only root can make folders for another user")
    r = t.receiver(start=False, make=False)
    os.mkdir(r.root + behind, 0o700)
    os.chown(r.root + behind, 12345, 54321)
    if behind:
        os.symlink(r.root + behind, r.root)
    let_others_come(t, r)
    r.make()
    made = [os.path.join(where, name) for where, names, _ in os.walk(r.root + "/")
            for name in names]
    equal(len(made), 1 + 4 * len(INBOXES), "folders made")
    for path in made:
        st = os.stat(path)
        equal((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)), (12345, 54321, 0o700), path)
    os.chown(r.root + "/ledger", 0, 0)
    contains(r.run("-t").stderr, "12345: the root, with all below it, has to be his (chown -R)")
    os.chown(r.root, 0, 0)
    contains(r.run("-m").stdout, "chown -R", "what is said of a root folder that is root's")


@test
def group_of_an_inbox_takes_its_items_out_and_nobody_else_does(t):
    """A consumer of another user, who is in the group, and one who is not."""
    if os.geteuid():
        raise Skip("needs root, to be two other users")
    group = next((g for g in grp.getgrall() if g.gr_gid not in (0, os.getegid())), None)
    if not group:
        raise Skip("no second group here")
    r = t.receiver(inboxes={"status": {"group": group.gr_name}, "reports": {}}, start=False,
                   make=False)
    os.makedirs(r.root, exist_ok=True)
    path = r.root
    while path != "/":  # the test's own folders are closed to others
        if not os.stat(path).st_mode & 0o001:
            os.chmod(path, os.stat(path).st_mode | 0o011)
        path = os.path.dirname(path)
    os.chmod(r.root, 0o700)
    equal(r.run("-m").returncode, 0)
    modes = {part: stat.S_IMODE(os.stat(os.path.join(r.root, part)).st_mode) for part in
             ("", "ledger", "status", "status/tmp", "status/new", "status/cur", "reports/new")}
    equal(modes, {"": 0o711, "ledger": 0o700, "status": 0o710, "status/tmp": 0o2700,
                  "status/new": 0o2770, "status/cur": 0o2770, "reports/new": 0o700})
    equal(r.run("-m").stdout.count("shared"), 0, "what is made again")
    for part in ("status/new", "status/tmp"):
        for gid, mode in ((-1, 0o700), (os.getegid(), modes[part])):
            os.chown(os.path.join(r.root, part), -1, gid)
            os.chmod(os.path.join(r.root, part), mode)
            fails_to_start(r, "inbox folder status", group.gr_name, "inboxd -m")
            equal(r.run("-m").stdout.count("shared"), 1)
    equal(r.run("-t").returncode, 0)
    r.start()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"for the group")
    c.put(2, "reports", b"for nobody")
    mine, others = c.stored(1).name, c.stored(2).name
    r.wait_published()
    script = 'cd "$1" && mv "new/$2" "cur/$2" && cat "cur/$2" && rm "cur/$2"'

    def take(inbox, name, gid):
        return subprocess.run(["sh", "-c", script, "sh", os.path.join(r.root, inbox), name],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              user=12345, group=gid, extra_groups=[], check=False,
                              timeout=bound(30))
    assert take("status", mine, 54321).returncode, "one who is not in the group takes it"
    assert take("reports", others, group.gr_gid).returncode, "an inbox without the group"
    done = take("status", mine, group.gr_gid)
    equal((done.returncode, done.stdout), (0, "for the group"), done.stderr)
    os.chmod(os.path.join(r.root, "reports/new"), 0o770)
    r.stop()
    fails_to_start(r, "reports/new", "group or others may write there")
    os.chmod(os.path.join(r.root, "reports/new"), 0o700)
    r.inboxes["status"]["group"] = "no-such-group"
    r.write_conf()
    fails_to_start(r, "no-such-group", "group")


@test
def inbox_on_another_file_system_than_the_ledger_is_an_error(t):
    r = t.receiver(start=False)
    path = os.path.join(r.root, "status")
    script = 'mount -t tmpfs -o mode=700 none "$1" && mkdir -m 700 "$1/tmp" "$1/new" "$1/cur" ' \
             '&& shift && exec "$@"'
    if not shutil.which("unshare") or \
            t.run(["unshare", "-rm", "sh", "-c", script, "sh", path, "true"]).returncode:
        raise Skip("no user and mount namespaces here (unshare -rm)")
    done = t.run(["unshare", "-rm", "sh", "-c", script, "sh", path, INBOXD, "-c", r.conf])
    equal(done.returncode, CONFIG, "exit code; " + done.stderr)
    contains(done.stderr, "status")
    contains(done.stderr, "file system")


@cases([("new", "new"), ("cur", "cur")])
def bind_mount_within_an_inbox_is_an_error(t, part):
    """Of the same file system: no st_dev tells, but no file can be moved there."""
    r = t.receiver(start=False)
    outside = os.path.join(t.folder, "outside")
    os.mkdir(outside, 0o700)
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    path = os.path.join(r.root, "status", part)
    inside = ["unshare", "-rm", "sh", "-c", script, "sh", outside, path]
    if not shutil.which("unshare") or t.run([*inside, "true"]).returncode:
        raise Skip("no user and mount namespaces here (unshare -rm)")
    for arguments in (["-t"], []):
        done = t.run([*inside, INBOXD, "-c", r.conf, *arguments])
        equal(done.returncode, CONFIG, "exit code; " + done.stderr)
        contains(done.stderr, "inbox folder status/" + part)
        contains(done.stderr, "one mount")


@test
def check_runs_beside_a_receiver_and_changes_nothing(t):
    r = t.receiver()

    def tree():
        return sorted((path, sorted(folders), sorted(files), os.stat(path).st_mtime_ns)
                      for path, folders, files in os.walk(r.root))
    before = tree()
    equal(r.run("-t").returncode, 0)
    equal(tree(), before, "the root")
    r.sections["receiver"]["listen"] = "no.such.name.invalid:7117"
    r.write_conf()
    contains(r.run("-t").stderr, "no.such.name.invalid")


@test
def second_receiver_on_a_root_is_an_error(t):
    r = t.receiver()
    second = t.receiver({"receiver": {"root": r.root}}, start=False, make=False)
    done = second.run()
    assert done.returncode not in (0, 74), done
    contains(done.stderr, str(r.process.pid), "who holds the root")
    c = r.client(hello=t.queue())
    c.put(1, "status", b"the first goes on")
    c.stored(1)
    c.quit()


# ---- the status socket

@test
def stale_status_socket_is_taken_over(t):
    r = t.receiver()
    r.kill()
    assert stat.S_ISSOCK(os.stat(r.socket).st_mode)
    r.start()
    equal(r.json("/status")["pid"], r.process.pid)
    r.stop()
    assert not os.path.exists(r.socket), "the socket file stays after a clean end"


@test
def status_socket_has_its_mode(t):
    r = t.receiver({"status": {"mode": "0600"}})
    equal(stat.S_IMODE(os.stat(r.socket).st_mode), 0o600)


@test
def file_in_the_place_of_the_status_socket_is_an_error_and_stays(t):
    r = t.receiver(start=False)
    with open(r.socket, "w", encoding="ascii") as file:
        file.write("precious")
    done = r.run()
    assert done.returncode not in (0, 74), done
    contains(done.stderr, r.socket)
    with open(r.socket, encoding="ascii") as file:
        equal(file.read(), "precious")


@test
def live_status_socket_of_another_is_not_taken(t):
    r = t.receiver()
    second = t.receiver({"status": {"socket": r.socket}}, start=False)
    done = second.run()
    assert done.returncode not in (0, 74), done
    contains(done.stderr, r.socket)
    equal(r.json("/status")["pid"], r.process.pid)


@test
def address_in_use_is_an_error(t):
    r = t.receiver()
    second = t.receiver({"receiver": {"listen": "127.0.0.1:%d" % r.port}}, start=False)
    done = second.run()
    assert done.returncode not in (0, 74), done
    contains(done.stderr, "127.0.0.1:%d" % r.port)


@cases([(value, value) for value in ("::1:7117", "[::1:7117", "::1]:7117", "7117", "x:65536")])
def listen_that_is_no_address_is_an_error(t, value):
    fails_to_start(t.receiver({"receiver": {"listen": value}}, start=False, make=False),
                   "[::1]:7117")


@test
def several_addresses_are_listened_on(t):
    r = t.receiver({"receiver": {"listen": "127.0.0.1:0, 127.0.0.2:0"}})
    found = re.findall(r"event=listening [^\n]*address=(\S+):(\d+)", r.log())
    equal([address for address, _ in found], ["127.0.0.1", "127.0.0.2"])
    for address, port in found:
        c = Client((address, int(port)), t.client_context("pc1.example.org"))
        c.hello(t.queue())
        c.quit()


# ---- certificates at start

@cases([("key of another certificate", "key", lambda pki: pki.server("other").key),
        ("certificate that is not there", "certificate", lambda pki: "/nowhere/cert.pem"),
        ("CA file without a certificate", "ca", lambda pki: pki.server().key),
        ("expired certificate", "certificate", lambda pki: pki.odd("expired").cert),
        ("CRL that is not there", "crl", lambda pki: "/nowhere/crl.pem")])
def is_an_error_at_start(t, key, make):
    """75 where time mends it, or who renews the files: the unit tries that again."""
    path = make(t.pki)
    r = t.receiver({"tls": {key: path}}, start=False)
    if key == "certificate" and path.endswith("expired.pem"):
        r.sections["tls"]["key"] = t.pki.odd("expired").key
        r.write_conf()
    fails_to_start(r, path, code=CONFIG if key == "ca" else 75)


@test
def key_that_others_can_read_is_an_error(t):
    key = os.path.join(t.folder, "key")
    shutil.copy(t.pki.server().key, key)
    os.chmod(key, 0o644)
    fails_to_start(t.receiver({"tls": {"key": key}}, start=False), key)


# ---- SIGHUP

def reload(r):
    taken = r.metric("inboxd_reloads_total"), r.metric("inboxd_reloads_failed_total")
    r.process.send_signal(signal.SIGHUP)

    def now():
        return r.metric("inboxd_reloads_total"), r.metric("inboxd_reloads_failed_total")
    until(lambda: now() != taken, 10, "the reload")
    after = now()
    equal(sum(after), sum(taken) + 1, "reloads counted")
    return after[0] > taken[0]


@test
def reload_takes_a_good_configuration(t):
    r = t.receiver()
    old = r.client(hello=t.queue())
    old.put(1, "status", b"before")
    old.stored(1)
    r.inboxes["fresh"] = {"size": "10"}
    r.sections["limits"]["window"] = "33"
    r.write_conf()
    r.make()
    assert reload(r), "not taken: " + r.log()
    c = r.client(hello=t.queue())
    equal(c.ready.window, 33)
    c.put(1, "fresh", b"0123456789")
    c.put(2, "fresh", b"0123456789X")
    c.stored(1)
    equal(c.answer(2).code, "too-large")
    c.quit()
    old.put(2, "status", b"after")
    old.stored(2)
    old.quit()
    equal([row["name"] for row in r.json("/inboxes")["inboxes"]], ["status", "reports", "fresh"])


@cases([
    ("a key is unknown", lambda r: r.sections["limits"].update(wimdow="3"), r"inboxd\.conf:\d+:"),
    ("a restart is needed", lambda r: r.sections["receiver"].update(workers="3"), r"workers"),
    ("a folder is missing", lambda r: r.inboxes.update(absent={}), r"absent"),
    ("the certificate is gone", lambda r: r.sections["tls"].update(certificate="/nowhere/c.pem"),
     r"/nowhere/c\.pem"),
    ("the key is another's", lambda r: r.sections["tls"].update(key=r.pki.server("other").key),
     r"other"),
])
def reload_keeps_the_old_configuration_when(t, change, reason):
    r = t.receiver()
    c = r.client(hello=t.queue())
    r.sections["limits"]["window"] = "33"
    change(r)
    r.write_conf()
    assert not reload(r), "taken"
    r.wait_log(reason)
    again = r.client(hello=t.queue())
    equal(again.ready.window, 1024, "window")
    for each in (c, again):
        each.put(1, "status", b"goes on")
        each.stored(1)
        each.quit()
    r.inboxes.pop("absent", None)


@test
def inbox_that_loses_its_section_is_warned_of_where_it_is_used(t):
    r = t.receiver(inboxes={"status": {}, "used": {}, "waits": {}, "idle": {}})
    r.consumed = True
    c = r.client(hello=t.queue())
    for n, inbox in enumerate(("used", "waits"), 1):
        c.put(n, inbox, b"x")
        c.stored(n)
    [name] = r.files("used")
    os.unlink(r.path("used", name))
    r.acks.clear()
    c.quit()
    assert reload(r) and "inbox_dropped" not in r.log(), "none is"
    for name in ("used", "waits", "idle"):
        del r.inboxes[name]
    r.write_conf()
    checked = r.run("-t")
    equal(checked.returncode, 0, checked.stderr)
    equal(re.findall(r"inbox_dropped inbox=(\S+) items_wait=1 note", checked.stderr), ["waits"])
    assert reload(r), r.log()
    found = re.findall(r"warning [^\n]*inbox_dropped inbox=(\S+) items_wait=(\d) used_ago=\d+ ",
                       r.log())
    equal(sorted(found), [("used", "0"), ("waits", "1")])
    r.restart()
    found = re.findall(r"event=inbox_dropped inbox=(\S+) items_wait=(\d) note", r.log(here=True))
    equal(found, [("waits", "1")])


@test
def reload_tells_who_asked_for_it(t):
    r = t.receiver()

    def ctl():
        return t.run([r.ctl, "-s", r.socket, "reload"])
    equal(ctl().returncode, 0)
    equal(r.metric("inboxd_reloads_total"), 1)
    good = r.sections["tls"]["key"]
    r.sections["tls"]["key"] = t.pki.server("other").key
    r.write_conf()
    done = ctl()
    equal(done.returncode, 78)
    contains(done.stderr, "the old configuration stays: " + r.sections["tls"]["key"])
    contains(json.loads(r.get("/status")[2])["reload_error"], "is not the key of")
    equal(r.metric("inboxd_reload_failed"), 1)
    r.sections["tls"]["key"] = good
    r.write_conf()
    equal(ctl().returncode, 0)
    equal(json.loads(r.get("/status")[2])["reload_error"], None)
    equal(r.metric("inboxd_reload_failed"), 0)
    r.stop()
    equal(ctl().returncode, 69)


@test
def reload_takes_a_new_certificate_and_revocations(t):
    folder = os.path.join(t.folder, "tls")
    os.mkdir(folder, 0o700)
    files = {key: os.path.join(folder, key) for key in ("certificate", "key", "crl")}

    def install(pair, crl):
        shutil.copy(pair.cert, files["certificate"])
        shutil.copy(pair.key, files["key"])
        shutil.copy(crl, files["crl"])
    install(t.pki.server(), t.pki.crl("nobody.example.org"))
    r = t.receiver({"tls": files})
    c = r.client("victim.example.org", hello=t.queue())
    kept = r.client(hello=t.queue())
    first = c._tls.getpeercert(True)
    install(t.pki.server("renewed"), t.pki.crl("victim.example.org"))
    assert reload(r)
    other = r.client(hello=t.queue())
    assert other._tls.getpeercert(True) != first, "the old certificate is served"
    late = r.client(ctx=t.client_context("victim.example.org"), handshake=False)
    late.post("HELLO 1 %s 1\n" % t.queue())
    equal(late.wait_close(), [], "what a revoked client hears")
    # Nor may it go on with a connection that it has.
    line = c.expect("ERROR")
    equal(line.code, "identity")
    contains(line.text, "revoked")
    c.wait_close()
    kept.put(1, "status", b"from a client that is trusted still")
    kept.stored(1)
    kept.quit()
    other.quit()


if __name__ == "__main__":
    main()
