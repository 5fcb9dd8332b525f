#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A sample of `make check-fault`: in each scenario, a few calls that fail.

Whatever failed: nothing acknowledged is missing or torn, an item lies in new/ once, the
exit code is a documented one, and a start without the fault serves.
"""

import enumerate as engine  # enumerate.py, beside this file
import scenarios
from harness import cases, main

SAMPLE = {
    "first_start": ["fill:20:ENOSPC:once", "fdatasync@journal:2:EIO:once", "mkdirat:1:ENOSPC:once",
                    "openat@journal:3:EMFILE:once", "fsync@journaldir:1:EIO:once"],
    "start": ["openat:1:ENOSPC:once", "fdatasync:1:EIO:once", "malloc:3:ENOMEM:on",
              "pthread_create:1:EAGAIN:once", "read@journal:1:EIO:once",
              "write@journal:1:EIO:once"],
    "grow": ["fill:9:ENOSPC:on", "write@journal:2:EIO:once"],
    "shrink": ["unlinkat@journal:2:EIO:once"],
    "upload": ["write@draft:1:ENOSPC:on", "fdatasync@journal:1:EIO:once",
               "write@journal:1:SHORT:on", "fdatasync@draft:1:ENOSPC:on",
               "lseek@journal:1:EIO:once",
               "renameat2@draft:1:ENOSPC:once", "fsync@newdir:1:EIO:once",
               "root:3:ESHUTDOWN:on", "root:20:ESHUTDOWN:on",
               "accept4:1:EMFILE:once", "SSL_new:1:ENOMEM:once", "digest:1:ENOMEM:once",
               "malloc:2:ENOMEM:once", "fdatasync@journal:2:80ms:once"],
    "proxied": ["event:1:ENOMEM:once", "read:1:EIO:once", "malloc:1:ENOMEM:once"],
    "duplicate": ["malloc:1:ENOMEM:once", "unlinkat:1:EIO:once"],
    "reload": ["root:2:ESHUTDOWN:on", "open:1:EMFILE:once", "malloc:5:ENOMEM:once",
               "read:1:EIO:once"],
    "rotation": ["openat:5:ENOSPC:once", "write:4:SHORT:on", "unlinkat:1:EIO:on"],
    "recovery": ["root:30:ESHUTDOWN:on", "renameat2@draft:1:EIO:once", "write:1:ENOSPC:once",
                 "fsync:1:EIO:once",
                 "readdir:1:EIO:once", "close:1:EIO:on", "read@journal:2:EIO:once"],
    "recovery_of_frames": ["write@draft:2:ENOSPC:once", "fdatasync@draft:1:EIO:once",
                           "fdatasync@journal:1:EIO:once", "write@journal:2:EIO:once",
                           "unlinkat@draft:2:EIO:once", "openat@draft:1:EDQUOT:once"],
    "recovery_of_many": ["write@draft:7:ENOSPC:once", "fdatasync@draft:9:EIO:once",
                         "openat@draft:30:EDQUOT:once", "unlinkat@draft:20:EIO:once",
                         "renameat2@draft:11:EIO:once", "renameat2@draft:11:EEXIST:once",
                         "pthread_create:2:EAGAIN:on", "fdatasync@draft:1:ENOSPC:once"],
    "recovery_of_many_drafts": ["fstatat:9:EIO:once", "renameat2@draft:20:DONE-EEXIST:once",
                                "renameat2@draft:20:EIO:on", "root:60:ESHUTDOWN:on"],
    "takeover": ["fill:3:ENOSPC:once", "renameat2@draft:1:EIO:once", "fdatasync@ledger:1:EIO:once"],
    "stop": ["close:1:EIO:on"],
    "large": ["root:9:ESHUTDOWN:on", "fallocate:1:EDQUOT:once", "write:4:ENOSPC:once",
              "fdatasync@draft:1:ENOSPC:once",
              "openat:1:ENOSPC:once"],
    "resume": ["flock:1:ENOLCK:once", "read:1:EIO:once", "ftruncate:1:EIO:once",
               "renameat2:1:EDQUOT:once", "event:3:ENOMEM:on"],
    "expire": ["unlinkat:1:EIO:once"],
    "full": ["statvfs:1:EIO:on", "malloc:9:ENOMEM:once"],
    "status": ["accept4:1:EMFILE:on", "malloc:1:ENOMEM:on"],
    "first_add": ["mkdirat:2:ENOSPC:once", "fsync:1:EIO:once", "malloc:1:ENOMEM:once"],
    "add": ["write:2:ENOSPC:once", "renameat2:1:EIO:once", "fdatasync:1:EIO:on"],
    "add_stdin": ["dup:1:EMFILE:once", "read:2:EINTR:once"],
    "add_bounded": ["write:2:EIO:on", "renameat2:1:EIO:once", "fdopendir:1:ENOMEM:once",
                    "unlinkat:1:EIO:on"],
    "turn_over": ["fallocate:2:ENOSPC:on", "renameat:1:EIO:once", "renameat:2:EIO:on",
                  "fsync:3:EIO:once", "ftruncate:1:EIO:once"],
    "copied": ["write:1:ENOSPC:on", "renameat:2:EIO:once", "fsync:2:EIO:once"],
    "fsck": ["renameat2:1:EIO:once", "fsync:2:EIO:once", "readdir:2:EIO:once"],
    "requeue": ["renameat2:1:EIO:once", "fsync:1:EIO:once"],
    "offer_again": ["renameat2:1:EIO:once", "fsync:1:EIO:once", "malloc:6:ENOMEM:once"],
    "remove": ["fdatasync:1:EIO:once", "unlinkat:1:EIO:once"],
    "run_once": ["unlinkat:1:EIO:once", "read:9:EIO:once", "malloc:20:ENOMEM:once"],
    "run_large": ["read:9:EIO:once", "fdatasync:1:EIO:once"],
    "watch": ["renameat2:1:EIO:once", "mkdirat:2:ENOSPC:on", "fsync:4:EIO:once",
              "unlinkat:2:EIO:on", "fdatasync:2:ENOSPC:on", "read:6:EIO:once",
              "malloc:12:ENOMEM:once", "inotify:1:EMFILE:on", "lease:1:EACCES:on"],
}


@cases([(scenario, scenario) for scenario in SAMPLE])
def nothing_is_lost_whatever_fails(t, scenario):
    bench = engine.Bench(t.folder, t.pki)
    try:
        met = 0
        for fault in SAMPLE[scenario]:
            outcome = bench.run(scenario, fault)
            assert outcome.error is None, "%s %s (met: %s): %s" % (
                scenario, fault, outcome.met, outcome.error)
            met += bool(outcome.met)
        # How many calls a run makes is a matter of timing; most of these come.
        assert 2 * met >= len(SAMPLE[scenario]), "%d of %d faults came" % (
            met, len(SAMPLE[scenario]))
    finally:
        bench.close()


if __name__ == "__main__":
    assert set(SAMPLE) == set(scenarios.RECEIVER) | set(scenarios.QUEUE)
    main()
