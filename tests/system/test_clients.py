#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The administrator can see which clients are behind, silent, missing items, or never came (P8).

Each client's state, and how many there are of which, are asked of a receiver whose clients are in
every state at once.
"""

import json
import os
import re
import signal
import time

from harness import INBOXCTL, Unix, contains, equal, main, test, until
from terminal import Terminal

STATES = ("up-to-date", "behind", "silent", "missing", "never-came")


def expected(r, text, name="fleet"):
    """Writes a file of clients that should come; its path."""
    path = os.path.join(r.folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def hello(t, r, who, queue=None, settled=1, **keys):
    c = r.client(who, hello={"queue": queue or t.queue(), "settled": settled, **keys})
    c.ping()
    return c


def visit(t, r, who, queue=None, settled=1, **keys):
    """Comes and goes."""
    queue = queue or t.queue()
    hello(t, r, who, queue, settled, **keys).quit()
    until(lambda: not any(row["connected"] for row in r.json("/clients")["clients"]
                          if row["queue"] == queue), 10, "the client to be gone")
    return queue


def asked(r, query=""):
    """{identity: state}, of all pages."""
    found, start = {}, ""
    for _ in range(100):
        page = r.json("/clients" + "?".join(["", "&".join(filter(None, [query, start]))])
                      .rstrip("?"))
        for row in page["clients"]:
            found.setdefault(row["identity"], set()).add(row["state"])
        if page["next"] is None:
            return {who: ",".join(sorted(states)) for who, states in found.items()}
        start = "from=%d" % page["next"]
    raise AssertionError("more than 100 pages")


def counted(r):
    return {state: r.json("/status")["clients"][state] for state in STATES}


def fleet(t, sections=None):
    """A receiver with a client of each state; (receiver, the queue with a gap)."""
    r = t.receiver(sections, start=False)
    r.sections["clients"] = {"silent": "3s", "behind": "1h", "expected": expected(
        r, "# by hand\npc1.example.org\n\npc5.example.org # cellar\npc4.example.org\n")}
    r.write_conf()
    r.start()
    visit(t, r, "pc3.example.org")
    visit(t, r, "pc2.example.org")
    now = int(time.time())
    hello(t, r, "pc1.example.org", pending=2, oldest=now - 60)
    hello(t, r, "pc2.example.org", pending=2, oldest=now - 7200, failed=1)
    gap = t.queue()
    c = hello(t, r, "pc4.example.org", gap)
    c.put(1, "status", b"one")
    c.stored(1)
    c.settled(4)
    c.ping()
    until(lambda: asked(r)["pc3.example.org"] == "silent", 10, "pc3 to be silent")
    return r, gap


@test
def each_client_is_told_by_its_state(t):
    r, gap = fleet(t)
    want = {"pc1.example.org": "up-to-date", "pc3.example.org": "silent",
            "pc2.example.org": "behind,up-to-date", "pc4.example.org": "missing",
            "pc5.example.org": "never-came"}
    equal(asked(r), want, "all clients")
    equal(asked(r, "state=silent,never-came"),
          {"pc3.example.org": "silent", "pc5.example.org": "never-came"})
    equal(asked(r, "state=behind"), {"pc2.example.org": "behind"})
    equal(asked(r, "match=*%5B45%5D.example.org"),
          {"pc4.example.org": "missing", "pc5.example.org": "never-came"})
    equal(asked(r, "identity=pc5.example.org"), {"pc5.example.org": "never-came"})
    equal(asked(r, "identity=pc6.example.org"), {})
    row = r.client_row(gap)
    equal((row["missing"], row["gaps_unknown"], row["state"]), (2, 1, "missing"))
    never = r.json("/clients?identity=pc5.example.org")["clients"][0]
    equal([never[key] for key in ("queue", "connected", "seen", "settled", "stored", "gaps")],
          [None, False, None, None, 0, []])
    equal(set(never), set(row), "the keys of one that never came")


@test
def worst_word_hides_no_other(t):
    """One that is missing items and silent is found as either."""
    r = t.receiver({"clients": {"silent": "1s"}})
    queue = visit(t, r, "pc1.example.org", pending=1, oldest=17)
    c = hello(t, r, "pc1.example.org", queue, pending=1, oldest=17)
    c.settled(3)
    c.quit()
    until(lambda: not r.client_row(queue)["connected"], 10, "it to be gone")
    until(lambda: len(r.client_row(queue)["states"]) == 3, 10, "it to be silent")
    equal(r.client_row(queue)["states"], ["missing", "silent", "behind"])
    for state in ("missing", "silent", "behind"):
        equal(asked(r, "state=" + state), {"pc1.example.org": "missing"}, state)
    equal(asked(r, "state=up-to-date"), {})


def post(r, path, form):
    connection = Unix(r.socket, 10)
    try:
        connection.request("POST", path, body=form)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@test
def gap_that_is_confirmed_is_no_alarm(t):
    r, queue = fleet(t)
    who = "identity=pc4.example.org"
    equal(post(r, "/gap", who + "&first=3&last=2")[0], 400)
    equal(post(r, "/gap", who + "&first=4&last=9")[0], 404)
    equal(post(r, "/gap", "identity=pc9&first=2&last=3")[0], 404)
    equal(post(r, "/gap", who + "&first=2")[0], 400)
    code, body = post(r, "/gap", who + "&first=2&last=2&queue=" + queue[:8])
    equal((code, json.loads(body)["gaps"], json.loads(body)["queue"]), (200, 1, queue))
    equal(r.client_row(queue)["state"], "missing")
    equal(post(r, "/gap", who + "&first=1&last=100")[0], 200)
    row = r.client_row(queue)
    equal((row["state"], row["gaps_unknown"], row["missing"]), ("up-to-date", 0, 2))
    until(lambda: counted(r)["missing"] == 0, 10, "the census to know it")
    r.restart()
    equal(r.client_row(queue)["gaps_unknown"], 0)
    hello(t, r, "pc4.example.org", t.queue())
    equal(post(r, "/gap", who + "&first=2&last=2")[0], 409)


@test
def census_counts_each_client_once(t):
    r, _ = fleet(t)
    want = {"up-to-date": 1, "behind": 1, "silent": 1, "missing": 1, "never-came": 1}
    until(lambda: counted(r) == want, 10, "the census to be %r" % want)
    now, page = time.time(), r.json("/status")
    assert now - 70 < page["clients"]["counted"] <= now + 1, page["clients"]
    equal(page["gauges"]["inboxd_clients"], want)
    metrics = r.metrics()
    for state in STATES:
        equal(metrics["inboxd_clients", 'state="%s"' % state], 1, state)
    equal(metrics["inboxd_clients_seen", 'age="1h"'], 4)
    for age in ("24h", "7d", "30d", "older"):
        equal(metrics["inboxd_clients_seen", 'age="%s"' % age], 0, age)
    equal(metrics["inboxd_clients_failed", ""], 1)
    equal(metrics["inboxd_clients_counted_timestamp_seconds", ""], page["clients"]["counted"])
    # One who reloads is told of the new list at once.
    expected(r, "pc7\npc8\npc9\n")
    r.process.send_signal(signal.SIGHUP)
    # Nobody has looked since.
    r.wait_log(r"event=reloaded\b[^\0]*event=census\b")
    equal(counted(r)["never-came"], 3, "the new list")
    equal(asked(r, "state=never-came"), {"pc%d" % n: "never-came" for n in (7, 8, 9)})


# ---- inboxctl clients

def shown(t, r, *options, code=0, env=None):
    """{identity: its line}, in order."""
    run = t.run([INBOXCTL, "clients", "-s", r.socket, *options], env=env)
    equal(run.returncode, code, run.stderr)
    assert code == 0 or run.stdout == "", run.stdout
    return {line.split()[0]: line for line in run.stdout.splitlines()[1:]} if code == 0 \
        else run.stderr


def pcs(*numbers):
    return ["pc%d.example.org" % n for n in numbers]


@test
def clients_shows_the_worst_first_and_what_is_asked(t):
    r, gap = fleet(t)
    lines = shown(t, r, "--client", "pc[!2]*")
    equal(list(lines), pcs(5, 4, 3, 1), "the worst first")
    assert re.search(r"pc5.example.org +never-came +never +0 +- +0 +0 ", lines["pc5.example.org"])
    assert re.search(r"pc4.example.org +missing +now +0 +- +0 +1 ", lines["pc4.example.org"])
    assert re.search(r"pc1.example.org +up-to-date +now +2 +1m", lines["pc1.example.org"])
    equal(list(shown(t, r, "--silent")), pcs(3))
    equal(list(shown(t, r, "--silent=24h")), [])
    equal(list(shown(t, r, "--silent", "1s", "--behind")), pcs(3, 2), "two are more")
    equal(list(shown(t, r, "--silent", "24h", "--missing")), pcs(4))
    equal(list(shown(t, r, "--never-came", "--missing")), pcs(5, 4))
    equal(list(shown(t, r, "--failed")), pcs(2))
    equal(list(shown(t, r, "--gaps")), pcs(4))
    post(r, "/gap", "identity=pc4.example.org&first=2&last=3")
    equal(list(shown(t, r, "--gaps")), pcs(4), "one that is known is a gap")
    equal(list(shown(t, r, "--missing")), [])
    equal(list(shown(t, r, "--sort", "-client", "--client=pc[135]*")), pcs(5, 3, 1))
    equal(list(shown(t, r, "--sort", "pending,client", "--limit", "2")), pcs(1, 2))
    text = t.run([INBOXCTL, "clients", "-v", "-s", r.socket]).stdout
    for head in ("CLIENT", "QUEUE", "STATE", "GAPS", "ON", "MARK", "UNSETTLED", "AGENT"):
        contains(text.split("\n")[0], head)
    contains(text, gap[:8])
    for wrong in (["--sort", "nosuch"], ["--sort", ""], ["--limit", "0"], ["--limit", "x"],
                  ["--silent=x"], ["--silent=0"], ["--silent", "x"]):
        shown(t, r, *wrong, code=64)
    run = t.run([INBOXCTL, "clients", "--json", "-s", r.socket, "--failed", "--never-came"])
    page = json.loads(run.stdout)
    equal((page["schema"], page["next"]), (1, None))
    equal([row["identity"] for row in page["clients"]], pcs(5, 2))
    equal(page["clients"][1], r.json("/clients?state=behind")["clients"][0])


@test
def clients_fits_eighty_columns_and_leaves_names_readable(t):
    r, _ = fleet(t)
    long = "a-rather-long-name-for-a-machine-that-somebody-gave-it.cellar.example.org"
    hello(t, r, long)
    for width, want in ((80, long[:15]), (120, long[:30])):
        terminal = Terminal(t, [INBOXCTL, "clients", "-s", r.socket], width=width,
                            env={"NO_COLOR": "1", "LC_ALL": "C"})
        code, text = terminal.end()
        equal(code, 0)
        lines = text.split("\r\n")
        contains(text, want)
        assert max(map(len, lines)) <= width, text
        for head in ("CLIENT", "QUEUE", "STATE", "SEEN", "PENDING", "SINCE", "FAILED", "GAPS"):
            contains(lines[0], head)
    terminal = Terminal(t, [INBOXCTL, "clients", "-s", r.socket])
    contains(terminal.end()[1], "\x1b[")


# ---- inboxctl client

def story(t, r, who, *options, code=0):
    run = t.run([INBOXCTL, "client", "-s", r.socket, "-r", r.root, *options, who])
    equal(run.returncode, code, run.stdout + run.stderr)
    return run


def tell(t):
    """A client with a gap, a part of which came late, and more items than its story shows."""
    r, queue = fleet(t)
    c = hello(t, r, "pc4.example.org", queue, settled=4, agent="a client/1")
    for n in range(4, 28):
        c.put(n, "status", b"x" * n, name="r\u00e9port %d" % n)
        c.stored(n)
    c.put(2, "status", b"late")
    c.stored(2)
    c.skip(28, "removed")
    c.settled(30)
    c.ping()
    r.at_rest()
    return r, queue


@test
def client_tells_its_story(t):
    r, queue = tell(t)
    text = story(t, r, "pc4.example.org").stdout
    for want in ("pc4.example.org\n", "Queue %s: missing\n" % queue[:8],
                 "  seen        now, from 127.0.0.1, by a client/1\n", "stored      26 items, ",
                 "the last ", "all below 30 settled", "0 items at the client",
                 "  also        1 skipped\n", "  missing     3, seen ", "\n              29, seen ",
                 "The last 20 in the ledger:\n"):
        contains(text, want)
    lines = text.split("The last 20 in the ledger:\n")[1].splitlines()
    equal(len(lines), 21)
    equal(lines[-1].split()[1:3], ["missing", "29"])
    equal(lines[-2].split()[1:3], ["skipped", "28"])
    equal(lines[-3].split()[1:4], ["stored", "2", "status"])
    assert lines[-4].endswith("r\u00e9port 27"), lines[-4]
    page = json.loads(story(t, r, "pc4.example.org", "--json").stdout)
    equal((page["schema"], page["client"], page["live"]), (1, "pc4.example.org", True))
    row = r.client_row(queue)
    for key in ("identity", "queue", "state", "connected", "stored", "gaps", "missing"):
        equal(page["queues"][0][key], row[key], key)
    equal([record["n"] for record in page["records"]][-3:], [2, 28, 29])
    contains(story(t, r, "pc5.example.org").stdout, "pc5.example.org is expected, and never came")
    contains(story(t, r, "pc6.example.org", code=66).stderr, "no such client is known")


@test
def client_tells_by_the_ledger_where_the_receiver_is_down(t):
    r, queue = tell(t)
    post(r, "/gap", "identity=pc4.example.org&first=29&last=29")
    before = json.loads(story(t, r, "pc4.example.org", "--json").stdout)
    r.kill()
    run = story(t, r, "pc4.example.org")
    contains(run.stderr, r.socket)
    contains(run.stdout, "The receiver does not answer: by the ledger, as of 20")
    contains(run.stdout, "\n              29, seen ")
    contains(run.stdout, ", confirmed\n")
    after = json.loads(story(t, r, "pc4.example.org", "--json").stdout)
    equal((after["live"], after["queues"][0]["state"]), (False, None))
    for key in ("queue", "settled", "stored", "stored_bytes", "skipped", "missing", "gaps",
                "address", "agent", "last_stored"):
        equal(after["queues"][0][key], before["queues"][0][key], key)
    equal(after["records"][-3:], before["records"][-3:])
    story(t, r, "pc6.example.org", code=66)
    # A restart begins a segment with all of it.
    r.start().stop()
    again = json.loads(story(t, r, "pc4.example.org", "--json").stdout)
    equal(again["queues"][0]["gaps"], before["queues"][0]["gaps"])
    equal(again["queues"][0]["stored"], before["queues"][0]["stored"])
    run = t.run([INBOXCTL, "client", "-s", r.socket, "-r", r.folder, "pc4.example.org"])
    equal(run.returncode, 69, run.stderr)


@test
def gap_is_confirmed_by_command(t):
    r, queue = tell(t)
    who = "pc4.example.org"

    def run(*arguments, code=0):
        done = t.run([INBOXCTL, "gap", "-s", r.socket, *arguments])
        equal(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    for wrong in ([who, "3"], [who, "--known"], [who, "--known", "0"], [who, "--known", "3-2"],
                  [who, "--known", "3-"], [who, "--known", "-3"], [who, "--known", "x", "3"],
                  [who, "--known", queue, "3", "4"], ["--known"]):
        run(*wrong, code=64)
    contains(run("--known", who, "5", code=66), "inboxctl: %s: queue " % who)
    run("--known", "pc9", "5", code=66)
    equal(r.client_row(queue)["gaps_unknown"], 2)
    contains(run("--known", who, queue[:8], "3"), "queue %s: confirmed, 1 gap\n" % queue[:8])
    contains(run("--known", who, "3"), "confirmed already")
    contains(run("--json", "--known", who, "1-30"), '"gaps": 1')
    equal(r.client_row(queue)["state"], "up-to-date")
    contains(story(t, r, who).stdout, ", confirmed\n")


@test
def list_that_is_wrong_is_not_taken(t):
    r = t.receiver(start=False)
    path = expected(r, "pc1\npc2 pc3\n")
    r.sections["clients"] = {"expected": path}
    r.write_conf()
    run = r.run("-t")
    equal(run.returncode, 78, run.stderr)
    contains(run.stderr, "%s:2: want one identity a line" % path)
    r.sections["clients"]["expected"] = path + ".none"
    r.write_conf()
    run = r.run("-t")
    equal(run.returncode, 78, run.stderr)
    contains(run.stderr, "%s.none: No such file" % path)
    r.sections["clients"]["expected"] = os.path.join(r.folder, "list.d/*.list")
    r.write_conf()
    run = r.run("-t")
    equal(run.returncode, 78, run.stderr)
    contains(run.stderr, "list.d/*.list: No such file")
    os.mkdir(os.path.join(r.folder, "list.d"))
    run = r.run("-t")
    equal(run.returncode, 0, run.stderr)
    contains(run.stderr, "event=expected_none")
    # A reload keeps what is in force.
    expected(r, "pc1\n")
    r.sections["clients"]["expected"] = path
    r.write_conf()
    r.start()
    until(lambda: counted(r)["never-came"] == 1, 10, "pc1 to be missed")
    equal(r.json("/status")["reload"]["files"], [])
    expected(r, "pc1\npc2\npc\x7f3\n")
    until(lambda: r.json("/status")["reload"]["files"] == [path], 10, "the change to be seen")
    r.process.send_signal(signal.SIGHUP)
    r.wait_log(r"event=reload_failed\b")
    contains(r.json("/status")["reload_error"], "%s:3: a byte" % path)
    equal(asked(r), {"pc1": "never-came"})
    os.unlink(path)
    r.process.send_signal(signal.SIGHUP)
    until(lambda: "No such file" in (r.json("/status")["reload_error"] or ""), 10,
          "the file to be missed")
    equal(asked(r), {"pc1": "never-came"})


@test
def old_queue_of_a_machine_made_anew_is_no_alarm(t):
    r = t.receiver({"clients": {"silent": "1s"}})
    visit(t, r, "pc1.example.org")
    visit(t, r, "pc2.example.org", pending=1)
    until(lambda: asked(r) == {"pc1.example.org": "silent", "pc2.example.org": "silent"}, 10,
          "both to be silent")
    hello(t, r, "pc1.example.org")
    hello(t, r, "pc2.example.org")
    equal(asked(r), {"pc1.example.org": "up-to-date", "pc2.example.org": "silent,up-to-date"})
    until(lambda: counted(r)["silent"] == 1, 10, "pc2 to be counted silent")
    equal(counted(r)["up-to-date"], 1)


@test
def pages_go_on_through_filters(t):
    r = t.receiver(start=False)
    r.sections["clients"] = {"expected": expected(
        r, "".join("new%04d\n" % n for n in range(5000)) + "pc1.example.org\n")}
    r.write_conf()
    r.start()
    hello(t, r, "pc1.example.org")
    equal(len(asked(r)), 5001)
    equal(asked(r, "match=new499*"), {"new499%d" % n: "never-came" for n in range(10)})
    equal(asked(r, "match=pc*"), {"pc1.example.org": "up-to-date"})
    equal(asked(r, "match=old*"), {})
    page = r.json("/clients?match=old*")
    equal(page["clients"], [], "the first page")
    assert page["next"] is not None, page
    until(lambda: counted(r)["never-came"] == 5000, 10, "all to be missed")
    for query in ("state=late", "state=", "match=", "x=1", "state=behind&state=silent"):
        equal(r.get("/clients?" + query)[0], 400, query)


main()
