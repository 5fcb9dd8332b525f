#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Each field of each client line, wrong in each way: one ERROR line that names it, and a close.

The lines are made from the table LINES, the wrong values from WRONG; both are
written from inbox-protocol(7).
"""

from client import sha256
from harness import bound, cases, contains, equal, main, test

QUEUE = "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"
DIGEST = sha256(b"")
MAX = 9223372036854775807


def number(low, high=MAX):
    wrong = ["", "x", "-1", "-0", "+1", "1x", "x1", "0x1", "01", "00", "1.0", "1e3", "1,000",
             str(high + 1), str(2 ** 64), str(2 ** 64 + 1), "1" + "0" * 40, "\u00bd"]
    return wrong + (["0"] if low > 0 else [])


HEX = "0123456789abcdef" * 4
NAMES = ["", ".", "..", ".hidden", "-a", "_a", "a/b", "/", "a\\b", "a:b", "a%41", "a*"]
WORDS = ["", "Removed", "1st", "-a", "a_b", "a.b", "A", "a" * 33]
WRONG = {
    "version": number(0, 4294967295),
    "queue": ["", QUEUE[:-1], QUEUE + "0", QUEUE.upper(), "g" * 32, "-" + QUEUE[1:],
              "0x" + QUEUE[2:]],
    "settled": number(1),
    "n": number(1),
    "inbox": NAMES + ["a" * 65],
    "size": number(0),
    "sha256": ["", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), "g" + DIGEST[1:], "x" * 64],
    "offset": number(0),
    "length": number(1, 262144),
    "code": WORDS,
    "pending": number(0),
    "oldest": number(0),
    "failed": number(0),
    "agent": ["", "a" * 65, "%", "%4", "%zz", "a%2fb", "%41%", "%c3"],
    "name": ["", "a" * 256, "%", "%4", "%zz", "a%2fb", "%0A" * 256],
    "time": number(0),
}
# verb: (fixed fields, keys), each as (name, a right value)
ITEM = [("n", "1"), ("inbox", "status"), ("size", "0"), ("sha256", DIGEST)]
HINTS = [("name", "a%20b"), ("time", "1795356000")]
LINES = {
    "HELLO": ([("version", "1"), ("queue", QUEUE), ("settled", "1")],
              [("pending", "3"), ("oldest", "1795356000"), ("failed", "0"),
               ("agent", "test/1")]),
    "PUT": (ITEM, HINTS),
    "OPEN": (ITEM, HINTS),
    "DATA": ([("n", "1"), ("offset", "0"), ("length", "1")], []),
    "SETTLED": ([("n", "1")], []),
    "SKIP": ([("n", "1"), ("code", "removed")], []),
    "STATE": ([], [("pending", "3"), ("oldest", "1795356000"), ("failed", "0")]),
    "PING": ([], []),
    "QUIT": ([], []),
}


def line(verb, fixed=None, keys=()):
    words = [verb] + [value for _, value in (LINES[verb][0] if fixed is None else fixed)]
    return " ".join(words + ["%s=%s" % pair for pair in keys])


def broken_lines():
    """(verb, field, what, line) of every line whose ERROR must be `field` and name the field."""
    for verb, (fixed, keys) in LINES.items():
        for i, (field, _) in enumerate(fixed):
            yield verb, field, "missing", line(verb, fixed[:i])
            for wrong in WRONG[field]:
                yield verb, field, repr(wrong[:50]), line(
                    verb, fixed[:i] + [(field, wrong)] + fixed[i + 1:])
        for key, value in keys:
            for wrong in WRONG[key]:
                yield verb, key, repr(wrong[:50]), line(verb, keys=[(key, wrong)])
            yield verb, key, "twice", line(verb, keys=[(key, value), ("x", "1"), (key, value)])
        for what, tail in (("surplus", " surplus"), ("trailing space", " "),
                           ("two spaces", "  x=1"),
                           ("no key", " =1"), ("upper-case key", " Name=1"),
                           ("key with a digit first", " 1a=1"), ("long key", " %s=1" % ("k" * 33))):
            yield verb, verb, what, line(verb) + tail


BROKEN = {}
for _verb, _field, _what, _line in broken_lines():
    BROKEN.setdefault("%s %s" % (_verb, "after its fields" if _field == _verb else _field),
                      []).append((_verb, _field, _what, _line))


def one_error(t, r, text, hello, code, names=(), ends=b"\n"):
    """Says `text`, and hears one ERROR with this code and these words, then the end."""
    c = r.client(hello=t.queue() if hello else None)
    try:
        c.post((text.encode("utf-8") if isinstance(text, str) else text) + ends)
        answer = c.line(bound(10))
        assert answer is not None, "closed without a word"
        equal(answer.verb, "ERROR", "verb of %r" % answer)
        equal(answer.code, code, "code of %r" % answer)
        for name in names:
            contains(answer.text, name)
        equal(c.line(bound(10)), None, "after the ERROR")
    except Exception as error:
        raise AssertionError("%r: %s: %s" % (text[:200], type(error).__name__, error)) from error
    finally:
        c.close()


@cases([(name, rows) for name, rows in BROKEN.items()])
def broken_field_is_one_error_that_names_it(t, rows):
    r = t.shared()
    before = r.metric("inboxd_protocol_errors_total")
    for verb, field, _, text in rows:
        # A byte outside ASCII cannot be in a line at all.
        is_line = all(0x20 <= ord(letter) <= 0x7E for letter in text)
        one_error(t, r, text, verb != "HELLO", "field" if is_line else "line",
                  (verb, field) if is_line else ())
    equal(r.metric("inboxd_protocol_errors_total"), before + len(rows), "errors counted")


@cases([(verb, verb) for verb in LINES])
def right_line_with_unknown_keys_is_taken(t, verb):
    """Each right line, with all its keys, keys of a later day, and 1,024 bytes in all."""
    r = t.shared()
    c = r.client(hello=None if verb == "HELLO" else t.queue())
    c.asked[1] = ("status", DIGEST)
    text = line(verb, keys=[("later", "1"), ("later", "2"), *LINES[verb][1], ("empty", "")])
    text += " pad=" + "~" * (1023 - len(text) - 5)
    equal(len(text), 1023)
    c.post(text + "\n")
    want = {"HELLO": "READY", "PUT": "STORED", "OPEN": "SEND", "QUIT": "BYE", "DATA": "ERROR",
            "PING": "PONG", "SETTLED": None, "SKIP": None, "STATE": None}[verb]
    if want:
        equal(c.line().verb, want)
    if verb == "OPEN":
        equal(c.line().verb, "STORED", "an item of 0 bytes")
    if verb == "DATA":
        equal(c.history[-1].code, "state")
    elif verb != "QUIT":
        c.ping()


# ---- lines

@cases([("0x%02x" % byte, byte) for byte in
        [0, 1, 7, 8, 9, 11, 12, 13, 27, 31, 127, 128, 160, 255]])
def byte_that_no_line_may_have_is_an_error(t, byte):
    r = t.shared()
    bad = bytes([byte])
    one_error(t, r, b"PING" + bad, True, "line")
    one_error(t, r, bad + b"PING", True, "line")
    put = line("PUT").encode()
    one_error(t, r, put[:7] + bad + put[8:], True, "line")
    one_error(t, r, put + b" name=a" + bad + b"b", True, "line")
    one_error(t, r, b"HELLO 1 " + bad, False, "line")


@test
def line_over_1024_bytes_is_an_error(t):
    r = t.shared()
    for size in (1024, 1025, 5000, 1000000):
        one_error(t, r, "PING x=" + "a" * (size - 7), True, "line", ["1024"])
    one_error(t, r, "HELLO 1 " + "a" * 1100, False, "line", ["1024"])


@test
def endless_line_is_an_error_before_its_end(t):
    one_error(t, t.shared(), "PING x=" + "a" * 1100, True, "line", ["1024"], ends=b"")


@test
def empty_line_is_an_error(t):
    r = t.shared()
    one_error(t, r, "", True, "verb")
    one_error(t, r, " ", True, "verb")
    one_error(t, r, " PING", True, "verb")


# ---- verbs

@cases([(verb or "nothing", verb) for verb in (
    "GET / HTTP/1.1", "put 1 status 0 " + DIGEST, "Ping", "PINGS", "PIN", "EHLO x",
    "STORED 1 name", "READY 1 cap1", "LATER 1 1 full", "BYE", "PONG", "ERROR field x", "=",
    "x" * 900)])
def unknown_verb_is_an_error(t, text):
    one_error(t, t.shared(), text, True, "verb")
    one_error(t, t.shared(), text, False, "verb")


@cases([(verb, verb) for verb in LINES if verb != "HELLO"])
def verb_before_hello_is_an_error(t, verb):
    one_error(t, t.shared(), line(verb), False, "state", [verb])


@test
def hello_twice_is_an_error(t):
    one_error(t, t.shared(), line("HELLO"), True, "state", ["HELLO"])


@cases([(version, version) for version in ("0", "2", "10", "4294967295")])
def other_version_is_an_error(t, version):
    one_error(t, t.shared(), "HELLO %s %s 1" % (version, QUEUE), False, "version", ["1"])


@test
def highest_numbers_are_taken(t):
    r = t.shared()
    c = r.client(hello={"queue": t.queue(), "settled": MAX, "pending": MAX, "oldest": MAX})
    c.put(MAX, "status", b"", when=MAX)
    c.stored(MAX)
    c.announce(1, "status", b"", size=MAX)
    equal(c.answer(1).code, "too-large")
    c.close()


@test
def numbers_below_the_mark_are_stored_all_the_same(t):
    """Doubt ends in a duplicate, never in a loss."""
    r = t.shared()
    c = r.client(hello={"queue": t.queue(), "settled": 1000})
    c.put(3, "status", b"late")
    c.stored(3)
    c.quit()


@test
def error_text_cannot_be_forged(t):
    """What a peer said comes back, and goes to the log, in printable ASCII on one line."""
    r = t.shared()
    one_error(t, r, 'X"event=forged" key=value', True, "verb")
    for entry in r.log().splitlines():
        assert all(0x20 <= ord(letter) <= 0x7E for letter in entry), repr(entry)
        assert not entry.startswith("event=forged"), entry


if __name__ == "__main__":
    main()
