# SPDX-License-Identifier: ISC
"""Units with one thing wrong, to show that check-systemd sees it: make check-systemd-mutants.

Each is one edit of one unit, as somebody might make it, and the checks that must fail with it.
Units of packages are installed by the checks themselves: those are changed by drop-ins.
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
                                   ["root_that_is_not_mounted_yet_is_waited_for",
                                    "file_system_that_is_gone_is_waited_for",
                                    "file_system_whose_mount_fails_for_a_while_is_waited_for"]),
    "gone_disk_is_for_a_person": (RECEIVER, "s/^RestartPreventExitStatus=.*/& 74/",
                                  ["file_system_that_is_gone_is_waited_for"]),
    "standby_is_not_heard": (RECEIVER, "s|^ExecStart=|&/usr/bin/env NOTIFY_SOCKET=/run/none |",
                             ["standby_outwaits_its_start_timeout",
                              "standby_takes_over_from_one_that_is_killed"]),
    "killed_one_does_not_come_back": (RECEIVER, "/^Restart=/d",
                                      ["standby_takes_over_from_one_that_is_killed"]),
    "start_makes_the_root": (RECEIVER, "s|^ExecStart=\\([^ ]*\\).*|ExecStartPre=\\1 -m\\n&|",
                             ["root_that_is_not_mounted_yet_is_waited_for"]),
    "no_sandbox": (RECEIVER, "/^SystemCallFilter/d", ["exposure_is_what_the_manual_says"]),
    "no_filter_for_the_queue": (QUEUE, "/^SystemCallFilter/d",
                                ["exposure_is_what_the_manual_says"]),
    "queue_waits_for_a_person": (QUEUE, "s/^RestartPreventExitStatus=.*/& 75/",
                                 ["what_time_mends_is_tried_again"]),
    "relay_may_not_write_its_queue": ("/etc/systemd/system/inboxq-relay.service",
                                      "/^ReadWritePaths=/d", ["inbox_whose_items_go_on"]),
    "socket_does_not_reach_it": (RECEIVER, "s|^ExecStart=|&/usr/bin/env -u LISTEN_FDS |",
                                 ["restart_under_load_refuses_no_connection"]),
    "socket_is_given_up": (SOCKET, "/^RestartPreventExitStatus=/d",
                           ["socket_outlives_a_configuration_that_is_wrong"]),
    "network_is_there": (SOCKET, "/^PrivateNetwork=/d",
                         ["activated_receiver_has_no_network_of_its_own",
                          "exposure_is_what_the_manual_says"]),
}

RESTRICTED = "RestrictAddressFamilies=\nRestrictAddressFamilies=AF_INET"
# name: (unit of a package, what its [Service] is given, checks that must fail)
DROPPED_IN = {
    "relay_gives_up": ("inbox-relay.service", "Restart=no", ["relay_gives_all_to_postgresql"]),
    "relay_tries_the_engine_for_ever": ("inbox-relay.service", "RestartPreventExitStatus=",
                                        ["relay_that_the_engine_refuses_has_failed"]),
    "relay_cannot_reach_the_engine": ("inbox-relay.service", RESTRICTED,
                                      ["relay_gives_all_to_postgresql"]),
    "relay_ends_without_the_engine": ("inbox-relay.service", "RuntimeMaxSec=1",
                                      ["relay_waits_for_postgresql"]),
    "agent_is_not_heard": ("inboxd-agent@.service", "StandardOutput=journal",
                           ["agent_says_whether_new_clients_may_come", "agent_of_an_instance"]),
    "agent_may_not_ask": ("inboxd-agent@.service", "User=nobody\nGroup=nogroup",
                          ["agent_says_whether_new_clients_may_come"]),
}


def drop_in(here, name):
    """Where no reset() takes it away; what undoes it."""
    unit, text, _ = DROPPED_IN[name]
    machines = (here.pkg, here.with_engines())
    folder = "/run/systemd/system.control/%s.d" % unit
    for each in machines:
        each.write(folder + "/mutant.conf", "[Service]\n%s\n" % text)
        each.sh("systemctl daemon-reload")

    def undo():
        for each in machines:
            each.sh("rm -r %s\nsystemctl daemon-reload" % folder)
    return undo


def put(here, name):
    """Makes a mutant of all machines of this version; what undoes it."""
    if name in DROPPED_IN:
        return drop_in(here, name)
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
    return [(name, check) for name, (_, _, checks) in {**MUTANTS, **DROPPED_IN}.items()
            for check in checks]
