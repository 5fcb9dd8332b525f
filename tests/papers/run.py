#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Types what the papers say, as it stands there, in a minimal system of its own.

  make check-papers [PAPERS_ROOT=folder] [PAPERS_SUITE=trixie] [TEST_ONLY=word,...]

PAPERS_ROOT is a minimal root of Debian or Ubuntu, as debootstrap --variant=minbase
makes it; it is not changed: each test has an overlay over it.  Without it one is made,
of PAPERS_SUITE (else the release that this system is of).  Root is needed, debootstrap,
systemd-nspawn and the network (for packages alone); what is missing is said, and the
exit code is 77.  The release (a tarball) is the last argument, and stands in the root
as /srv/inboxd; all is typed there.

In production the root is started, with systemd as its process 1 and a network of its own.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import machine
import papers
from machine import Failed, Skip, call, need

# What is there on a machine before inboxd, and what the manuals' examples call.
MACHINE = "systemd systemd-sysv curl jq lshw python3"
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
WorkingDirectory=/srv/inboxd
Environment=DEBIAN_FRONTEND=noninteractive PATH=%s
ExecStart=/bin/sh /papers.sh
ExecStopPost=-/bin/sh -c 'journalctl -b --no-pager -u "inbox*" >/papers.journal'
ExecStopPost=systemctl poweroff --force
StandardOutput=file:/papers.log
StandardError=file:/papers.log
""" % machine.PATH


# A start makes nothing where the root is missing or not mounted, and the mount alone mends it.
LATE_MOUNT = """
systemctl stop inboxd
mv /var/lib/inboxd /var/lib/mounted
fails systemctl start inboxd
fails test -e /var/lib/inboxd
mkdir -m 0 /var/lib/inboxd
fails systemctl start inboxd
test -z "$(ls -A /var/lib/inboxd)"
rmdir /var/lib/inboxd
mv /var/lib/mounted /var/lib/inboxd
until systemctl is-active inboxd; do sleep 0.5; done
test $(ls /var/lib/inboxd/status/new | wc -l) = 3
"""

# A reload that is not taken fails, and what runs goes on.
NOT_TAKEN = """
for name in inboxd inboxq; do
	echo '[nonsense]' >>/etc/$name.conf
	fails systemctl reload $name
	sed -i '$d' /etc/$name.conf
	systemctl reload $name
	test "$(systemctl show -P NRestarts $name)" = 0
done
"""

# More items than a start limit allows, each a start of the consumer; then one that is killed.
PROCESS = """#!/bin/sh
cd /var/lib/inboxd/status
grep -q slow "$1" && ! test -e again && { touch begun; sleep 60; }
echo "$1" >>eaten
"""
CONSUMED = """
add() { runuser -u inboxq -- inboxq add -i status; }
cd /var/lib/inboxd/status
for n in 1 2 3 4 5 6 7 8; do
	echo $n | add
	until test "$(grep -c . eaten)" -ge $((3 + n)); do sleep 0.1; done
done
echo slow | add
until test -e begun; do sleep 0.1; done
touch again
systemctl kill -s KILL inbox-consumer@status.service
until test "$(grep -c . eaten)" = 12; do sleep 0.1; done
systemctl is-active inbox-consumer@status.path
test -z "$(ls new cur failed | grep org)"
"""
# A consumer of another user: one item that it can deal with, and one that it cannot.
PASS_ON = """#!/bin/sh
test "$(id -un)" = taker && grep -q good "$1"
"""
SHARED = """
groupadd takers
useradd -r -G takers taker
printf '[inbox reports]\\ngroup = takers\\n' >>/etc/inboxd.conf
inboxd -m
systemctl reload inboxd
cd /var/lib/inboxd/reports
install /srv/inboxd/pass-on /usr/local/libexec/inbox-reports
"""
TAKEN = """
mkdir /etc/systemd/system/inbox-consumer@reports.service.d
cp /taker.conf /etc/systemd/system/inbox-consumer@reports.service.d
systemctl daemon-reload
for word in good bad; do echo $word | runuser -u inboxq -- inboxq add -i reports; done
systemctl start inbox-consumer@reports.path
until test -n "$(ls failed)"; do sleep 0.1; done
until test -z "$(ls new cur tmp | grep org)"; do sleep 0.1; done
test "$(cat failed/*)" = bad
"""
# Another root, and a port for which one has to be more than anybody.
ELSEWHERE = """
systemctl stop inboxd
sed -i 's|^#root = .*|root = /srv/inbox|; s|^#listen = .*|listen = *:443|' /etc/inboxd.conf
"""
STARTED_ELSEWHERE = """
mkdir /etc/systemd/system/inboxd.service.d
cp /drop-in/* /etc/systemd/system/inboxd.service.d
systemctl daemon-reload
systemctl start inboxd
inboxctl status
inboxctl verify
systemctl show -p RequiresMountsFor inboxd | grep /srv/inbox
journalctl -b -u inboxd | grep 'event=listening address=0.0.0.0:443'
"""


# Installed, at work, upgraded, removed, purged: what nobody has taken stays.
PACKAGED = """
id inboxd && id inboxq
test "$(stat -c '%U %a' /var/lib/inboxd)" = 'inboxd 700'
test "$(stat -c '%U %a' /var/spool/inboxq)" = 'inboxq 700'
contrib/pki pki ca
contrib/pki pki server cap1.example.org
contrib/pki pki client pc17.example.org
install -D -m 644 pki/cap1.example.org.crt /etc/inboxd/server.crt
install -o inboxd -m 600 pki/cap1.example.org.key /etc/inboxd/server.key
install -m 644 pki/ca.crt /etc/inboxd/clients-ca.crt
install -D -m 644 pki/pc17.example.org.crt /etc/inboxq/client.crt
install -o inboxq -m 600 pki/pc17.example.org.key /etc/inboxq/client.key
install -m 644 pki/ca.crt /etc/inboxq/ca.crt
inboxd -m
inboxd -t
install -d -o inboxd /run/inboxd
work() {
	setpriv --reuid inboxd --regid inboxd --clear-groups inboxd & receiver=$!
	until inboxctl status; do sleep 0.2; done
	echo "$1" | runuser -u inboxq -- inboxq send --timeout 60s -i status
	inboxctl verify
	kill $receiver
	wait $receiver
}
work one
"""
AGAIN = """
apt-get install -y $(ls /later/*.deb | grep -v dbgsym)
dpkg-query -W inboxd | grep 0.1.0+1
echo '# mine' >>/etc/inboxd.conf
work another
cc -o /event contrib/examples/queue-event.c $(pkg-config --cflags --libs libinboxq)
apt-get remove -y inboxd inboxq
fails test -e /usr/sbin/inboxd
fails test -e /usr/bin/inboxq
grep mine /etc/inboxd.conf
apt-get purge -y inboxd inboxq libinboxq0
fails test -e /etc/inboxd.conf
test "$(ls /var/lib/inboxd/status/new | wc -l)" = 2
test -e /var/spool/inboxq/queue-id
"""


class Root(machine.Overlay):
    """One fresh system: an overlay over the minimal root, with the release in it."""

    def __init__(self, folder, name, base, release):
        super().__init__(os.path.join(folder, name), [base])
        self.write("etc/apt/apt.conf.d/99papers", machine.APT)
        machine.unpack(release, self.path("srv/inboxd"))

    def boot(self, script):
        """Starts the system, runs it there, and stops it; what it printed."""
        self.write("papers.sh", machine.TYPE + script + "\nset +x\necho 'all is typed'\n")
        self.write("etc/systemd/system/papers.service", UNIT)
        wants = self.path("etc/systemd/system/multi-user.target.wants")
        os.makedirs(wants, exist_ok=True)
        os.symlink("../papers.service", os.path.join(wants, "papers.service"))
        with contextlib.suppress(subprocess.TimeoutExpired):  # how far it came is seen below
            call(self.nspawn("--resolv-conf=copy-host", "--boot", "--private-network"),
                 "the system", timeout=300, env=machine.BOOT_ENV)
        said = self.read("papers.log")
        if not said.endswith("all is typed\n"):
            raise Failed("what was typed:\n%s\nthe journal:\n%s" % (
                said[-6000:], self.read("papers.journal")[-6000:]))
        return said


# ---- what is typed

def by_hand(root):
    """The README's way to build; `make check` in it is the whole suite, as root."""
    root.type("trap 'test $? = 0 || grep -B 30 \"^not ok\" tests/*/*.log | tail -n 60' EXIT\n"
              "apt-get update\n" + "\n".join(papers.readme_commands("build")) + "\n")


def quickstart(root):
    """From nothing, on a few files."""
    root.type("mkdir /few\ncp /etc/debconf.conf /etc/passwd /few\napt-get update\n" +
              papers.readme_commands("clone")[0].replace("[DIR]", "/few") + "\n")


def check(root):
    """The suite as a user, in memory, where no name is known, with what contrib/packages finds."""
    root.type("contrib/packages build test\n: >/etc/hosts\nuseradd -m tester\n"
              "chown -R tester /srv/inboxd\n")
    said = root.type(papers.readme_commands("clone")[1] + "\n", user="tester", TMPDIR="/dev/shm")
    print("# " + said.splitlines()[-1], flush=True)


def packages(root):
    """Debian's: each file is in one, lintian is content, and none deletes an item."""
    build = papers.readme_commands("packages")[0]
    root.type("apt-get update\necho 127.0.0.1 cap1.example.org >>/etc/hosts\n"
              "%s\n%s --version 0.1.0+1 /later\n"
              "apt-get install -y $(ls $PWD/build/deb/*.deb | grep -v dbgsym)\n" % (build, build) +
              PACKAGED + AGAIN)


def in_production(root):
    """A receiver and a client on one machine, by README; then the manuals' examples there."""
    root.type("apt-get update\napt-get install %s\n" % MACHINE +
              "\n".join(papers.readme_commands("build")).replace("make check", "true") + "\n" +
              "echo 127.0.0.1 cap1.example.org >>/etc/hosts\n")
    root.write("srv/inboxd/report.json", "{}\n")
    root.write("etc/more.conf", "\n[inbox inventory]\n[inbox dumps]\n")
    client = papers.readme_commands("client")
    start = client.index("systemctl enable --now inboxq")
    steps = ["cd /srv/inboxd", *papers.readme_commands("receiver"),
             "cat /etc/more.conf >>/etc/inboxd.conf", *papers.readme_commands("new inbox"),
             *client[:start]]
    steps += [client_example(block) for _, block in papers.examples("client")]
    steps += client[start:]
    steps += ["until runuser -u inboxq -- inboxq status | grep -q '^pending *0 items'; do",
              "sleep 0.1", "done",
              "test $(ls /var/lib/inboxd/status/new | wc -l) = 3",
              "mkdir -p /var/lib/node_exporter"]
    steps += ["( cd /tmp\n%s)" % block for _, block in papers.examples("administrator")]
    today = time.strftime("%Y%m%d", time.gmtime())
    steps += ["( cd /var/lib/inboxd\n%s) | grep pc17" % re.sub("202[0-9]{5}", today, block)
              for _, block in papers.examples("ledger")]
    steps += ["grep -q inboxd_items_stored_total /var/lib/node_exporter/inboxd.prom"]
    for _, block in papers.examples("configuration"):
        root.write("tmp.conf", block)
        steps.append("inboxd -t -c /tmp.conf")
    steps += [NOT_TAKEN, LATE_MOUNT, "cd /srv/inboxd",
              *[block for _, block in papers.examples("consumer")], CONSUMED]
    steps += [SHARED, *[block for _, block in papers.examples("taker")], TAKEN]
    root.write("srv/inboxd/process", PROCESS)
    root.write("srv/inboxd/pass-on", PASS_ON)
    root.write("taker.conf", papers.examples("taker's drop-in")[0][1])
    for number, (_, block) in enumerate(papers.examples("drop-in")):
        root.write("drop-in/%d.conf" % number, block)
    steps += [ELSEWHERE, *[block for _, block in papers.examples("new root")], STARTED_ELSEWHERE]
    root.boot("\n".join(steps))


def client_example(block):
    """What stands behind "$ " is typed as the client's user; the rest is what comes."""
    lines = block.splitlines()
    typed = [line[2:] for line in lines if line.startswith("$ ")]
    printed = [line for line in lines if not line.startswith("$ ")]
    return ("( cd /tmp; touch report1.txt report2.txt\ncat >example <<'end'\n%s\nend\n"
            "runuser -u inboxq -- sh -eu example >printed\ntest \"$(cat printed)\" = '%s' )" % (
                "\n".join(typed), "\n".join(printed)))


TESTS = (quickstart, check, by_hand, packages, in_production)


# ---- where

def minimal_root(folder):
    """PAPERS_ROOT, or one that debootstrap makes."""
    if os.environ.get("PAPERS_ROOT"):
        return os.path.abspath(os.environ["PAPERS_ROOT"])
    suite = os.environ.get("PAPERS_SUITE")
    if not suite:
        with open("/etc/os-release", encoding="utf-8") as file:
            suite = re.search(r"^VERSION_CODENAME=(\w+)", file.read(), re.M).group(1)
    return machine.debootstrap(suite, os.path.join(folder, "base"))


def run(folder, base, release):
    wanted = os.environ.get("TEST_ONLY")
    tests = [test for test in TESTS if not wanted or any(
        word in test.__name__ for word in wanted.split(","))]
    print("1..%d" % len(tests), flush=True)
    good = True
    for number, test in enumerate(tests, 1):
        root = Root(folder, test.__name__, base, release)
        verdict = "ok"
        try:
            test(root)
        except (Failed, subprocess.TimeoutExpired) as error:
            verdict, good = "not ok", False
            print("# " + str(error).replace("\n", "\n# "))
        finally:
            root.umount()
            shutil.rmtree(root.folder)
        print("%s %d - %s" % (verdict, number, test.__name__), flush=True)
    return good


def main():
    try:
        need(["unshare", "systemd-nspawn"])
        if "PAPERS_NAMESPACE" not in os.environ:
            os.environ["PAPERS_NAMESPACE"] = "1"
            os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what is tidied up
        folder = tempfile.mkdtemp(prefix="inboxd-papers-", dir=os.environ.get("PAPERS_DIR"))
        try:
            good = run(folder, minimal_root(folder), os.path.abspath(sys.argv[1]))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except Skip as skip:
        print("1..0 # SKIP %s" % skip)
        sys.exit(77)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
