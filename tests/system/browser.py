# SPDX-License-Identifier: ISC
"""A browser without a screen: chromium, spoken to over a pipe (--remote-debugging-pipe: messages of
the DevTools protocol, JSON, each ended by a NUL, on its descriptors 3 and 4).

    with Browser(t) as browser:
        page = browser.open("http://127.0.0.1:7119/", width=360, height=740, dark=True)
        page.until("document.title", "inboxd")
        page.complaints    what it wrote to its console, and what it was not let do
"""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

from harness import Skip, bound

# The pipe's ends become 3 and 4 there, wherever they are here.
PIPES = """import fcntl, os, sys
ends = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1:3]]
os.closerange(3, 100)
for at, fd in enumerate(ends):
    os.dup2(fd, 3 + at)
    os.close(fd)
os.execvp(sys.argv[3], sys.argv[3:])
"""
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def program():
    found = [path for path in map(shutil.which, NAMES) if path]
    if not found:
        raise Skip("no chromium here")
    return found[0]


class Ended(Exception):
    """The browser is no more."""


class Browser:
    def __init__(self, t, *options):
        there, here = os.pipe(), os.pipe()
        self.given, self.said, self.number, self.pages = b"", here[0], 0, {}
        self.ask = there[1]
        command = [program(), "--headless=new", "--remote-debugging-pipe", "--disable-gpu",
                   "--no-first-run", "--disable-extensions", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync", "--no-proxy-server",
                   "--disable-dev-shm-usage", "--hide-scrollbars",
                   "--user-data-dir=" + os.path.join(t.folder, "browser"),
                   *(["--no-sandbox"] if os.geteuid() == 0 else []), *options, "about:blank"]

        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", PIPES, str(there[0]), str(here[1]), *command],
            pass_fds=(there[0], here[1]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(there[0])
        os.close(here[1])
        try:
            self.call("Browser.getVersion")
        except Ended:
            self.__exit__()
            raise Skip("chromium does not start here") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.ask)
        os.close(self.said)

    def hear(self, limit):
        """The next message."""
        while b"\0" not in self.given:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self.said], [], [], left)[0]:
                raise AssertionError("the browser does not answer")
            part = os.read(self.said, 1 << 16)
            if not part:
                raise Ended()
            self.given += part
        text, _, self.given = self.given.partition(b"\0")
        message = json.loads(text)
        page = self.pages.get(message.get("sessionId"))
        if page and "method" in message:
            page.on_event(message["method"], message["params"])
        return message

    def call(self, method, session=None, seconds=60, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        try:
            os.write(self.ask, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise Ended() from None
        limit = time.monotonic() + bound(seconds)
        while True:
            answer = self.hear(limit)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise AssertionError("%s: %s" % (method, answer["error"]))
                return answer["result"]

    def open(self, url, behind=None, **how):
        """In a window of its own; `behind`: in front of that page, in its window."""
        target = self.call("Target.createTarget", url="about:blank",
                           newWindow=behind is None)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        page.show(url, **how)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session, self.complaints = browser, session, []

    def on_event(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(params["args"])
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"])

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def show(self, url, width=1280, height=800, dark=False, script=True, still=True):
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else ""}])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call("Page.navigate", url=url)

    def value(self, expression):
        """Of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression, seconds=20):
        """Waits until it is true; what throws, as the page is not there yet, is not."""
        expression = "(() => { try { return %s; } catch { return null; } })()" % expression
        limit = time.monotonic() + bound(seconds)
        while not (found := self.value(expression)):
            if time.monotonic() > limit:
                raise AssertionError("did not come: %s; complaints: %r; the page: %s" % (
                    expression, self.complaints, self.value("document.body.innerText")[:1000]))
            time.sleep(0.1)
        return found

    def picture(self, path, whole=False):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole,
                         **({"clip": {"x": 0, "y": 0, "scale": 1,
                             "width": self.value("document.documentElement.clientWidth"),
                             "height": self.value("document.documentElement.scrollHeight")}}
                            if whole else {}))
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
