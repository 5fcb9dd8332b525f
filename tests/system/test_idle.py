# SPDX-License-Identifier: ISC
"""What a session costs that says nothing, and what is left of it when it has gone."""

import harness
from harness import Skip, bound, equal, main, test, until

SESSIONS = 600
EACH = 30 * 1024  # bytes of the receiver's own memory; 23,000 with 4,000 of them
QUEUE = 800  # bytes of each that stay: it is remembered


def own_memory(r):
    """Bytes that are the receiver's alone: no file of its stands behind them."""
    with open("/proc/%d/status" % r.process.pid, encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    raise Skip("this system does not tell a process's own memory")


@test
def idle_session_costs_little_memory_and_gives_it_back(t):
    if harness.sanitizers():
        raise Skip("a sanitizer has a memory of its own")
    harness.need_call("malloc_trim")
    r = t.receiver({"limits": {"connections": "1000", "client-connections": "1000"},
                   "log": {"level": "notice"}})
    for c in [r.client(hello=t.queue()) for _ in range(20)]:
        c.quit()  # what is made once, and the first memory of each thread
    before = own_memory(r)
    sessions = [r.client(hello=t.queue()) for _ in range(SESSIONS)]
    cost = own_memory(r) - before
    equal(cost <= SESSIONS * EACH, True, "%d bytes each are at most %d" % (cost / SESSIONS, EACH))
    for c in sessions:
        c.quit()
    until(lambda: own_memory(r) - before - SESSIONS * QUEUE <= cost / 6, bound(30),
          "of %d bytes five sixths to be given back" % cost)


if __name__ == "__main__":
    main()
