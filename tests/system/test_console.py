#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The console: what it answers whom over HTTP, and what the page shows in a browser."""

import http.client
import json
import re
import socket
import time

from browser import Browser
from harness import cases, contains, equal, main, test, until

PATHS = ("/", "/console.css", "/console.js", "/clients.js", "/figures.js", "/plots.js",
         "/tables.js")
PAGES = ("/status", "/inboxes", "/clients", "/metrics", "/healthz")
CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
       "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")


def web_port(r):
    return int(re.search(r"address=\S+:(\d+) setting=web", r.log(here=True)).group(1))


def console(t, **how):
    """A receiver with a console, and its port."""
    r = t.receiver(sections={"status": {"web": "127.0.0.1:0"}}, **how)
    return r, web_port(r)


def shared(t):
    r = t.shared("console", sections={"status": {"web": "127.0.0.1:0"}})
    return r, web_port(r)


def ask(port, path, method="GET", body=None, host=None, **headers):
    """(code, headers, body)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=host is not None)
        for one in [host] if isinstance(host, str) else host or ():
            connection.putheader("Host", one)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def raw(port, data, patience=20):
    """All that is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
        return answer


# ---- who is answered

@test
def off_by_default(t):
    r = t.shared()
    assert "setting=web" not in r.log(), r.log()


@cases([(path, path) for path in (*PATHS, *PAGES, "/nosuch", "/forget")])
def each_answer_is_shut_in(t, path):
    _, port = shared(t)
    code, headers, body = ask(port, path)
    equal(code, 404 if path in ("/nosuch", "/forget") else 200)
    equal(headers["Content-Security-Policy"], CSP)
    equal((headers["X-Content-Type-Options"], headers["Referrer-Policy"]),
          ("nosniff", "no-referrer"))
    equal((headers["Cross-Origin-Resource-Policy"], headers["Cross-Origin-Opener-Policy"]),
          ("same-origin", "same-origin"))
    found = {name.lower() for name in headers}
    assert not found & {"set-cookie", "access-control-allow-origin"}, found
    equal(headers["Content-Length"], str(len(body)))
    equal(headers["Connection"], "close")


NAME = "localhost"  # which is asked for, and not looked up
HOSTS = [("127.0.0.1", 200), ("127.0.0.1:%d", 200), (NAME + ":%d", 200), ("LocalHost", 200),
         (NAME + ":9999", 200), ("[::1]:%d", 200), ("192.0.2.7:80", 200),
         ("evil.example:%d", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421),
         ("evil.example", 421), ("127.0.0.1:80:80", 421), ("127.0.0.1/8", 421), ("127.1", 421),
         ("2130706433", 421), ("0x7f000001", 421), ("[::1", 421), ("::1", 421), ("[]", 421),
         ("", 421), (":%d", 421), (NAME + ":", 421), (NAME + ":x", 421), ("[::1]x", 421),
         ("user@localhost", 421), (NAME + ":99999", 421), ("a" * 300, 421),
         (["localhost", "localhost"], 400), (["localhost", "evil.example"], 400), ([], 400)]


@cases([("%s" % (str(host)[:40] or "none"), host, code) for host, code in HOSTS])
def no_name_is_taken_but_localhost(t, host, code):
    _, port = shared(t)
    asked = [one.replace("%d", str(port)) for one in ([host] if isinstance(host, str) else host)]
    for path in ("/", "/status"):
        equal(ask(port, path, host=asked)[0], code)


@test
def an_absolute_form_is_held_to_the_same(t):
    r, port = console(t)
    for target, host, code in (("http://localhost/status", "x.example", 200),
                               ("http://evil.example/status", "localhost", 421)):
        answer = raw(port, ("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host)).encode())
        equal(answer.split(b" ")[1], b"%d" % code, target)
    r.wait_log("event=web_misdirected")
    equal(len(re.findall("event=web_misdirected", r.log())), 1)


@cases([(method, method) for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")])
def nothing_can_be_done(t, method):
    r, port = shared(t)
    for path in ("/", "/status", "/forget", "/gap", "/pause", "/resume", "/nosuch"):
        code, headers, _ = ask(port, path, method, b"inbox=status")
        equal((code, headers.get("Allow")), (405, "GET, HEAD"), path)
    equal(r.json("/status")["state"], "running")


# ---- what is answered

@cases([(path, path) for path in PATHS])
def files_are_kept_by_their_tag(t, path):
    _, port = shared(t)
    code, headers, body = ask(port, path)
    assert code == 200 and body, code
    equal(headers["Cache-Control"], "no-cache")
    tag = headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f-]+"', tag), tag
    for has, want in ((tag, 304), ('"x", %s' % tag, 304), ("W/" + tag, 304), ('"x"', 200)):
        code, headers, again = ask(port, path, If_None_Match=has)
        equal((code, again), (want, b"" if want == 304 else body), has)
        equal(headers["ETag"], tag)
    code, headers, nothing = ask(port, path, "HEAD")
    equal((code, nothing, headers["Content-Length"]), (200, b"", str(len(body))))


@test
def files_are_what_the_sources_are(t):
    _, port = shared(t)
    found = {path: ask(port, path)[2].decode() for path in PATHS}
    for path, kind in (("/", "<!DOCTYPE html>"), ("/console.css", ":root {"),
                       ("/console.js", 'from "./figures.js"')):
        contains(found[path], kind, path)
    for path, text in found.items():
        assert text.endswith("\n"), path
        others = re.findall(r"(?:https?:)?//[a-z][^\s'\"]*\.[a-z]+", text)
        assert set(others) <= {"http://www.w3.org"}, others
        if path.endswith(".js"):
            found_ways = re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|"
                                    r"\bFunction\(", text)
            equal(found_ways, [], path)


@test
def pages_are_those_of_the_status_socket(t):
    r, port = shared(t)
    for path in ("/inboxes", "/clients", "/clients?state=silent&match=*pc*"):
        code, headers, body = ask(port, path)
        equal((code, headers["Content-Type"], headers["Cache-Control"]),
              (200, "application/json", "no-store"))
        own, want = json.loads(body), r.json(path)
        equal(set(own), set(want), path)
    equal(json.loads(ask(port, "/status")[2])["pid"], r.process.pid)
    code, _, body = ask(port, "/clients?state=nosuch")
    equal(code, 400, body)
    equal(ask(port, "/status?" + "x" * 9000)[0], 431)


@test
def who_does_not_read_holds_up_nobody(t):
    r, port = console(t)
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(70)]
    try:
        for one in slow[:64]:
            one.sendall(b"GET /status HTTP/1.1\r\nHost: loc")
        until(lambda: ask_code(port) == 503, 10, "all places are taken")
        equal(r.json("/status")["state"], "running")
        client = r.client(hello=t.queue())
        client.put(1, "status", b"x")
        client.stored(1)
        client.quit()
        contains(r.log(), "event=status_crowded")
        until(lambda: ask_code(port) == 200, 25, "their time is over")
    finally:
        for one in slow:
            one.close()


def ask_code(port):
    try:
        return ask(port, "/status")[0]
    except (OSError, http.client.HTTPException):
        return None


@test
def a_stop_answers_who_waits(t):
    r, port = console(t)
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"GET /")
        r.stop()
        equal(half.recv(100), b"")


# ---- where it listens

WRONG = ["*:7119", NAME + ":7119", "127.0.0.1", "0.0.0.0/0:7119", "example.org:7119", ":7119",
         "127.0.0.1:70000", "::1:7119"]


@cases([(value, value) for value in WRONG])
def an_address_is_wanted(t, value):
    r = t.receiver(sections={"status": {"web": value}}, start=False, make=False)
    done = r.run("-t")
    equal(done.returncode, 78)
    contains(done.stderr, "an address itself with a port")


@test
def what_is_open_to_others_is_warned_of(t):
    r = t.receiver(sections={"status": {"web": "0.0.0.0:0"}})
    contains(r.log(), "event=web_open")
    equal(ask(web_port(r), "/")[0], 200)
    assert "event=web_open" not in shared(t)[0].log()


@test
def a_port_that_is_taken_ends_the_start(t):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        r = t.receiver(sections={"status": {"web": "127.0.0.1:%d" % taken.getsockname()[1]}},
                       start=False)
        r.start(wait=False)
        r.wait_end(69)
        contains(r.log(), "web 127.0.0.1:")


@test
def a_socket_may_be_passed(t):
    r = t.receiver(start=False)
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen()
        r.start(passed=[("web", passed)])
        contains(r.log(), "event=sockets_passed count=1 setting=web")
        equal(ask(passed.getsockname()[1], "/")[0], 200)


# ---- the page, in a browser

WRITTEN = "<img/src=x/onerror=document.title=2><script>0</script>"
SIZES = [("wide", {}), ("dark", {"dark": True}), ("phone", {"width": 360, "height": 740}),
         ("dark phone", {"width": 360, "height": 740, "dark": True})]


def busy(t):
    """A receiver with clients of which one writes what a page should not take for its own."""
    expected = t.folder + "/expected.list"
    with open(expected, "w", encoding="ascii") as file:
        file.write("pc77.example.org\n")
    r = t.receiver(sections={"status": {"web": "127.0.0.1:0"}, "clients": {"expected": expected}},
                   inboxes={"status": {"waiting-items": "10"}, "reports": {"suffix": ".msg"}})
    c = r.client(hello={"queue": t.queue(), "pending": 3, "agent": WRITTEN,
                        "oldest": int(time.time()) - 7200})
    for n in range(1, 8):
        c.put(n, "status", b"%d" % n)
        c.stored(n)
    done = t.run([r.ctl, "-s", r.socket, "pause", "reports", "--reason", WRITTEN])
    equal(done.returncode, 0, done.stderr)
    r.wait_published()
    return r, "http://127.0.0.1:%d/" % web_port(r)


def text_of(page, where):
    return page.value("document.querySelector(%s).innerText" % json.dumps(where))


def shown_problems(page):
    return page.value("[...document.querySelectorAll('#problems .problem:not(.fine)')].map("
                      "(one) => [one.classList[1], one.querySelector('code').textContent])")


def rows_of(page, table):
    """The text of each cell, a list a row."""
    return page.value("[...document.querySelectorAll('#%s tbody tr')].map((row) => "
                      "[...row.cells].map((cell) => cell.textContent))" % table)


@cases([(name, how) for name, how in SIZES])
def page_shows_what_is(t, how):
    r, url = busy(t)
    with Browser(t) as browser:
        page = browser.open(url, **how)
        page.until("document.querySelectorAll('#rows tbody th').length > 0")
        page.until("document.querySelectorAll('#plot-rate circle').length > 0")
        page.until("document.getElementById('gaps').textContent.includes('None: every')")
        equal(text_of(page, "#state"), "running")
        equal(text_of(page, "#host"), "cap1")
        counts = dict(page.value("[...document.querySelectorAll('#counts div')].map((pair) => "
                                 "[...pair.children].map((one) => one.textContent))"))
        equal((counts["Stored"], counts["Connections"], counts["Told later"]), ("7", "1", "0"))
        # Clients are counted now and then, so what is wrong with them may be told a moment later.
        until(lambda: shown_problems(page) == [
            [one["severity"], one["name"]] for one in r.json("/status")["problems"]] != [], 15)
        inboxes = {row[0]: row for row in rows_of(page, "inboxes")}
        equal(sorted(inboxes), ["reports.msg", "status"])
        equal((inboxes["status"][1:3], inboxes["status"][6]),
              (["takes items", "7of 10"], "77 B"))
        assert inboxes["reports.msg"][1].startswith("paused" + WRITTEN), inboxes
        clients = rows_of(page, "rows")
        equal([row[1] for row in clients], ["behind", "never came"])
        assert clients[0][0].startswith("pc1.example.org"), clients
        equal((clients[0][3], clients[0][7]), ("3for 2 h", WRITTEN))
        equal([row[0] for row in rows_of(page, "papers")], ["The receiver’s own", "Clients’ CA"])
        width = page.value("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1] == how.get("width", 1280), width
        ground = page.value("getComputedStyle(document.body).backgroundColor")
        equal(ground, "rgb(12, 18, 25)" if how.get("dark") else "rgb(243, 245, 248)")
        equal(page.value("document.querySelectorAll('script, img').length"), 1)
        equal(page.value("document.title"), "%d · inboxd cap1" % len(shown_problems(page)))
        equal(page.complaints, [])


@test
def clients_are_found_by_state_name_and_page(t):
    r, port = console(t)
    for _ in range(43):
        r.client(hello=t.queue()).quit()
    with Browser(t) as browser:
        page = browser.open("http://127.0.0.1:%d/" % port)

        def there(count, *words):
            page.until("document.querySelectorAll('#rows tbody th').length == %d" % count)
            for word in words:
                page.until("document.getElementById('clients').innerText.includes(%s)"
                           % json.dumps(word))
        there(0, "all clients are up to date")
        page.value("[...document.querySelectorAll('#states button')].find((button) => "
                   "button.textContent.startsWith('All')).click()")
        there(20, "1 to 20")
        equal(page.value("document.getElementById('back').disabled"), True)
        page.value("document.getElementById('on').click()")
        there(20, "21 to 40")
        page.value("document.getElementById('on').click()")
        there(3, "41 to 43 of 43")
        equal(page.value("document.getElementById('on').disabled"), True)
        page.value("document.getElementById('back').click()")
        there(20, "21 to 40")
        page.call("Input.dispatchKeyEvent", type="keyDown", key="/", text="/")
        equal(page.value("document.activeElement.id"), "match")
        page.call("Input.insertText", text="pc2")
        there(0, "No client has such a name")
        page.call("Input.insertText", text="*")
        there(0)
        page.value("document.getElementById('match').select()")
        page.call("Input.insertText", text="pc1.*")
        there(20, "1 to 20")
        equal(page.complaints, [])


@test
def missing_numbers_are_shown_until_they_are_confirmed(t):
    r, port = console(t)
    queue = t.queue()
    c = r.client(hello={"queue": queue, "settled": 40})
    c.put(47, "status", b"x")
    c.stored(47)
    c.settled(48)
    until(lambda: r.gauge("gaps_unknown") == 1)
    with Browser(t) as browser:
        page = browser.open("http://127.0.0.1:%d/" % port)
        page.until("document.querySelectorAll('#gaps tbody th').length == 1")
        row = rows_of(page, "gaps")[0]
        equal((row[0], row[1], row[3]),
              ("pc1.example.orgqueue " + queue[:8], "40 – 46", "no"))
        page.until("document.querySelectorAll('#rows .bad').length == 1")
        equal([row[5] for row in rows_of(page, "rows")], ["7"])
        done = t.run([r.ctl, "-s", r.socket, "gap", "--known", "pc1.example.org", "40-46"])
        equal(done.returncode, 0, done.stderr)
        page.until("document.getElementById('gaps').textContent.includes('None: every')")
        page.until("document.querySelectorAll('#rows tbody th').length == 0")
        equal(page.complaints, [])


@test
def nobody_asks_who_does_not_look(t):
    _, port = console(t)
    asked = ("performance.getEntriesByType('resource').filter((one) => "
             "one.name.endsWith('/status')).length")
    with Browser(t) as browser:
        page = browser.open("http://127.0.0.1:%d/" % port)
        page.until(asked + " >= 2")
        other = browser.open("about:blank", behind=page)
        page.until("document.hidden")
        time.sleep(1)
        before = page.value(asked)
        time.sleep(5)
        equal(page.value(asked), before)
        other.call("Page.close")
        page.call("Page.bringToFront")
        page.until("!document.hidden")
        page.until(asked + " > %d" % before)


@test
def a_receiver_that_is_gone_is_told(t):
    r, port = console(t)
    with Browser(t) as browser:
        page = browser.open("http://127.0.0.1:%d/" % port)
        page.until("document.getElementById('state').textContent == 'running'")
        equal(page.value("document.getElementById('silence').hidden"), True)
        r.stop()
        page.until("!document.getElementById('silence').hidden")
        contains(text_of(page, "#silence"), "has not answered since")
        r.sections["status"]["web"] = "127.0.0.1:%d" % port
        r.write_conf()
        r.start()
        page.until("document.getElementById('silence').hidden")
        page.until("document.querySelector('#problems .fine') !== null")


@test
def without_script_it_says_so(t):
    _, port = shared(t)
    with Browser(t) as browser:
        page = browser.open("http://127.0.0.1:%d/" % port, script=False)
        page.until("document.body.innerText.includes('inboxctl status')")


FIGURES = """import('./figures.js').then((f) => {
    const h = (count, sum, ...totals) =>
        ({count, sum, buckets: [1, 2, 5].map((bound, i) => [bound, totals[i]])});
    const none = h(0, 0, 0, 0, 0), some = h(10, 30, 2, 10, 10), more = h(30, 130, 2, 20, 20);
    return [f.quantile(none, some, 0.5), f.quantile(none, some, 1), f.quantile(some, some, 0.5),
        f.quantile(some, more, 0.25), f.quantile(some, more, 0.99), f.mean(some, more),
        f.mean(none, none), f.total({a: 1, b: {c: 2}}), f.total(4),
        f.span(0), f.span(59.9), f.span(61), f.span(7200), f.span(90061), f.span(1e6),
        f.bytes(0), f.bytes(1536), f.bytes(3 * 2 ** 40), f.bytes(null), f.took(0.00025),
        f.took(0.0123), f.took(2), f.took(null), f.rate(0), f.rate(0.25), f.rate(99.94),
        f.rate(12345.6), f.several(1, "client"), f.several(1200, "client"), f.ago(null, 5),
        f.ago(4, 5), f.ago(10, 75)];
})"""


@test
def figures_are_computed_and_written_right(t):
    _, port = shared(t)
    with Browser(t) as browser:
        page = browser.open("http://127.0.0.1:%d/" % port)
        page.until("document.readyState == 'complete' && location.pathname == '/'")
        equal(page.value(FIGURES), [
            1.375, 2, None, 1.5, 5, 5, None, 3, 4,
            "0 s", "59 s", "1 min 1 s", "2 h", "1 d 1 h", "11 d",
            "0 B", "1.5 KiB", "3 TiB", "–", "250 µs",
            "12.3 ms", "2 s", "–", "0", "0.25", "99.9",
            "12,346", "1 client", "1,200 clients", "never", "now", "1 min 5 s ago"])


if __name__ == "__main__":
    main()
