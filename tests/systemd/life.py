# SPDX-License-Identifier: ISC
"""From one version to the next, and the packages: installed, upgraded, removed, purged."""

from machine import Failed
from world import check, same, until, want

DPKG = "DEBIAN_FRONTEND=noninteractive dpkg --force-confold "


@check
def upgrade_under_load_keeps_every_item(w):
    """The version before at work, with items that wait on both sides; the new one over it."""
    old = there(w)
    w.configure_client(old, "cap1.example.org")
    for n in range(20):
        w.add("for later %d" % n, old)  # its receiver is not up yet
    old.sh("systemctl start inboxd inboxq")
    was = old.sh("inboxd -V; inboxctl ledger | wc -l")
    with w.load(old) as load:
        load.wait(100)
        pid = old.show("inboxd", "MainPID")
        old.sh("cp -a --remove-destination /srv/now/. /\nldconfig\nsystemctl daemon-reload")
        load.wait(30)  # the new files are there, the old process still runs
        same(old.show("inboxd", "MainPID"), pid, "the process")
        old.sh("systemctl restart inboxd inboxq")
        load.wait(50)
    w.whole(old, load)
    want(int(old.sh("inboxctl ledger | wc -l")) >= len(load.stored), "the ledger is shorter:", was)
    w.cap1.sh("systemctl start inboxd")
    until("the items that waited", lambda: len(w.items(w.cap1)) == 20, timeout=60)
    same(old.show("inboxd", "NRestarts") + old.show("inboxq", "NRestarts"), "00", "restarts")


def there(w):
    if not w.old:
        raise Failed("the version before is not there: no clone, and no SYSTEMD_BEFORE")
    return w.old


def install(w, where=None):
    """The packages as they are, whatever is there; set up as README.Debian says."""
    where = where or w.pkg
    where.sh(DPKG + "--force-downgrade -i /srv/debs/1/*.deb", timeout=120)
    w.configure(where)
    w.give(where, w.pki.good("server", where.name + ".example.org", where.address),
           "/etc/inboxd/server", "inboxd")
    where.sh("inboxd -m\ninboxd -t\nsystemctl enable --now inboxd")


@check
def package_starts_nothing_and_serves_once_it_is_set_up(w):
    """A receiver without a certificate could only fail."""
    w.pkg.sh(DPKG + "-i /srv/debs/1/*.deb", timeout=120)
    for unit in ("inboxd", "inboxq", "inbox-relay", "inboxd.socket", "inboxd-agent.socket",
                 "inboxq-once.timer"):
        same(w.pkg.sh("systemctl is-enabled %s || true" % unit), "disabled", unit)
        same(w.pkg.show(unit, "ActiveState"), "inactive", unit)
    same(w.pkg.sh("stat -c '%U %a' /var/lib/inboxd /var/spool/inboxq"), "inboxd 700\ninboxq 700",
         "the folders")
    same(w.pkg.sh("ls -A /var/lib/inboxd"), "", "what is in the root")
    install(w)
    w.store(w.pkg)
    w.pkg.sh("inboxctl check || test $? = 1\ntest -z \"$(systemctl --failed -q)\"")


@check
def package_upgrade_under_load_restarts_what_runs(w):
    """To a higher version: settings and items stay, nothing that was acknowledged is missing."""
    install(w)
    pid = w.pkg.show("inboxd", "MainPID")
    with w.load(w.pkg) as load:
        load.wait(50)
        w.pkg.sh(DPKG + "-i /srv/debs/2/*.deb", timeout=120)
        load.wait(50)
    want(w.pkg.show("inboxd", "MainPID") != pid, "the old process still runs")
    same(w.pkg.sh("systemctl is-enabled inboxd"), "enabled", "after the upgrade")
    same(w.pkg.show("inboxq", "ActiveState"), "inactive", "what did not run")
    want("next" in w.pkg.sh("dpkg-query -W inboxd"), "it is the old one")
    w.whole(w.pkg, load)


@check
def package_upgrade_behind_a_socket_refuses_nobody(w):
    """With inboxd.socket: who comes during the upgrade waits."""
    install(w)
    w.pkg.sh("systemctl stop inboxd\nsystemctl start inboxd.socket inboxd")
    with w.load(w.pkg) as load:
        load.wait(50)
        w.pkg.sh(DPKG + "-i /srv/debs/2/*.deb", timeout=120)
        load.wait(50)
    same(load.refused, [], "connections refused")
    w.whole(w.pkg, load)


@check
def package_upgrade_waits_for_no_root(w):
    """Of a standby: dpkg does not stand by, too, and it is the new program that waits on."""
    db = w.with_engines()
    for each in (w.pkg, db):
        install(w, each)
        each.sh("systemctl stop inboxd")
        w.configure(each, receiver="root = /srv/shared/root\n")
        w.drop_in(each, "inboxd.service", "[Service]\nReadWritePaths=/srv/shared/root\n")
    w.pkg.sh("rm -rf {0}\ninstall -d -o inboxd -g inboxd -m 700 {0}\ninboxd -m\n"
             "systemctl start inboxd".format("/srv/shared/root"))
    db.sh("systemctl start --no-block inboxd")
    until("a standby", lambda: "which host pkg has" in db.show("inboxd", "StatusText"))
    pid = db.show("inboxd", "MainPID")
    db.sh(DPKG + "-i /srv/debs/2/*.deb", timeout=50)
    until("another process", lambda: db.show("inboxd", "MainPID") not in ("0", pid))
    until("a standby again", lambda: "which host pkg has" in db.show("inboxd", "StatusText"))
    db.sh("systemctl stop inboxd")
    w.store(w.pkg)


@check
def package_removal_and_purge_keep_the_items(w):
    """The program goes; what nobody has taken is nobody's to delete.  Installed again, it serves
    what was there."""
    install(w)
    w.pkg.sh("systemctl start inboxd-agent.socket")
    with w.load(w.pkg) as load:
        load.wait(50)
    for how in ("--remove", "--purge"):
        w.pkg.sh(DPKG + how + " inboxd inboxq inbox-relay", timeout=120)
        w.pkg.sh("fails grep -qx inboxd /proc/[0-9]*/comm\ntest -z \"$(systemctl --failed -q)\"\n"
                 "fails test -e /usr/sbin/inboxd\ntest -e /etc/inboxd/server.key\n"
                 "test ! -e /run/inboxd\nfails systemctl is-active inboxd-agent.socket")
        there = w.items(w.pkg)
        want(set(load.stored.items()) <= set(there.items()), "items are gone after", how)
    same(w.pkg.sh("ls -d /etc/inbox*.conf 2>/dev/null || true; "
                  "find /etc/systemd /usr/lib/systemd -name 'inbox*'"), "", "what a purge leaves")
    install(w)
    w.whole(w.pkg, load)
    w.store(w.pkg)
