#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""How many receivers does a fleet want?  Simulated, from what was measured of one.

  make plan [PLAN=1000000] [ROOTS=8] [ITEMS=20] [PLAN_OPTIONS=--processors=2]

Each client has its own order of the receivers, as `order = spread` draws it, and waits as inboxq
does: its back-off (queue/backoff.c) doubles from retry-min to retry-max and is drawn by lot, a
lost session makes it wait up to retry-min more (queue/servers.c), a boot up to a minute (waits.c).
A receiver is a queue with so much processor time a connection and an item; who has not had his
turn within connect-timeout gives up, and comes again.  What is tried:

  even     the day's items come at any time, each by a connection of its own
  morning  all are switched on within a quarter of an hour, each with some items
  power    all are switched on in one moment
  death    a receiver dies as all are connected and stays away: its clients go to the others
  return   the receivers are back after hours in which all clients have looked for them

`--check` holds the model to a fleet of real inboxq: CHECKED has what make check-fleet measured.

Not in it: networks, the disk's limit (items a second: README), and what other work takes.
"""

import argparse
import heapq
import random

# What a receiver costs, measured: README, inbox-production(7).
CONNECTION = 1.2e-3   # seconds of a processor: handshake, session, one item
ITEM = 30e-6          # each further item
IDLE = 300            # seconds that a connection stays open behind its last item
OPEN_BYTES = 23 << 10
QUEUE_BYTES = 922
ACCEPT_BYTES = 410    # of the ledger, for an item that comes by a connection of its own
FILE_BYTES = 4300     # new/: 1 KiB, an inode aside
BOOT_SPREAD = 60.0
CHECKED = {  # of 300 clients: retry-min, when it is there again; seconds to the last, largest tenth
    "restart": (5.0, 0.5, 16.0, 0.19), "outage": (2.0, 30.0, 59.5, 0.28),
    "boot": (5.0, 0.0, 61.3, 0.12)}


class Client:
    __slots__ = ("order", "waits", "due", "hold", "since")

    def __init__(self, order, retry_min):
        self.order = order
        self.waits = {}   # receiver: its back-off, where it is no longer retry-min
        self.due = {}
        self.hold = 0.0
        self.since = None  # from when on it has something to send


class Fleet:
    def __init__(self, options, count, roots, dice):
        self.options = options
        self.dice = dice
        self.roots = roots
        self.up_from = [0.0] * roots       # a receiver serves from then on
        self.free = [0.0] * roots          # when its processors have done all that came
        self.busy = [0.0] * roots
        self.seconds = [{} for _ in range(roots)]  # second: connections that were served
        self.given_up = 0
        self.served = []                   # (when, how long it waited)
        self.clients = [Client(self.draw_order(), options.retry_min) for _ in range(count)]
        self.events = []

    def draw_order(self):
        order = list(range(self.roots))
        self.dice.shuffle(order)
        return order

    # ---- as inboxq does

    def fail(self, client, root, now):
        o = self.options
        wait = client.waits.get(root, o.retry_min)
        client.waits[root] = min(2 * wait, o.retry_max)
        client.due[root] = now + max(1.0, self.dice.uniform(o.retry_min,
                                                            min(3 * wait, o.retry_max)))

    def pause(self, client, now):
        client.hold = max(client.hold, now + self.dice.uniform(0, self.options.retry_min))

    def lose_session(self, client, root, now):
        self.fail(client, root, now)
        self.pause(client, now)

    def plan(self, client, now):
        """When it tries again."""
        first = min(client.due.get(root, 0.0) for root in client.order)
        heapq.heappush(self.events, (max(now, client.hold, first), id(client), client))

    def try_one(self, client, now):
        o = self.options
        for root in client.order:
            if client.due.get(root, 0.0) > now:
                continue
            if self.up_from[root] > now:
                self.fail(client, root, now)   # refused at once
                continue
            start = max(now, self.free[root])
            if start - now > o.connect_timeout:
                self.given_up += 1
                self.fail(client, root, now + o.connect_timeout)
                now += o.connect_timeout
                continue
            cost = CONNECTION + ITEM * (o.backlog - 1)
            self.free[root] = start + cost / o.processors
            self.busy[root] += cost
            second = int(start)
            self.seconds[root][second] = self.seconds[root].get(second, 0) + 1
            self.served.append((self.free[root], self.free[root] - client.since))
            return
        self.plan(client, now)

    def run(self):
        while self.events:
            now, _, client = heapq.heappop(self.events)
            self.try_one(client, now)

    def begin(self, client, when):
        client.since = when
        self.plan(client, when)

    # ---- told

    def told(self, what):
        waits = sorted(wait for _, wait in self.served)
        peak = max(max(seconds.values(), default=0) for seconds in self.seconds)
        span = max(self.free) - min(client.since for client in self.clients if client.since
                                    is not None)
        share = max(self.busy) / self.options.processors / max(span, 1e-9)
        return (what, len(self.served), peak, 100 * share, waits[len(waits) // 2],
                waits[len(waits) * 99 // 100], waits[-1], self.given_up)


def morning(options, count, roots, dice, seconds=None):
    fleet = Fleet(options, count, roots, dice)
    for client in fleet.clients:
        began = dice.uniform(0, options.morning if seconds is None else seconds)
        client.hold = began + max(dice.uniform(0, BOOT_SPREAD), dice.uniform(0, options.retry_min))
        fleet.begin(client, began)
    fleet.run()
    return fleet


def switched_on(options, count, roots, dice):
    return morning(options, count, roots, dice, 0)


def death(options, count, roots, dice):
    """The clients of receiver 0, which is gone for good; each has an item a moment later."""
    fleet = Fleet(options, count, roots, dice)
    fleet.up_from[0] = float("inf")
    for client in fleet.clients:
        if client.order[0] == 0:
            fleet.lose_session(client, 0, 0.0)
            fleet.begin(client, 0.0)
    fleet.run()
    return fleet


def rest_of_wait(options, dice):
    """Of one that has been drawn again and again for long: long ones are met more often."""
    while True:
        wait = dice.uniform(options.retry_min, options.retry_max)
        if dice.random() * options.retry_max < wait:
            return dice.uniform(0, wait)


def receivers_return(options, count, roots, dice):
    """All receivers were away for hours, while clients were not."""
    fleet = Fleet(options, count, roots, dice)
    for client in fleet.clients:
        for root in client.order:
            client.waits[root] = options.retry_max
            client.due[root] = rest_of_wait(options, dice)
        fleet.begin(client, 0.0)
    fleet.run()
    return fleet


def day(options):
    """The figures of one receiver of an even day, by arithmetic."""
    clients = options.clients / options.roots
    items = clients * options.items
    rate = items / 86400
    open_now = min(rate * IDLE, clients)
    print("%d clients, %d receivers of %d processors, %g items a day each:" % (
        options.clients, options.roots, options.processors, options.items))
    for what, figure in (
            ("clients", "%d" % clients), ("items a second", "%.0f" % rate),
            ("processor", "%.1f %%" % (100 * rate * CONNECTION / options.processors)),
            ("connections open", "%d, %.1f GiB" % (open_now, open_now * OPEN_BYTES / 2**30)),
            ("memory for queues", "%.0f MiB" % (clients * QUEUE_BYTES / 2**20)),
            ("ledger a day", "%.1f GB" % (items * ACCEPT_BYTES / 1e9)),
            ("new/, consumers away for a day", "%.0f GB, %.1f million files" % (
                items * FILE_BYTES / 1e9, items / 1e6))):
        print("  %-32s %s" % (what, figure))


def simulate(options):
    dice = random.Random(options.seed)
    print("seed %d; processor: of the busiest receiver, until all are served" % options.seed)
    form = "%-9s %9s %11s %10s %8s %8s %8s %9s"
    print(form % ("", "served", "peak conn/s", "processor", "median", "99 %", "last", "gave up"))
    for what, function in (("morning", morning), ("power", switched_on), ("death", death),
                           ("return", receivers_return)):
        if function is death and options.roots == 1:
            continue  # nobody is there to go to
        row = function(options, options.clients, options.roots, dice).told(what)
        print(form % (row[0], row[1], row[2], "%.0f %%" % row[3], *(
            "%.0f s" % wait for wait in row[4:7]), row[7]))


# ---- held to a fleet of real ones

def spread_of(times, begin):
    """How long until the last, and how many the largest tenth of it has."""
    end = max(times)
    bins = [0] * 10
    for moment in times:
        bins[min(9, int((moment - begin) / (end - begin) * 10))] += 1
    return end - begin, max(bins) / len(times)


def fleet_of_one(options, dice, up_from, is_boot):
    fleet = Fleet(options, 300, 1, dice)
    fleet.up_from = [up_from]
    for client in fleet.clients:
        if is_boot:
            client.hold = dice.uniform(0, BOOT_SPREAD)
        else:
            fleet.lose_session(client, 0, 0.0)
        fleet.begin(client, 0.0)
    fleet.run()
    return spread_of([when for when, _ in fleet.served], up_from)


def check(options):
    """Is the model within a third of what was measured?"""
    options.backlog, good = 1, True
    for what, (least, up_from, *measured) in CHECKED.items():
        options.retry_min, options.retry_max = least, 60 * least if what == "restart" else 60
        found = [fleet_of_one(options, random.Random(seed), up_from, what == "boot")
                 for seed in range(9)]
        width, share = (sorted(row[i] for row in found)[4] for i in (0, 1))
        fits = all(2 / 3 < ours / theirs < 3 / 2
                   for ours, theirs in zip((width, share), measured))
        print("%s %s: all in %.1f s (measured %.1f), largest tenth %.0f %% (%.0f)" % (
            "ok" if fits else "not ok", what, width, measured[0], 100 * share,
            100 * measured[1]))
        good &= fits
    return good


def at_least_one(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("want a number from 1, found %r" % text)
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("clients", 1000000), ("roots", 8), ("processors", 4), ("items", 20),
                          ("morning", 900)):
        parser.add_argument("--" + name, type=at_least_one, default=default)
    for name, default in (("backlog", 5), ("seed", 1)):
        parser.add_argument("--" + name, type=int, default=default)
    for name, default in (("retry-min", 5.0), ("retry-max", 900.0), ("connect-timeout", 15.0)):
        parser.add_argument("--" + name, type=float, default=default)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        raise SystemExit(0 if check(options) else 1)
    day(options)
    simulate(options)


if __name__ == "__main__":
    main()
