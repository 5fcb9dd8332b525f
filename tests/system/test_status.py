#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The status socket and inboxctl: what they say is true and can be parsed."""

import json
import os
import re
import signal
import time

from harness import INBOXCTL, cases, contains, equal, main, test, until

JSON = {"/status", "/clients", "/inboxes"}


def busy(t):
    """A receiver to which this and that has happened."""
    r = t.receiver()
    c = r.client(hello={"queue": t.queue(), "pending": 4, "oldest": 1795350000, "agent": "test/1"})
    for n in range(1, 5):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    c.put(1, "status", b"1")
    c.stored(1)
    c.put(5, "nosuch", b"5")
    c.answer(5)
    c.put(6, "status", b"6", digest="0" * 64)
    c.answer(6)
    return r, c


@cases([(page, page) for page in sorted(JSON)])
def page_is_json_with_a_schema(t, page):
    r = t.shared()
    status, kind, body = r.get(page)
    equal((status, kind.split(";")[0]), (200, "application/json"))
    equal(json.loads(body)["schema"], 1)


@test
def status_tells_how_items_ended(t):
    r, c = busy(t)
    page = r.json("/status")
    equal((page["pid"], page["host"], page["state"]), (r.process.pid, "cap1", "running"))
    assert 0 <= time.time() - page["since"] < 600, page["since"]
    items = page["items"]
    equal((items["offered"], items["stored"], items["again"], items["later"]["digest"],
           items["refused"]["no-inbox"], items["cut_off"], items["in_flight"]),
          (7, 4, 1, 1, 1, 0, 0))
    equal(page["counters"]["inboxd_stored_bytes_total"], 4)
    equal(page["gauges"]["inboxd_connections"], 1)
    equal(page["gauges"]["inboxd_queues"], 1)
    equal(page["gauges"]["inboxd_items_unsettled"], 4)
    c.announce(7, "status", b"xyz")
    c.send(b"x")
    until(lambda: r.items("in_flight") == 1)
    c.cut()
    until(lambda: r.items("cut_off") == 1)


@test
def inboxes_tell_what_waits(t):
    r = t.receiver(inboxes={"status": {}, "small": {"size": "7K", "suffix": ".x"}})
    c = r.client(hello=t.queue())
    for n in range(1, 4):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    r.wait_published()
    rows = {row["name"]: row for row in r.json("/inboxes")["inboxes"]}
    equal((rows["status"]["waiting"], rows["small"]["waiting"]), (3, 0))
    equal((rows["small"]["size_limit_bytes"], rows["small"]["suffix"]), (7 * 1024, ".x"))
    equal(rows["status"]["folder"], os.path.join(r.root, "status"))
    assert abs(rows["status"]["oldest"] - time.time()) < 600
    equal((rows["small"]["oldest"], rows["small"]["error"]), (None, None))
    c.quit()


UNITS = {"seconds": "seconds minutes hours days weeks", "bytes": "bytes bits"}
PREFIXES = ("pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi",
            "mega", "mebi", "giga", "gibi", "tera", "tebi", "peta", "pebi")
SHORT = "s ms us ns sec b kb mb gb tb pb m h d".split()


def faults_of_metrics(body):
    """What "promtool check metrics" would find in a page of the text format."""
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", body, re.M))
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", body, re.M):
        words = name.split("_")
        if not helps.get(name):
            yield name + ": no help"
        if (kind == "counter") != name.endswith("_total"):
            yield name + ": _total is for counters"
        if re.search(r"_(bucket|count|sum)$", name) or not re.fullmatch("[a-z_]+", name):
            yield name + ": a name that is reserved, or not of small letters"
        if {"gauge", "counter", "histogram", "summary"} & set(words):
            yield name + ": its type in its name"
        for word in words:
            base = [base for base, units in UNITS.items() for unit in units.split()
                    if word in (unit, *(prefix + unit for prefix in PREFIXES))]
            if word in SHORT or base and word != base[0]:
                yield name + ": no base unit, written out: " + word
    histograms = re.findall(r"^# TYPE (\S+) histogram$", body, re.M)
    for name, label in re.findall(r"^(\w+)\{(\w+)=", body, re.M):
        if label == "le" and name.endswith("_bucket") and name[:-len("_bucket")] in histograms:
            continue
        if label in ("le", "quantile") or not re.fullmatch("[a-z_]+", label):
            yield "%s: the label %s is reserved, or not of small letters" % (name, label)


@test
def metrics_are_named_as_is_the_custom(t):
    r, c = busy(t)
    equal(list(faults_of_metrics(r.get("/metrics")[2])), [])
    c.quit()
    for line, times in (("inboxd_x_microseconds_total counter", 1), ("inboxd_x_ms gauge", 1),
                        ("inboxd_x_total gauge", 1), ("inboxd_x counter", 1),
                        ("inboxd_gauge gauge", 1), ("inboxd_x_sum gauge", 1),
                        ("inboxd_hours gauge", 1), ("inboxd_kibibytes gauge", 1),
                        ("inboxd_bytes_total counter", 0), ("inboxd_x_seconds gauge", 0)):
        name = line.split()[0]
        page = "# HELP %s X.\n# TYPE %s\n%s 1\n" % (name, line, name)
        equal(len(list(faults_of_metrics(page))), times, line)
        equal(len(list(faults_of_metrics(page.replace(" X.", " ")))), times + 1, line)
    equal(len(list(faults_of_metrics('x{le="1"} 3\n'))), 1)


@test
def histograms_count_what_the_counters_count(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    for n in range(1, 21):
        c.put(n, "status", b"%d" % n)
    for n in range(1, 21):
        c.stored(n)
    c.put(7, "status", b"7")
    equal(c.stored(7).again, "1")
    r.wait_published()
    r.at_rest()
    page = r.json("/status")
    found = {name[len("inboxd_"):]: one for name, one in page["histograms"].items()}
    counters = page["counters"]
    equal({name: one["count"] for name, one in found.items()}, {
        "acknowledge_seconds": 20, "publish_lag_seconds": 20,
        "batch_items": found["batch_items"]["count"],
        "journal_sync_seconds": counters["inboxd_syncs_total"],
        "publish_round_seconds": counters["inboxd_publish_rounds_total"]})
    equal(found["batch_items"]["sum"], 20)
    # Some syncs wrote marks alone.
    assert 1 <= found["batch_items"]["count"] < counters["inboxd_syncs_total"]
    for name, total in (("journal_sync_seconds", "inboxd_sync_seconds_total"),
                        ("publish_round_seconds", "inboxd_publish_seconds_total")):
        equal(found[name]["sum"], counters[total])
    # An acknowledgement has at least one sync in it, and to be visible takes longer than that.
    assert found["acknowledge_seconds"]["sum"] > found["journal_sync_seconds"]["sum"] / 20
    assert 0 < found["publish_lag_seconds"]["sum"] < 20 * 60
    for one in found.values():
        counts = [count for _, count in one["buckets"]]
        equal(counts, sorted(counts))
    c.quit()


@test
def status_tells_what_is_wrong_and_when_it_is_mended(t):
    r = t.receiver(sections={"limits": {"connections": "5"}})
    equal(r.json("/status")["problems"], [])
    clients = [r.client(hello=t.queue()) for _ in range(4)]
    until(lambda: r.metric("inboxd_connections") == 4)
    r.sections["limits"]["line"] = "nonsense"
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    until(lambda: r.json("/status")["reload_error"])
    found = r.json("/status")["problems"]
    equal([(one["severity"], one["name"]) for one in found],
          [("warning", "connections-limit"), ("warning", "reload-failed"),
           ("warning", "files-differ")])
    equal(found[0]["text"], "connections: 80% of as many as may be open")
    shown = t.run([r.ctl, "-s", r.socket, "status"]).stdout.splitlines()
    assert re.match("inboxd [^ ]+ on cap1, up [^ ]+: 3 problems$", shown[0]), shown
    assert re.match("warning   reload-failed: .*inboxd.conf:[0-9]+: line: want ", shown[2]), shown
    contains(shown[3], "files-differ: changed on the disk and not in force: 1: " + r.conf)
    del r.sections["limits"]["line"]
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    for c in clients:
        c.quit()
    until(lambda: r.json("/status")["problems"] == [])


@test
def limits_stand_beside_what_they_limit(t):
    r = t.receiver(sections={"limits": {"connections": "77", "queues": "88", "unsettled": "99"}})
    gauges = r.json("/status")["gauges"]
    equal([gauges["inboxd_%s_limit" % name] for name in
           ("connections", "queues", "queue_unsettled")], [77, 88, 99])
    r.sections["limits"]["connections"] = "78"
    r.write_conf()
    r.process.send_signal(signal.SIGHUP)
    until(lambda: r.metric("inboxd_connections_limit") == 78)


@cases([("0.0.4", None, "text/plain; version=0.0.4; charset=utf-8"),
        ("OpenMetrics", "application/openmetrics-text; version=1.0.0",
         "application/openmetrics-text; version=1.0.0; charset=utf-8")])
def metrics_are_in_the_text_format(t, accept, kind):
    r, c = busy(t)
    status, got, body = r.get("/metrics", **({"Accept": accept} if accept else {}))
    equal((status, got), (200, kind))
    lines = body.split("\n")
    equal(lines.pop(), "", "the end of the last line")
    if accept:
        equal(lines.pop(), "# EOF")
    types, seen = {}, set()
    for line in lines:
        if line.startswith("# HELP "):
            assert re.fullmatch(r"# HELP [a-z_]+ \S.*", line), line
        elif line.startswith("# TYPE "):
            _, _, name, type_ = line.split(" ")
            assert name not in types and type_ in ("counter", "gauge", "histogram"), line
            types[name] = type_
        else:
            match = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[a-z0-9+.I-]+"\})? (\d+(?:\.\d+)?)', line)
            assert match, line
            assert match.group(1, 2) not in seen, "twice: " + line
            seen.add(match.group(1, 2))
            name = match.group(1)
            family = name[:-len("_total")] if accept and name.endswith("_total") else name
            if types.get(re.sub("_(bucket|sum|count)$", "", name)) == "histogram":
                bound = re.search(r'le="(.*)"', line)
                assert bool(bound) == name.endswith("_bucket"), line
                assert not bound or not accept or re.search(r"\.|Inf", bound.group(1)), line
                continue
            assert family in types, "no TYPE before " + line
            equal(types[family], "counter" if name.endswith("_total") else "gauge", line)
    contains(body, 'inboxd_items_stored_total 4\n')
    contains(body, 'inboxd_items_later_total{code="digest"} 1\n')
    spent = float(re.search(r"^inboxd_sync_seconds_total (\d+\.\d{6})$", body, re.M).group(1))
    assert 0 < spent < 600, spent
    told = r.json("/status")["counters"]["inboxd_sync_seconds_total"]
    assert spent <= told < 600, (spent, told)
    c.quit()


@test
def other_requests_are_turned_away(t):
    r = t.shared()
    equal(r.get("/healthz")[::2], (200, "ok\n"))
    for path in ("/", "/nothing", "/status/", "/../etc/passwd"):
        equal(r.get(path)[0], 404, path)
    from harness import Unix
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        connection = Unix(r.socket, 10)
        connection.request(method, "/status")
        assert connection.getresponse().status in (400, 405, 501), method
        connection.close()
    contains(r.get("/metrics")[2], "inboxd_connections_accepted_total")


@cases([(command, command) for command in ("status", "clients", "inboxes")])
def inboxctl_shows(t, command):
    r, c = busy(t)
    shown = t.run([INBOXCTL, "-s", r.socket, command])
    equal((shown.returncode, shown.stderr), (0, ""))
    contains(shown.stdout, {"status": "stored", "clients": "pc1.example.org",
                            "inboxes": "reports"}[command])
    page = t.run([INBOXCTL, "-s", r.socket, "--json", command])
    equal(page.returncode, 0, page.stderr)
    equal(sorted(json.loads(page.stdout)), sorted(r.json("/" + command)), "keys of --json")
    c.quit()


@test
def inboxctl_says_why_it_cannot(t):
    done = t.run([INBOXCTL, "-s", os.path.join(t.folder, "nothing"), "status"])
    equal(done.returncode, 69, "EX_UNAVAILABLE")
    contains(done.stderr, os.path.join(t.folder, "nothing"))
    equal(t.run([INBOXCTL, "nonsense"]).returncode, 64, "EX_USAGE")
    equal(t.run([INBOXCTL]).returncode, 64, "EX_USAGE")


@cases([(command, command) for command in ("status", "clients", "inboxes", "ledger", "verify")])
def inboxctl_finds_the_receiver_by_its_configuration(t, command):
    r, c = busy(t)
    c.quit()
    shown = t.run([INBOXCTL, "-c", r.conf, command])
    equal((shown.returncode, shown.stderr), (0, ""))
    place = {"ledger": ("-r", r.root), "verify": ("-r", r.root)}.get(command, ("-s", r.socket))
    by_hand = t.run([INBOXCTL, "-c", "/nowhere", *place, command])
    equal((by_hand.returncode, by_hand.stderr), (0, ""), "where the place is given")
    hidden = os.path.join(t.folder, "away")
    os.rename(r.conf, hidden)
    lost = t.run([INBOXCTL, "-c", r.conf, command])
    equal(lost.returncode, 78, "EX_CONFIG")
    contains(lost.stderr, r.conf)
    contains(lost.stderr, "\n%s says where" % place[0])
    os.rename(hidden, r.conf)
    r.write_conf("[status]\nsocket = here\n[receiver]\nroot = there\n[nonsense]\nkey = value\n")
    wrong = t.run([INBOXCTL, "-c", r.conf, command])
    equal(wrong.returncode, 78, "EX_CONFIG")
    for part in ("socket", "root"):
        contains(wrong.stderr, part)
    assert "nonsense" not in wrong.stderr, wrong.stderr


if __name__ == "__main__":
    main()
