#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The experiment of contrib/kb323627, small: what it says is true, and it could say otherwise."""

import os
import re
import sys
import tempfile
import xml.dom.minidom

from harness import TOP_BUILD, contains, equal, main, test

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../contrib/kb323627")
sys.path.insert(0, FOLDER)
import share        # noqa: E402, found by the line above

# The log of one lost item, as the article has it.
ARTICLE = """\
--Validating Item 'Item 61949725'
--Servicing Item 'Item 61949725'
--Inserted Item[Item 61949725] into list
--Trying to copy Item[Item 61949725], copy try no. 1
--Item[Item 61949725] NOT copied, already exists, set status to Remove
--Skipping Item 'Item 61949725', it is marked for deletion
--Removing Item 'Item 61949725'
"""


def run(t, *arguments, expect=0, **env):
    # Where inboxd -m becomes the root's owner, LeakSanitizer cannot look into it.
    done = t.run([sys.executable, os.path.join(FOLDER, "run"), *arguments], timeout=60,
                 env={"TMPDIR": t.folder, "ASAN_OPTIONS": "detect_leaks=0", **env})
    equal(done.returncode, expect, "exit code; it said:\n%s%s" % (done.stdout, done.stderr))
    return done


def table(text):
    """{clients: {head: cell}}"""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    heads = [head.strip() for head in lines[0]]
    assert all(re.fullmatch(r" -+: ", cell) for cell in lines[1]), lines[1]
    rows = [dict(zip(heads, (cell.strip() for cell in line))) for line in lines[2:]]
    return {int(row["clients"]): row for row in rows}


@test
def original_loses_what_its_mechanism_must_and_inboxd_nothing(t):
    plot = os.path.join(t.folder, "plot.svg")
    done = run(t, "--build", TOP_BUILD, "--clients", "5,20,80", "--repeat", "2", "--svg", plot)
    rows = table(done.stdout)
    equal(sorted(rows), [5, 20, 80], "numbers of clients")
    # 50 of one seed find a name each; for the 30 others there is none.
    equal([rows[n]["original, one second"] for n in (5, 20, 80)], ["0.0 %", "0.0 %", "37.5 %"],
          "lost by the original")
    for row in rows.values():
        equal([row["hotfix, lost"], row["inboxd, lost"], row["inboxd, twice"]],
              ["0.0 %", "0", "0"], "lost by the others")
    contains(done.stdout, "30 clones of one machine, with its certificate, queue and number: "
             "0 lost, 0 twice")
    contains(done.stdout, "inboxctl verify, of all that came: 135 items, 135 right\n")
    with open(plot, encoding="utf-8") as file:
        drawn = file.read()
    root = xml.dom.minidom.parseString(drawn).documentElement
    for name, count in (("title", 1), ("desc", 1), ("polyline", 4)):
        equal(len(root.getElementsByTagName(name)), count, name + " in the plot")
    equal(os.listdir(t.folder), ["plot.svg"], "what is left")


@test
def log_of_a_lost_item_is_the_articles(t):
    done = run(t, "--no-inboxd", "--clients", "80", "--repeat", "1")
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("    --")]
    numbers = set(re.findall(r"Item (\d+)", "\n".join(lines)))
    equal(len(numbers), 1, "items in the log")
    equal("\n".join(lines) + "\n", ARTICLE.replace("61949725", numbers.pop()), "log")
    contains(done.stdout, "50 names tried")


@test
def same_seed_gives_the_same_table_and_plot(t):
    said = []
    for i, seed in enumerate((7, 7, 8)):
        plot = os.path.join(t.folder, "%d.svg" % i)
        done = run(t, "--no-inboxd", "--clients", "10,50", "--tries", "1", "--seed", str(seed),
                   "--svg", plot)
        with open(plot, encoding="utf-8") as file:
            said.append((done.stdout, file.read()))
    equal(said[0], said[1], "one seed twice")
    assert said[0][0] != said[2][0] and said[0][1] != said[2][1], "another seed changes nothing"


@test
def loss_of_the_original_is_that_of_the_birthday_formula(t):
    """With one try: clients less the days that have one."""
    for count, days in ((30, 10), (200, 100)):
        birthday = 1 - days * (1 - (1 - 1 / days) ** count) / count
        assert abs(share.expected_loss(count, days, 1) - birthday) < 1e-9, (count, days)
        shares = []
        for seed in range(20):
            account, losers = share.original(tempfile.mkdtemp(dir=t.folder), count, days, seed, 1)
            equal(sorted(account.lost), sorted(c.number for c in losers), "lost, by their bytes")
            shares.append(account.share_lost())
        assert abs(sum(shares) / 20 - birthday) < 0.05, (count, days, birthday, shares)


@test
def hotfix_keeps_an_item_for_the_next_cycle(t):
    """Ten names for 25 clients: no cycle takes more than ten."""
    cycles = share.hotfix(tempfile.mkdtemp(dir=t.folder), 25, 1, digits=1)
    late = [len(account.late) for account in cycles]
    assert len(late) >= 3 and late[0] >= 15 and late[1] >= 5, late
    equal(late[-1], 0, "late behind the last cycle")
    equal([account.lost + account.twice for account in cycles], [[]] * len(cycles), "lost or twice")


@test
def loss_of_inboxd_would_be_seen(t):
    """A file is taken out of new/ before the comparison."""
    done = run(t, "--build", TOP_BUILD, "--clients", "5", "--repeat", "1", expect=1,
               KB323627_LOSE="1")
    equal(table(done.stdout)[5]["inboxd, lost"], "1", "lost")
    contains(done.stdout, "1 lost, 0 twice.\n"
             "inboxctl verify, of all that came: 35 items, 33 right, 2 claimed\n")
    for text in ("5 clients: LOST: pc0000", "clones: LOST: pc000",
                 "inboxctl verify: want 35 items, all of them right"):
        contains(done.stderr, "NOT AS IT MUST BE: inboxd: " + text)


@test
def wrong_usage_is_told(t):
    for arguments, why in ((["--clients", "5,none"], "'none': want 1 to 50000"),
                           (["--tries", "0"], "'0': want 1 to 1000"), (["more"], "more")):
        contains(run(t, *arguments, expect=64).stderr, why, "error")
    contains(run(t, "--build", t.folder, "--clients", "1", "--repeat", "1", expect=1).stderr,
             "holds no src/inboxd/inboxd: build it first", "error")
    equal(os.listdir(t.folder), [], "what is left")


if __name__ == "__main__":
    main()
