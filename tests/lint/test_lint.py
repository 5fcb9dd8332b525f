#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Holds the tree to its own rules: src/DEPENDS, the papers to the tables, sizes, licences.

A rule that no tool checks is a wish.  What can be had from a table in the code
is read from there with a regular expression, so no list is kept here twice.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile

for folder in ("papers", "power"):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", folder))
import mutate
import papers

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
LINES_MAX = 500
FUNCTION_MAX = 100
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def tree(*folders, ends=()):
    """Our files below these folders, as paths from the top."""
    for folder in folders:
        for where, names, files in os.walk(os.path.join(TOP, folder)):
            names[:] = sorted(n for n in names if n not in ("build-aux", "__pycache__", ".deps"))
            for name in sorted(files):
                path = os.path.relpath(os.path.join(where, name), TOP)
                if path.endswith(tuple(ends)) if ends else True:
                    yield path


def code(path):
    """A C file without comments and without what its strings say."""
    def blank(match):
        text = match.group(0)
        if text.startswith("/"):
            return re.sub(r"[^\n]", " ", text)
        return text[0] + text[-1] if "\n" not in text else text
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, read(path), flags=re.S)


def includes(path):
    """[(is it ours, header)]"""
    text = re.sub(r"/\*.*?\*/", "", read(path), flags=re.S)
    return [(mark == '"', name) for mark, name in
            re.findall(r'^\s*#\s*include\s*(["<])([^">]+)[">]', text, re.M)]


# ---- src/DEPENDS

def depends():
    """[(keyword, left, right)] of src/DEPENDS."""
    rules, text = [], re.sub(r"\n[ \t]+", " ", read("src/DEPENDS"))
    for line in text.split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        keyword, rest = line.split(" ", 1)
        left, right = re.match(
            r"(.*?):(?:\s|$)(.*)" if keyword in ("room", "module") else r"(.*):(?:\s|$)(.*)",
            rest).groups()
        rules.append((keyword, left.strip(), right.split()))
    return rules


def sources():
    """The .c and .h files of src, below src."""
    return [path[len("src/"):] for path in tree("src", ends=(".c", ".h"))]


def named(names):
    """The files that stand for these rooms and these files without their ends."""
    for name in names.split():
        found = [path for path in sources() if name in (os.path.dirname(path), path[:-2])]
        if not found:
            yield None, "DEPENDS names src/%s, which is not there" % name
        for path in found:
            yield path, None


def program(room):
    """libinboxq is inboxq, for others."""
    return re.sub("^lib(?=.)", "", room.split("/")[0])


def check_rooms(rooms):
    """No include goes upstairs, or to another program; each folder has its rule."""
    for path in sources():
        room = os.path.dirname(path)
        if room not in rooms:
            yield "DEPENDS has no rule for src/" + room
            continue
        for ours, header in includes("src/" + path):
            other = os.path.dirname(header)
            if not ours or header == "config.h":
                continue
            if not os.path.exists(os.path.join(TOP, "src", header)):
                yield "src/%s includes \"%s\", which is not there" % (path, header)
            elif other not in rooms or rooms.index(other) > rooms.index(room):
                yield "src/%s includes \"%s\", which is upstairs" % (path, header)
            elif other != "lib" and program(other) != program(room):
                yield "src/%s includes \"%s\" of another program" % (path, header)
    for room in rooms:
        if not any(os.path.dirname(path) == room for path in sources()):
            yield "DEPENDS names src/%s, which is not there" % room


def reachable(graph, start):
    seen, left = set(), [start]
    while left:
        for other in graph.get(left.pop(), ()):
            if other not in seen:
                seen.add(other)
                left.append(other)
    return seen


def check_circles(modules):
    """A .c and its .h are one; by what they include they make no circle, but for modules."""
    owner = {name: module[0] for module in modules for name in module}
    graph = {}
    for path in sources():
        name = owner.get(path[:-2], path[:-2])
        others = {owner.get(h[:-2], h[:-2]) for ours, h in includes("src/" + path) if ours}
        graph.setdefault(name, set()).update(others - {name})
    for name in sorted(graph):
        if name in reachable(graph, name):
            yield "src/%s is in a circle of includes" % name
    for module in modules:
        for name in module:
            if not any(path[:-2] == name for path in sources()):
                yield "DEPENDS names src/%s, which is not there" % name


def check_not_included(names, headers, ours):
    for path, wrong in named(names):
        if wrong:
            yield wrong
            continue
        for is_ours, header in includes("src/" + path):
            if is_ours == ours and any(fnmatch.fnmatch(header, h) for h in headers):
                yield "src/%s includes %s" % (path, header)


def check_door(pattern, allowed):
    for name in allowed:
        if not os.path.exists(os.path.join(TOP, "src", name)):
            yield "DEPENDS names src/%s, which is not there" % name
    for path in tree("src", ends=(".c", ".h")):
        if path[len("src/"):] in allowed:
            continue
        for number, line in enumerate(code(path).split("\n"), 1):
            if re.search(pattern, line):
                yield "%s:%d: %s" % (path, number, line.strip())


@check
def includes_and_doors_are_as_depends_says():
    rooms, modules = [], []
    for keyword, left, right in depends():
        if keyword == "room":
            rooms.append(left)
        elif keyword == "module":
            modules.append(left.split())
        elif keyword == "below":
            yield from check_not_included(left, right, True)
        elif keyword == "pure":
            yield from check_not_included(left, right, False)
        elif keyword == "door":
            yield from check_door(left, right)
        else:
            yield "DEPENDS: unknown rule %r" % keyword
    yield from check_rooms(rooms)
    yield from check_circles(modules)


@check
def each_file_includes_its_own_header_first():
    for path in tree("src", ends=(".c",)):
        own = path[len("src/"):-2] + ".h"
        ours = [header for is_ours, header in includes(path) if is_ours and header != "config.h"]
        if os.path.exists(os.path.join(TOP, "src", own)) and ours[:1] != [own]:
            yield "%s: first of ours is %s" % (path, ours[:1])


@check
def config_h_comes_first():
    for path in tree("src", ends=(".c",)):
        names = [header for _, header in includes(path)]
        if "config.h" in names and names[0] != "config.h":
            yield path


@check
def headers_have_a_guard_of_their_name():
    for path in tree("src", ends=(".h",)):
        guard = re.sub(r"[^A-Z0-9]", "_", path[len("src/"):].upper())
        if "#ifndef %s\n#define %s\n" % (guard, guard) not in read(path):
            yield "%s: want %s" % (path, guard)


# ---- papers against tables

def mdoc_text(path):
    """A manual page without its marks, so that words can be looked for."""
    text = read(path)
    text = text.replace("\\-", "-").replace("\\&", "").replace("\\(dq", '"')
    return text


def conf_keys(path):
    """[(section, key, fallback)] of a table of struct conf_key; fallback None: none."""
    text = read(path)
    for macro, rows in re.findall(r"#define (CONF_\w+_ROWS)\(.*\n((?:.*\\\n)*.*)",
                                  read("src/lib/conf_rows.h")):
        ours = macro == "CONF_LOG_ROWS" or "/inboxd/" in path or \
            "/inboxq/" in path and macro == "CONF_TLS_ROWS"
        assert text.count(macro + "(") == ours, "%s has no %s" % (path, macro)
        text = text.replace(macro + "(", rows + "(")
    found = re.findall(r'\{"([a-z-]+)",\s*"([a-z0-9-]+)",\s*CONF_\w+,([^{}]*)\}', text)
    assert len(found) > 10, "no table of keys found in " + path
    fallbacks = [re.search(r'\.fallback = ((?:\w+ )?"[^"]*")', rest) for _, _, rest in found]
    return [(section, key, fallback and fallback.group(1))
            for (section, key, _), fallback in zip(found, fallbacks)]


def fallback_pattern(fallback):
    """What a default looks like in a sample or a manual."""
    if fallback is None:
        return None
    text = re.sub(r'\b(SYSCONFDIR|LOCALSTATEDIR|RUNSTATEDIR)\s*', r'"@\1@" ', fallback)
    words = "".join(re.findall(r'"([^"]*)"', text))
    places = {"@SYSCONFDIR@": r"(?:/usr/local)?/etc", "@LOCALSTATEDIR@": r"(?:/usr/local)?/var",
              "@RUNSTATEDIR@": r"(?:/run|/var/run|/usr/local/var/run)"}
    pattern = re.escape(words)
    for name, place in places.items():
        pattern = pattern.replace(re.escape(name), place)
    return pattern


def sections(sample):
    """{section: text} of a sample configuration."""
    found, current = {}, None
    for line in sample.split("\n"):
        head = re.match(r"[#;]?\s?\[([a-z]+)[^\]]*\]\s*$", line)
        if head:
            current = head.group(1)
        elif current:
            found[current] = found.get(current, "") + line + "\n"
    return found


def keys_of(table, sample, manual):
    """Each key stands in the sample, under its section, with its default; and in the manual."""
    parts, page = sections(read(sample)), mdoc_text(manual)
    known = set()
    for section, key, fallback in conf_keys(table):
        known.add((section, key))
        line = re.search(r"^[#;]?\s?%s\s*=\s*(.*)$" % re.escape(key), parts.get(section, ""), re.M)
        if not line:
            yield "%s: [%s] %s is missing" % (sample, section, key)
        wanted = fallback_pattern(fallback)
        told = line.group(1).strip() if line else ""
        if line and wanted and section != "inbox" and not re.fullmatch(wanted, told):
            yield "%s: [%s] %s = %s, but the default is %s" % (
                sample, section, key, told, fallback)
        entry = re.search(r"^\.It (?:Cm|Ic|Li|Va|Sy) %s\b.*?(?=^\.It |^\.El|^\.Sh|^\.Ss|\Z)"
                          % re.escape(key), page, re.M | re.S)
        if not entry:
            yield "%s: [%s] %s is missing" % (manual, section, key)
        elif wanted and not re.search(
                r"(?<![\w.])%s(?![\w])" % wanted, entry.group(0)) and not re.search(
                    r"(?<![\w.])%s(?![\w])" % wanted, page[entry.start():entry.start() + 1500]):
            yield "%s: [%s] %s: the default %s is not told" % (manual, section, key, fallback)
    for section, text in parts.items():
        for key in re.findall(r"^[#;]?([a-z][a-z0-9-]*)\s*=", text, re.M):
            if (section, key) not in known:
                yield "%s: [%s] %s is no key" % (sample, section, key)


@check
def keys_of_inboxd_stand_in_manual_and_sample():
    yield from keys_of("src/inboxd/base/settings.c", "conf/inboxd.conf", "src/inboxd/inboxd.conf.5")


@check
def keys_of_inboxq_stand_in_manual_and_sample():
    yield from keys_of("src/inboxq/base/settings.c", "conf/inboxq.conf", "src/inboxq/inboxq.1")


@check
def keys_of_inbox_relay_stand_in_manual_and_sample():
    yield from keys_of("src/inbox-relay/settings.c", "conf/inbox-relay.conf",
                       "src/inbox-relay/inbox-relay.8")


@check
def verbs_and_codes_stand_in_the_protocol():
    header, page = read("src/lib/proto.h"), mdoc_text("src/lib/inbox-protocol.7")
    verbs = [verb for verb in re.findall(r"^\tVERB_([A-Z]+),", header, re.M)]
    codes = re.findall(r'X\((\w+), \w+, "([a-z-]+)"\)', header)
    if len(verbs) < 18 or len(codes) < 19:
        yield "proto.h: found only %d verbs and %d codes" % (len(verbs), len(codes))
    for verb in verbs:
        if not re.search(r"^\.It Li %s\b" % verb, page, re.M):
            yield "verb %s has no entry" % verb
        if not re.search(r"^[CS]: %s\b" % verb, page, re.M):
            yield "verb %s is in no example" % verb
    part = page[page.index(".Sh CODES"):page.index(".Sh EXAMPLES")]
    for verb, text in codes:
        under = re.search(r"^\.Ss %s\n(.*?)(?=^\.Ss |\Z)" % verb, part, re.M | re.S)
        if not under or not re.search(r"^\.It Li %s$" % text, under.group(1), re.M):
            yield "code %s %s has no entry" % (verb, text)
        if not re.search(r"^S: %s [^\n]*\b%s\b" % (verb, text), page, re.M):
            yield "code %s %s is in no example" % (verb, text)
    for text in re.findall(r"^\.It Li ([a-z-]+)$", part, re.M):
        if text not in {code_text for _, code_text in codes}:
            yield "the protocol has a code %s that proto.h has not" % text


@check
def first_example_has_the_defaults():
    """READY in the protocol's first example says what a receiver does without settings."""
    page = mdoc_text("src/lib/inbox-protocol.7")
    ready = re.search(r"^S: READY .*$", page, re.M).group(0)
    units = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "s": 1, "m": 60}
    defaults = {(section, key): fallback.strip('"') for section, key, fallback
                in conf_keys("src/inboxd/base/settings.c") if fallback}
    for key in ("window", "bytes", "inline", "item", "idle"):
        number, unit = re.match(r"(\d+)(\w?)", defaults[("limits", key)]).groups()
        wanted = "%s=%d" % (key, int(number) * units[unit])
        if wanted not in ready.split():
            yield "inbox-protocol.7: %s: want %s" % (ready, wanted)


@check
def lint_knows_the_codes_of_the_independent_client():
    """The client of the system tests was written from the page; both must have the same codes."""
    header, client = read("src/lib/proto.h"), read("tests/system/client.py")
    for verb, text in re.findall(r'X\((\w+), \w+, "([a-z-]+)"\)', header):
        codes = re.search(r'^    "%s": \{([^}]*)\},' % verb, client, re.M)
        if not codes or '"%s"' % text not in codes.group(1):
            yield "tests/system/client.py: %s %s" % (verb, text)


@check
def counters_stand_in_the_manual():
    page = mdoc_text("src/inboxd/inboxd.8")
    metrics = re.findall(r'X\(\w+, "(inboxd_\w+)"', read("src/inboxd/base/stats.h"))
    metrics += re.findall(r'{"(inboxd_inbox_\w+)"', read("src/inboxd/status/metrics_inboxes.c"))
    metrics += re.findall(r'X\(\w+, "(inboxd_\w+)"', read("src/inboxd/base/histogram.h"))
    if len(metrics) < 20:
        yield "stats.h: found only %d metrics" % len(metrics)
    for metric in sorted(set(metrics)):
        if not re.search(r"\b%s\b" % metric, page):
            yield metric
    for metric in sorted(set(re.findall(r"\binboxd_\w+_total\b", page)) - set(metrics)):
        yield "inboxd.8 has %s, which is not counted" % metric


def health_table():
    """The rows of struct health_row, as Python has them; a limit is None where it is never."""
    text = read("src/lib/health.c")
    words = {word: int(value) for word, value in re.findall(r"^#define (\w+) (\d+)$", text, re.M)}
    words.update({"NULL": None, "HEALTH_NEVER": None})
    words.update({"HEALTH_" + kind: kind for kind in
                  ("ANSWER", "VALUE", "AGE", "LEFT", "SHARE", "HISTORY")})
    table = re.search(r"health_rows\[\] = \{\n(.*?)^\};", text, re.M | re.S).group(1)
    return eval("[%s]" % table.replace("{\"", "(\"").replace("},\n", "),\n"), {}, words)


def health_metrics():
    """[(name, kind, metric, label, the other metric)]"""
    return [row[:5] for row in health_table()]


def limit_text(kind, name, value):
    if value is None:
        return "\\(en"
    if kind == "SHARE":
        return "%d%%" % value
    if kind in ("AGE", "LEFT") or name.endswith("-slow"):
        return next("%d%s" % (value // size, unit) for unit, size in
                    (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if value % size == 0)
    return str(value)


def alerts():
    """The rules of contrib/prometheus, as far as they have our form: each a dict with alert, expr,
    for (seconds), labels, annotations; and limit, the number that it ends in or compares with."""
    text = read("contrib/prometheus/inboxd.rules.yml")
    for block in text.split("      - alert: ")[1:]:
        block = re.sub(r">-\n((?: {10,}.*\n)+)", lambda m: " ".join(m.group(1).split()) + "\n",
                       block.replace("          summary: >-\n            ", "          summary: "))
        rule = {"alert": block.split("\n")[0],
                "expr": re.search(r"^        expr: (.*)$", block, re.M).group(1),
                "for": 0, "summary": re.search(r"^          summary: (.*)$", block, re.M).group(1)}
        waits = re.search(r"^        for: (\d+)m$", block, re.M)
        if waits:
            rule["for"] = 60 * int(waits.group(1))
        rule["labels"] = dict(re.findall(r"(\w+): ([a-z-]+)", re.search(
            r"^        labels: \{(.*)\}$", block, re.M).group(1)))
        rule["runbook"] = re.search(r'^          runbook: "(.*)"$', block, re.M).group(1)
        limit = re.search(r"(?:[<>]=|==) (\d+(?: \* \d+)?)(?: and|$)", rule["expr"]).group(1)
        rule["limit"] = eval(limit)
        yield rule


@check
def what_can_be_wrong_stands_in_the_manual():
    """Each with its limits, and what to do about it."""
    page = read("src/inboxd/inboxd.8")
    part = page[page.index(".Sh PROBLEMS"):page.index(".Sh THE LOG")]
    rows = health_table()
    if len(rows) < 30:
        yield "health.c: found only %d rows" % len(rows)
    yield from differ("inboxd.8", re.findall(r"^\.It Li (.*)$", part, re.M),
                      ["%s Pq %s, %s" % (row[0], limit_text(*row[1::-1], row[5]),
                                         limit_text(*row[1::-1], row[6])) for row in rows])


@check
def what_can_be_wrong_has_its_alerts():
    """By its name, one of each severity that it has, with its limit, metric and entry in inboxd(8).
    """
    told = {}
    for rule in alerts():
        name, severity = rule["labels"]["problem"], rule["labels"]["severity"]
        told[name, severity] = rule["limit"]
        if rule["alert"] != "Inboxd" + name.title().replace("-", ""):
            yield "%s: its name is %s" % (name, rule["alert"])
        if rule["runbook"] != "man 8 inboxd, PROBLEMS, " + name:
            yield "%s: its runbook is %s" % (name, rule["runbook"])
    wanted = {}
    for name, kind, metric, label, other, warning, critical, *_ in health_table():
        limits = {"warning": warning, "critical": critical}
        wanted.update({(name, severity): 0 if kind == "ANSWER" else limit
                       for severity, limit in limits.items() if limit is not None})
        for rule in alerts():
            for part in (metric, label, other):
                if rule["labels"]["problem"] == name and part and part not in rule["expr"]:
                    yield "%s: %s has no %s" % (name, rule["expr"], part)
    for key in sorted(set(told) | set(wanted)):
        if told.get(key) != wanted.get(key):
            yield "%s %s: %s in the rules, %s in health.c" % (*key, told.get(key), wanted.get(key))


@check
def figures_of_a_client_stand_in_the_manuals():
    """By their names in the ledger's contract, by their columns' heads in inboxctl(8)."""
    rows = re.findall(r'X\([\w.]+, [A-Z]+, \w+, "(\w+)", "([A-Z-]+)"\)', read("src/lib/figures.h"))
    if len(rows) < 9:
        yield "figures.h: found only %d figures" % len(rows)
    names = listed("src/inboxd/inbox-spool.5", r"^\.It Li queue Ar .*?^\.El$")
    heads = listed("src/inboxctl/inboxctl.8", r"^\.It Cm clients$.*?^\.El$")
    yield from differ("inbox-spool.5", names, [name for name, _ in rows])
    yield from differ("inboxctl.8", heads, ["CLIENT", "QUEUE", "STATE", "GAPS", "ON", "MARK",
                                                  "UNSETTLED"] +
                      [head for _, head in rows])


@check
def fields_of_records_stand_in_the_ledgers_contract():
    """Each record with its fixed fields, in their order."""
    source, page = read("src/lib/record.c"), read("src/inboxd/inbox-spool.5")
    rows = re.findall(r'^    \[RECORD_\w+\] = \{"(\w+)",(.*?), (?:NULL|[a-z_]+)\},$', source,
                      re.M | re.S)
    shared = re.search(r"^#define QUEUE .*?[^\\]$", source, re.M | re.S).group(0)
    name = r'\b(?:M\("(\w+)"|(?:COUNT|FROM_1|TIME)\((\w+)\))'
    wanted = [" ".join([record] + [a or b for a, b in re.findall(
        name, re.sub(r"\bQUEUE\b", shared, fields))]) for record, fields in rows]
    told = [entry.replace(" Ar ", " ") for entry in
            re.findall(r"^\.It Li (\w+(?: Ar [\w ]+)?)$",
                       page[page.index(".It Li begin"):page.index("A new ledger with")], re.M)]
    told = [entry for entry in told if entry.split()[0] in [record for record, _ in rows]]
    if len(rows) < 10:
        yield "record.c: found only %d records" % len(rows)
    yield from differ("inbox-spool.5", told, wanted)


def listed(page, part):
    """What the entries of a list within the page are of."""
    text = re.search(part, read(page), re.M | re.S).group(0)
    entries = re.findall(r"^\.It (?:Li )?((?!Li queue|Cm)[\w-]+(?: , [\w-]+)*)$", text, re.M)
    return [name for entry in entries for name in entry.split(" , ")]


def differ(page, told, wanted):
    for name in sorted(set(told) ^ set(wanted)):
        yield "%s: %s is %s" % (page, name, "missing" if name in wanted else "not in the code")


def options_of(source):
    """The letters of the getopt strings."""
    found = re.findall(r'getopt(?:_long)?\([^"]*"([+:]?[a-zA-Z:]+)"', source)
    return set(re.sub(r"[^a-zA-Z]", "", "".join(found)))


@check
def commands_and_options_of_inboxq_stand_in_the_manual():
    """By the rows in src/inboxq/commands."""
    page, commands, options = read("src/inboxq/inboxq.1"), set(), set()
    for path in tree("src/inboxq/commands", ends=(".c",)):
        commands.update(re.findall(r'^    \.name = "(\w+)"', read(path), re.M))
        options.update(re.findall(
            r"^    \{(0|'\w'), \"([\w-]+)\", (?:\"(\w+)\"|NULL),", read(path), re.M))
    if len(commands) < 7 or len(options) < 7:
        yield "src/inboxq/commands: found only %r and %r" % (sorted(commands), sorted(options))
    told = {name: entry for entry in re.findall(r"^\.It (Fl .*)$", page, re.M)
            for name in re.findall(r"Fl -([\w-]+)", entry)}
    for name in sorted(commands):
        if not re.search(r"^\.It Cm %s\b" % name, page, re.M) or \
                not re.search(r"^\.Cm %s$" % name, page, re.M):
            yield "inboxq.1: %s has no entry or no synopsis" % name
    for letter, name, value in sorted(options):
        entry = told.get(name, "")
        if not entry or letter != "0" and "Fl %s" % letter.strip("'") not in entry or \
                value and "Ar %s" % value.lower() not in entry:
            yield "inboxq.1: %s --%s %s" % (letter, name, value)


@check
def options_stand_in_the_manuals():
    for program, page in (("inboxd", "src/inboxd/inboxd.8"),
                          ("inboxctl", "src/inboxctl/inboxctl.8"),
                          ("inbox-relay", "src/inbox-relay/inbox-relay.8")):
        letters = options_of(read("src/%s/main.c" % program))
        if not letters:
            yield "src/%s/main.c: no options found" % program
        for letter in sorted(letters):
            if not re.search(r"(Fl|Op Fl|Fl \w+) ?\b\w*%s" % letter, read(page)):
                yield "%s: -%s" % (page, letter)


@check
def commands_of_the_papers_are_all_tried():
    """make check-papers types what papers.py knows of; nothing may stand there beside it."""
    yield from papers.unaccounted()
    told = " ".join(line for line in papers.readme_commands("build")
                    if line.startswith("apt-get install")).split()
    script = read("contrib/packages").split("need_deb")[0]
    wanted = re.findall(r"need (?:command|module) (?:'[^']+'|\S+) (\S+)", script) + \
        re.findall(r'missing="\$missing (\S+)"', script)
    if len(wanted) < 12:
        yield "contrib/packages: found only %r" % wanted
    for package in wanted:
        if package[0] != "$" and package not in told:
            yield "README: apt-get lacks %s, which contrib/packages installs" % package


@check
def manuals_are_clean():
    if not shutil.which("mandoc"):
        return "SKIP mandoc is not installed"
    wrong = []
    for path in tree("src", ends=tuple(".%d" % n for n in range(1, 9))):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(TOP, path)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False)
        # Pages that refer to pages of ours, not installed here, are fine.
        wrong += [line for line in done.stdout.splitlines() if "referenced manual not found"
                  not in line and not re.search(r"missing date|unknown manual section", line)]
    return wrong


# What looks at the environment, and the manuals of the programs that have it.
ENVIRONMENTS = {
    "src/inboxd/confine.c": ["src/inboxd/inboxd.8"],
    "src/lib/log.c": ["src/inboxd/inboxd.8", "src/inboxq/inboxq.1",
                      "src/inbox-relay/inbox-relay.8"],
    "src/lib/notify.c": ["src/inboxd/inboxd.8", "src/inboxq/inboxq.1",
                         "src/inbox-relay/inbox-relay.8"],
    "src/lib/passed.c": ["src/inboxd/inboxd.8"],
    "src/lib/terminal.c": ["src/inboxctl/inboxctl.8", "src/inboxq/inboxq.1"],
}
# What libraries look at for us: libc, its resolver, OpenSSL, libpq.
OTHERS_VARIABLES = {"LC_ALL", "LC_CTYPE", "LANG", "TZ", "RES_OPTIONS", "LOCALDOMAIN",
                    "OPENSSL_CONF", "OPENSSL_MODULES", "PGPASSFILE"}


@check
def environment_stands_in_the_manuals():
    """Each variable that a program looks at, and no other, in its page's ENVIRONMENT."""
    wanted = {page: set() for pages in ENVIRONMENTS.values() for page in pages}
    for path in tree("src", ends=(".c",)):
        text = read(path)
        names = set(re.findall(r'\bgetenv\("(\w+)"\)', text))
        if len(re.findall(r"\b(?:secure_)?getenv\(|\benviron\b", text)) != len(
                re.findall(r'\bgetenv\("\w+"\)', text)):
            yield "%s: a variable that is not named there" % path
        if bool(names) != (path in ENVIRONMENTS):
            yield "%s: ENVIRONMENTS and what is looked at there do not agree" % path
        for page in ENVIRONMENTS.get(path, []):
            wanted[page] |= names
        if re.search(r"\blocaltime(_r)?\(", text):
            wanted["src/inboxq/inboxq.1"].add("TZ")
    for page in tree("src", ends=(".1", ".3", ".8")):
        part = re.search(r"^\.Sh ENVIRONMENT\n(.*?)^\.Sh ", read(page), re.M | re.S)
        if not part:
            yield "%s: no ENVIRONMENT" % page
            continue
        told = {name for line in re.findall(r"^\.It Ev (.*)$", part.group(1), re.M)
                for name in line.split(" , ")}
        yield from ("%s: no %s" % (page, name) for name in wanted.get(page, set()) - told)
        yield from ("%s: nothing looks at %s" % (page, name)
                    for name in told - wanted.get(page, set()) - OTHERS_VARIABLES)


@check
def headings_of_manuals_are_words():
    """A first word as In or An is a macro of mdoc(7) there, which mandoc does not warn of."""
    for path in tree("src", ends=tuple(".%d" % n for n in range(1, 9))):
        for line in re.findall(r"^\.S[hs] [A-Z][a-z] .*$", read(path), re.M):
            yield "%s: %s: want \\& before its first word" % (path, line)


@check
def units_make_no_root():
    """What is not there may be what is not mounted: inboxd -m is for people."""
    for path in tree("contrib/systemd"):
        for line in re.findall(r"^Exec\w+=.*inboxd\b.* -m\b.*$", read(path), re.M):
            yield "%s: %s" % (path, line)


# Most that systemd may find a service exposed to; those that stand here are held to it.
EXPOSURES = {"inboxd.service": 1.2, "inboxd@.service": 1.2,
             "inboxq.service": 1.2, "inboxq-once.service": 1.2,
             "inboxq-watch.service": 1.2, "inboxq-relay.service": 1.2,
             "inboxd-agent@.service": 1.2,
             "inbox-relay.service": 1.2,
             "inboxd.service with socket.conf": 0.3}


def systemd_analyze(what, *units):
    """Its words on units, {name: text}, taken in a folder of their own; None: it is not here."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, text in units:
            paths.append(os.path.join(folder, name))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
        try:
            done = subprocess.run(["systemd-analyze", *what, *paths], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
                                  env={**os.environ, "SYSTEMD_UNIT_PATH": folder + ":"})
        except OSError:
            return None
    return done.stdout


@check
def units_expose_no_more_than_is_promised():
    """By systemd-analyze, where it is; a later section of a file counts as a drop-in does."""
    for name, most in EXPOSURES.items():
        unit = name.split(" ")[0]
        text = read("contrib/systemd/" + unit)
        if unit != name:
            text += read("contrib/systemd/%s.d/socket.conf" % unit)
        said = systemd_analyze(["security", "--offline=true"], (unit, text))
        found = re.search(r"exposure level for \S+: ([0-9.]+)", said or "")
        if said is None or "offline" in said and not found:
            return
        if not found or float(found.group(1)) > most:
            yield "%s: %s, and %s is the most" % (name, found and found.group(1), most)


@check
def units_have_no_key_that_systemd_does_not_know():
    units = [(os.path.basename(path), read(path)) for path in tree(
        "contrib/systemd", ends=(".service", ".socket", ".timer", ".path"))]
    said = systemd_analyze(["verify", "--man=no"], *units) or ""
    for line in said.splitlines():
        if re.search(r"Unknown|Failed to parse|Invalid", line):
            yield line


@check
def an_instance_is_as_the_one_receiver():
    """inboxd@.service is inboxd.service with other paths; remarks may differ."""
    keys = [re.findall(r"^[A-Z\[].*$", read("contrib/systemd/" + name), re.M)
            for name in ("inboxd.service", "inboxd@.service")]
    for wanted, got in zip(*keys):
        for path, of_one in (("/var/lib/inboxd", "/var/lib/inboxd-%i"),
                             ("/etc/inboxd.conf", "/etc/inboxd/%i.conf"),
                             ("RuntimeDirectory=inboxd", "RuntimeDirectory=inboxd-%i"),
                             ("inbox folders", "inbox folders, %i")):
            wanted = wanted.replace(path, of_one)
        if got != wanted:
            yield "inboxd@.service: %s, and not %s" % (got, wanted)
    if len(keys[0]) != len(keys[1]):
        yield "inboxd@.service: %d lines, and not %d" % (len(keys[1]), len(keys[0]))


@check
def units_are_all_installed():
    """Makefile.am has each file, and the samples."""
    makefile = read("Makefile.am")
    for path in tree("contrib/systemd"):
        if not re.search(r"(^|[\s/])%s(\s|$)" % re.escape(os.path.basename(path)), makefile):
            yield path


# ---- form

TEXTS = (".c", ".h", ".py", ".am", ".ac", ".conf", ".service", ".1", ".3", ".5", ".7", ".8")


@check
def licence_stands_in_every_file():
    found = list(tree("src", "tests", "conf", "contrib", ".ci")) + ["Makefile.am", "configure.ac"]
    for path in found:
        if os.path.basename(path) in ("README", "DESIGN"):
            continue
        if path.startswith("contrib/debian/") and not path.endswith(("rules", "postinst")):
            continue  # formats of Debian's; its own file of licences is among them
        if path.endswith((".o", ".a", ".trs", ".log", ".so", ".inc")):
            continue
        with open(os.path.join(TOP, path), "rb") as file:
            head = file.read(400)
        if head.startswith(b"\x7fELF") or "/corpus/" in path or os.path.basename(path)[0] == ".":
            continue
        if b"SPDX-License-Identifier: ISC" not in head:
            yield path


@check
def files_have_their_idea_at_the_head():
    """After the licence stands a comment, in the .h or in the .c of the same name."""
    heads = {}
    for path in tree("src", ends=(".c", ".h")):
        has = re.match(r"/\* SPDX[^\n]*\n/\*", read(path)) is not None
        heads[path[:-2]] = heads.get(path[:-2], False) or has
    for name, has in heads.items():
        if not has:
            yield name


@check
def files_and_functions_are_short():
    for path in tree("src", "tests/fault", "tests/herd", ends=(".c", ".h")):
        lines = read(path).split("\n")
        if len(lines) - 1 > LINES_MAX:
            yield "%s: %d lines, want at most %d" % (path, len(lines) - 1, LINES_MAX)
        if path.endswith(".c"):
            start = None
            for number, line in enumerate(lines, 1):
                if line == "{":
                    start = number
                elif line == "}" and start:
                    if number - start > FUNCTION_MAX:
                        yield "%s:%d: a function of %d lines, want at most %d" % (
                            path, start, number - start, FUNCTION_MAX)
                    start = None


@check
def lines_are_at_most_100_columns_and_end_clean():
    papers = ["README", "src/DEPENDS", "src/DESIGN", "src/README", "tests/README"]
    for path in [*tree("src", "tests", "conf", "contrib", ends=(".c", ".h", ".py", ".conf")),
                 *papers]:
        for number, line in enumerate(read(path).split("\n"), 1):
            if len(line.expandtabs(8)) > 100:
                yield "%s:%d: %d columns" % (path, number, len(line.expandtabs(8)))
            if line != line.rstrip():
                yield "%s:%d: blanks at the end" % (path, number)


@check
def pointers_are_asked_in_one_way():
    """`if (!x)`, and `x != NULL` only where a number is wanted of it."""
    for path in tree("src", ends=(".c", ".h")):
        for number, line in enumerate(code(path).split("\n"), 1):
            if re.search(r"== NULL|NULL ==|\bif \([a-z>.-]+ != NULL\)", line):
                yield "%s:%d: %s" % (path, number, line.strip())


@check
def sizeof_has_parentheses_for_types_only():
    types = r"(?:struct|enum|union) |(?:void|char|int|unsigned|size_t|u?int\d+_t|json_t)\b|\("
    for path in tree("src", ends=(".c", ".h")):
        for number, line in enumerate(code(path).split("\n"), 1):
            if re.search(r"\bsizeof\((?!%s)" % types, line):
                yield "%s:%d: %s" % (path, number, line.strip())


@check
def tests_need_no_name():
    """Loopback is 127.0.0.1: a system may know no localhost, and who asks for it has to say so."""
    for path in tree("tests/system", "tests/fault", "tests/crash", ends=(".py",)):
        if "localhost:" in read(path) and "need_localhost()" not in read(path):
            yield path


@check
def nothing_unfinished_is_left():
    words = "TO" + "DO|FIX" + "ME|XX" + "X"
    for path in tree("src", "tests", "conf", "contrib", ends=TEXTS):
        for number, line in enumerate(read(path).split("\n"), 1):
            if re.search(r"\b(%s)\b" % words, line) and ".XXX" not in line:
                yield "%s:%d: %s" % (path, number, line.strip())


@check
def sources_are_all_on_the_map():
    """Of src/README; the parts of a module go with it, and commands have files of their names."""
    page = read("src/README")
    words = set(re.findall(r"[a-z0-9_]+", page[page.index("The map"):page.index("One item in")]))
    for path in sources():
        stem = re.sub("_parts$", "", os.path.basename(path)[:-2])
        if os.path.dirname(path) != "inboxq/commands" and not {stem, stem.split("_")[0]} & words:
            yield "src/%s" % path


@check
def sources_are_all_in_the_makefile():
    listed = read("Makefile.am")
    for path in tree("src", ends=(".c", ".h", ".1", ".3", ".5", ".7", ".8")):
        if not re.search(r"(^|\s)%s(\s|$)" % re.escape(path), listed):
            yield path
    for path in tree("tests/system", "tests/fault", "tests/lint", "tests/papers", "tests/systemd",
                     "tests/ceph", "tests/herd"):
        if path.endswith((".py", ".c", ".h")) and path not in listed:
            yield path


@check
def mutants_of_check_power_find_what_they_change():
    for mutant in mutate.MUTANTS:
        try:
            mutate.mutated(mutant, os.path.join(TOP, "src/inboxd"))
        except SystemExit as error:
            yield "%s: %s" % (mutant, error)


def main():
    print("1..%d" % len(CHECKS))
    good = True
    for number, function in enumerate(CHECKS, 1):
        try:
            found = function()
            skip = found if isinstance(found, str) else None
            wrong = [] if skip else list(found)
        except Exception as error:  # a file that is missing, a table that cannot be read
            skip, wrong = None, ["%s: %s" % (type(error).__name__, error)]
        for line in wrong:
            print("# " + line)
        good &= not wrong
        print("%s %d - %s%s" % ("not ok" if wrong else "ok", number, function.__name__,
                                " # " + skip if skip else ""))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
