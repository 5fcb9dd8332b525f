#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""contrib/prometheus and contrib/grafana against what a receiver really tells.

An alert on a metric that is not there is silent for ever, and nobody notices.  So each metric that
a rule or a panel names is looked for on the page of a receiver that runs; and, where promtool is
installed, each alert is held to its limit: it fires there, and does not just below.
"""

import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request

from harness import Skip, bound, contains, equal, main, test, until

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
RULES = os.path.join(TOP, "contrib/prometheus/inboxd.rules.yml")
DASHBOARD = os.path.join(TOP, "contrib/grafana/inboxd.json")
sys.path.insert(0, os.path.join(TOP, "tests/lint"))
from test_lint import alerts, health_metrics  # noqa: E402

# Seconds: when alerts are looked at that take so long to come about, and how often until then.
STEPS = {2 * 3600: 60, 4 * 86400: 300}
SLACK = 600
YEARS = 10 * 365 * 86400


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def promtool(t, *arguments, stdin=None):
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    done = t.run(["promtool", *arguments], timeout=120, stdin=stdin)
    equal(done.returncode, 0, "promtool: " + done.stdout + done.stderr)
    return done.stdout + done.stderr


def families(r):
    """{name of a sample: its type} of the page, with those of histograms."""
    found = {}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", r.get("/metrics")[2], re.M):
        found[name] = kind
        if kind == "histogram":
            found.update({name + end: kind for end in ("_bucket", "_sum", "_count")})
    return found


def metrics_of(expression):
    return set(re.findall(r"\binboxd_\w+", expression))


def panels():
    """The expressions of the dashboard, with its variables as a browser would fill them in."""
    board = json.loads(read(DASHBOARD))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            assert "$" not in text, text
            yield panel["title"], text
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.sub(r"label_values\((\w+), *\w+\)", r"\1",
                                           variable["query"])


@test
def each_metric_of_the_rules_and_of_the_dashboard_is_told(t):
    known = families(t.receiver())
    rules = list(alerts())
    assert len(rules) > 40, "%d alerts" % len(rules)
    for alert in rules:
        missing = metrics_of(alert["expr"]) - set(known)
        equal(missing, set(), alert["alert"])
    wanted = list(panels())
    assert len(wanted) > 20, "%d expressions" % len(wanted)
    for title, text in wanted:
        equal(metrics_of(text) - set(known), set(), title)
        assert metrics_of(text), (title, text)
        for name in re.findall(r"rate\((inboxd_\w+)", text):
            assert known[name] in ("counter", "histogram"), (title, name)
    # And those of the table itself.
    named = {name for row in health_metrics() for name in (row[2], row[4]) if name}
    equal(named - set(known), set())


@test
def prometheus_own_tool_has_nothing_to_say_of_the_page(t):
    r = t.receiver()
    c = r.client(hello=t.queue())
    c.put(1, "status", b"one")
    c.stored(1)
    c.quit()
    equal(promtool(t, "check", "metrics", stdin=r.get("/metrics")[2]), "")


@test
def prometheus_own_tool_reads_rules_and_dashboard(t):
    contains(promtool(t, "check", "rules", RULES), "%d rules found" % len(list(alerts())))
    made = os.path.join(t.folder, "panels.yml")
    with open(made, "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "panels", "rules": [
            {"record": "panel%d" % n, "expr": text}
            for n, (_, text) in enumerate(panels())]}]}, file)
    promtool(t, "check", "rules", made)


# ---- each alert at its limit

FIRING = 'count(ALERTS{alertname="%s",severity="%s",instance="%s",alertstate="firing"})'


def ask(t, end, told, questions):
    step = "%ds" % STEPS[end]
    made = os.path.join(t.folder, "test.yml")
    with open(made, "w", encoding="utf-8") as file:
        json.dump({"rule_files": [RULES], "evaluation_interval": step, "tests": [{
            "interval": step, "promql_expr_test": questions,
            "input_series": [{"series": name, "values": values}
                             for name, values in told.items()]}]}, file)
    contains(promtool(t, "test", "rules", made), "SUCCESS")


def end_of(row, limit):
    short, long = STEPS
    return long if row[1] == "AGE" and limit > short // 2 else short


def series(row, limit, patience, instance):
    """What a receiver tells at the limit; what it tells just before."""
    end = end_of(row, limit)
    step = STEPS[end]

    def constant(value):
        return "%d+0x%d" % (value, end // step)

    def counter(rise):
        """At rest, and `rise` more in its last minutes."""
        return "0+0x%d 0+%dx1 %d+0x8" % (end // step - 10, rise, rise)

    name, kind, metric, label, other = row
    labels = 'instance="%s",job="inboxd"' % instance
    own = metric and "%s{%s}" % (metric, ",".join(filter(None, (labels, label))))
    if kind == "ANSWER":
        return {"up{%s}" % labels: (constant(0), constant(1))}
    if kind == "VALUE":
        return {own: (constant(limit), constant(limit - 1))}
    if kind == "AGE":
        return {own: (constant(end - limit - patience - SLACK), constant(end - limit + step))}
    if kind == "LEFT":
        # Of one that lives for ten years: what counts is the limit.
        return {own: (constant(end + limit - patience - SLACK), constant(end + limit + step)),
                other + "{%s}" % labels: (constant(-YEARS), constant(-YEARS))}
    if kind == "SHARE":
        rest = '%s{%s%s}' % (other, labels, ',state="other"' if other == "inboxd_clients" else "")
        whole = (100 - limit, 101 - limit) if metric == other else (100, 100)
        return {own: (constant(limit), constant(limit - 1)),
                rest: tuple(constant(n) for n in whole)}
    if name == "acknowledge-slow":
        # All of them take up to the bound; most take less than the one below.
        bounds = {1: (0.5, 1), 10: (5, 10)}[limit]
        return {"%s_bucket{%s,le=\"%s\"}" % (metric, labels, bound): rise for bound, rise in (
            (bounds[0], (constant(0), "0+100x%d" % (end // step))),
            (bounds[1], (constant(0), "0+100x%d" % (end // step))),
            ("+Inf", ("0+100x%d" % (end // step),) * 2))}
    if name == "restarts":
        changes = lambda n: "1+0x%d " % (end // step - 20) + " ".join(  # noqa: E731
            "%d+0x2" % (k + 2) for k in range(n)) + " %d+0x20" % (n + 1)
        return {own: (changes(limit), changes(limit - 1))}
    return {own: (counter(limit), counter(0))}


@test
def each_alert_fires_at_its_limit_and_not_before(t):
    told, questions, count = {end: {} for end in STEPS}, {end: [] for end in STEPS}, 0
    rows = {row[0]: row for row in health_metrics()}
    for alert in alerts():
        labels = alert["labels"]
        row = rows[labels["problem"]]
        end = end_of(row, alert["limit"])
        for which, fires in enumerate((True, False)):
            instance = "%s/%s/%d" % (labels["problem"], labels["severity"], which)
            for name, values in series(row, alert["limit"], alert["for"], instance).items():
                told[end][name] = values[which]
            count += 1
            questions[end].append({
                "expr": FIRING % (alert["alert"], labels["severity"], instance),
                "eval_time": "%ds" % end,
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else []})
    for end in STEPS:
        ask(t, end, told[end], questions[end])
    assert count > 80, count


@test
def what_lives_shortly_warns_when_a_third_of_its_life_is_left(t):
    end, day = min(STEPS), 86400
    told, questions = {}, []
    for instance, left, severities in (("half", 0.5, ()), ("fifth", 0.2, ("warning",)),
                                       ("twentieth", 0.05, ("critical", "warning"))):
        until = end + left * day
        for metric, value in (("expiry", until), ("issued", until - day)):
            told['inboxd_crl_%s_timestamp_seconds{instance="%s"}' % (metric, instance)] = \
                "%d+0x%d" % (value, end // STEPS[end])
        for severity in ("critical", "warning"):
            questions.append({
                "eval_time": "%ds" % end, "expr": FIRING % ("InboxdCrlExpiry", severity, instance),
                "exp_samples": [{"labels": "{}", "value": 1}] * (severity in severities)})
    ask(t, end, told, questions)


# ---- all of it at once

class Bridge(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Takes HTTP over TCP to the status socket, as Prometheus of today asks no UNIX socket."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, path):
        self.path = path
        super().__init__(("127.0.0.1", 0), self.Handler)

    class Handler(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self):
            head = b""
            for line in self.rfile:
                head += b"Connection: close\r\n\r\n" if line == b"\r\n" else line
                if line == b"\r\n":
                    break
            with socket.socket(socket.AF_UNIX) as there:
                there.settimeout(10)
                there.connect(self.server.path)
                there.sendall(head)
                while part := there.recv(65536):
                    self.wfile.write(part)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def query(port, path):
    with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/%s" % (port, path), timeout=10) as page:
        return json.load(page)["data"]


@test
def a_prometheus_that_runs_scrapes_it_and_judges_all_rules(t):
    """What is wrong with a rule beside its grammar shows where there are figures."""
    if not shutil.which("prometheus"):
        raise Skip("prometheus is not installed")
    r = t.receiver(sections={"limits": {"connections": "10"}})
    clients = [r.client(hello=t.queue()) for _ in range(8)]
    bridge = Bridge(r.socket)
    threading.Thread(target=bridge.serve_forever, args=(0.05,), daemon=True).start()
    port, conf = free_port(), os.path.join(t.folder, "prometheus.yml")
    with open(conf, "w", encoding="utf-8") as file:
        json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                   "rule_files": [RULES], "scrape_configs": [{
                       "job_name": "inboxd", "static_configs": [
                           {"targets": ["127.0.0.1:%d" % bridge.server_address[1]]}]}]}, file)
    process = t.spawn(
        ["prometheus", "--config.file", conf, "--web.listen-address", "127.0.0.1:%d" % port,
         "--storage.tsdb.path", os.path.join(t.folder, "db")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def rules():
            try:
                (group,) = query(port, "rules")["groups"]
            except OSError:
                return None
            if any(rule["health"] == "unknown" for rule in group["rules"]):
                return None
            found = {rule["labels"]["problem"]: rule for rule in group["rules"]
                     if rule["labels"]["severity"] == "warning"}
            return group["rules"] if found["connections-limit"]["state"] == "pending" else None
        found = until(rules, bound(40), "an alert to be under way")
        equal([rule for rule in found if rule["health"] != "ok"], [])
        equal({rule["labels"]["problem"] for rule in found if rule["state"] != "inactive"},
              {"connections-limit"})
        (target,) = query(port, "targets")["activeTargets"]
        equal((target["health"], target["lastError"]), ("up", ""))
    finally:
        process.terminate()
        process.wait(20)
        bridge.shutdown()
        bridge.server_close()
        for c in clients:
            c.quit()


main()
