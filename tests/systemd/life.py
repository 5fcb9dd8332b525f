# SPDX-License-Identifier: ISC
"""From one version to the next."""

from machine import Failed
from world import check, same, until, want


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
