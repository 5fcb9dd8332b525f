# SPDX-License-Identifier: ISC
"""Units with one thing wrong, to show that check-systemd sees it: make check-systemd-mutants.

Each is one edit of one unit, as somebody might make it, and the checks that must fail with it.
"""

RECEIVER = "/etc/systemd/system/inboxd.service"
QUEUE = "/etc/systemd/system/inboxq.service"
SOCKET = "/usr/local/share/doc/inboxd/samples/socket.conf"

# name: (file, edit by sed, checks that must fail)
MUTANTS = {
    "ready_before_it_serves": (RECEIVER, "s/^Type=notify/Type=exec/",
                               ["start_returns_when_it_serves"]),
    "mount_is_not_required": (RECEIVER, "/^RequiresMountsFor/d",
                              ["missing_mount_starts_nothing_and_makes_nothing"]),
    "no_watchdog": (RECEIVER, "/^WatchdogSec/d", ["hanging_receiver_is_ended_and_started_again"]),
    "watchdog_is_not_fed": (RECEIVER, "s|^ExecStart=|&/usr/bin/env -u WATCHDOG_USEC |",
                            ["watchdog_leaves_in_peace_who_works_or_rests"]),
    "no_restart": (RECEIVER, "/^Restart=/d", ["crash_under_load_loses_no_item"]),
    "reload_does_not_wait": (RECEIVER,
                             's|^ExecReload=.*|ExecReload=/bin/sh -c "kill -HUP $MAINPID"|',
                             ["reload_that_is_not_taken_fails_and_says_why",
                              "key_that_does_not_fit_is_not_taken"]),
    "boot_id_is_hidden": (RECEIVER, "s/^ProtectProc=.*/&\\nProcSubset=pid/",
                          ["large_upload_goes_on_after_a_power_failure"]),
    "certificate_is_for_a_person": (RECEIVER, "s/^RestartPreventExitStatus=.*/& 75/",
                                    ["what_time_mends_is_tried_again"]),
    "missing_root_is_for_a_person": (RECEIVER, "s/^RestartPreventExitStatus=.*/& 66/",
                                     ["root_that_is_not_mounted_yet_is_waited_for"]),
    "configuration_is_tried_again": (RECEIVER, "/^RestartPreventExitStatus=/d",
                                     ["what_only_a_person_mends_is_not_tried_again"]),
    "given_up_after_five_starts": (RECEIVER, "/^StartLimitIntervalSec=/d",
                                   ["root_that_is_not_mounted_yet_is_waited_for"]),
    "start_makes_the_root": (RECEIVER, "s|^ExecStart=\\([^ ]*\\).*|ExecStartPre=\\1 -m\\n&|",
                             ["root_that_is_not_mounted_yet_is_waited_for"]),
    "no_sandbox": (RECEIVER, "/^SystemCallFilter/d", ["exposure_is_what_the_manual_says"]),
    "no_filter_for_the_queue": (QUEUE, "/^SystemCallFilter/d",
                                ["exposure_is_what_the_manual_says"]),
    "queue_waits_for_a_person": (QUEUE, "s/^RestartPreventExitStatus=.*/& 75/",
                                 ["what_time_mends_is_tried_again"]),
    "socket_does_not_reach_it": (RECEIVER, "s|^ExecStart=|&/usr/bin/env -u LISTEN_FDS |",
                                 ["restart_under_load_refuses_no_connection"]),
    "socket_is_given_up": (SOCKET, "/^RestartPreventExitStatus=/d",
                           ["socket_outlives_a_configuration_that_is_wrong"]),
    "network_is_there": (SOCKET, "/^PrivateNetwork=/d",
                         ["activated_receiver_has_no_network_of_its_own",
                          "exposure_is_what_the_manual_says"]),
}


def put(here, name):
    """Makes a mutant of all machines of this version; what undoes it."""
    path, edit, _ = MUTANTS[name]
    machines = (here.cap1, here.cap2, here.pc17)
    for each in machines:
        each.sh("cp {0} /srv/right\nsed -i '{1}' {0}\nfails cmp -s {0} /srv/right\n"
                "systemctl daemon-reload".format(path, edit))

    def undo():
        for each in machines:
            each.sh("cp /srv/right %s\nsystemctl daemon-reload" % path)
    return undo


def cases():
    """[(mutant, check)], for the plan."""
    return [(name, check) for name, (_, _, checks) in MUTANTS.items() for check in checks]
