# SPDX-License-Identifier: ISC
"""The table and the plot: share of clients that miss a message, against their number.

Both are of the results alone, without a date or a duration: one seed, one file, to the byte.
"""

import math

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 64, 60
# (key, style, what the legend says)
LINES = [
    ("second", "original", "the original, all in the same second"),
    ("spread", "original dotted", "the original, spread over %d seconds"),
    ("inboxd", "inboxd", "inboxd"),
    ("hotfix", "hotfix dashed", "the hotfix, after its first cycle"),
]
STYLE = """
  .paper { fill: #ffffff } .grid { stroke: #d8d8d8 } .axis { stroke: #404040 }
  text { font: 13px sans-serif; fill: #202020 } .title { font-size: 16px; font-weight: bold }
  .line { fill: none; stroke-width: 2.5 } .inboxd.line { stroke-width: 7; stroke-opacity: 0.55 }
  .original { stroke: #c62f2f } .hotfix { stroke: #9a6700 } .inboxd { stroke: #1a7f37 }
  .dot.original { fill: #c62f2f } .dot.hotfix { fill: #9a6700 } .dot.inboxd { fill: #1a7f37 }
  .dotted { stroke-dasharray: 2 4 } .dashed { stroke-dasharray: 8 5 } .dot { stroke: none }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #14181d } .grid { stroke: #343a42 } .axis { stroke: #b0b8c0 }
    text { fill: #e6e8ea }
    .original { stroke: #ff7b72 } .hotfix { stroke: #e3b341 } .inboxd { stroke: #56d364 }
    .dot.original { fill: #ff7b72 } .dot.hotfix { fill: #e3b341 } .dot.inboxd { fill: #56d364 }
    .dot { stroke: none }
  }
"""


class Row:
    """One number of clients.  Shares are 0 to 1; lists are sorted, a run each."""

    def __init__(self, clients):
        self.clients = clients
        self.second = None      # share lost, all seeds the same
        self.spread = []        # shares lost, seeds of several seconds
        self.formula = None
        self.hotfix_late = []   # shares not there after the first copy cycle
        self.hotfix_lost = []   # shares lost for good
        self.inboxd = None      # an Account

    def points(self, key):
        """(least, median, most) or None."""
        if key == "second":
            return (self.second,) * 3
        if key == "inboxd":
            return self.inboxd and (self.inboxd.share_lost(),) * 3
        runs = self.spread if key == "spread" else sorted(
            late + lost for late, lost in zip(self.hotfix_late, self.hotfix_lost))
        return runs[0], median(runs), runs[-1]


def median(runs):
    return runs[len(runs) // 2]


def percent(share):
    return "%.1f %%" % (100 * share)


def over_runs(runs):
    runs = sorted(runs)
    if runs[0] == runs[-1]:
        return percent(runs[0])
    return "%s (%.1f to %.1f)" % (percent(median(runs)), 100 * runs[0], 100 * runs[-1])


def table(rows, spread):
    """In Markdown, and aligned for people."""
    heads = ["clients", "original, one second", "original, over %d s" % spread, "by the formula",
             "hotfix, late", "hotfix, lost", "inboxd, lost", "inboxd, twice"]
    cells = [heads] + [[
        str(row.clients), percent(row.second), over_runs(row.spread), percent(row.formula),
        over_runs(row.hotfix_late), over_runs(row.hotfix_lost),
        str(len(row.inboxd.lost)) if row.inboxd else "-",
        str(len(row.inboxd.twice) + row.inboxd.foreign) if row.inboxd else "-"] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    cells.insert(1, ["-" * (width - 1) + ":" for width in widths])
    return "".join("| %s |\n" % " | ".join(cell.rjust(width) for cell, width in zip(line, widths))
                   for line in cells)


class Plot:
    def __init__(self, rows):
        self.rows = rows
        least, most = rows[0].clients, rows[-1].clients
        self.least, self.most = (least, most) if least < most else (least / 2, most * 2)
        self.out = []

    def x(self, clients):
        share = math.log(clients / self.least) / math.log(self.most / self.least)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, share):
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def add(self, text, *values):
        self.out.append(text % values)

    def line(self, kind, x1, y1, x2, y2):
        self.add('<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>', kind, x1, y1, x2, y2)

    def text(self, x, y, text, anchor="start", kind=""):
        self.add('<text%s x="%.1f" y="%.1f" text-anchor="%s">%s</text>',
                 ' class="%s"' % kind if kind else "", x, y, anchor, text)

    def axes(self):
        for tenth in range(0, 11, 2):
            self.line("grid", LEFT, self.y(tenth / 10), WIDTH - RIGHT, self.y(tenth / 10))
            self.text(LEFT - 8, self.y(tenth / 10) + 4, "%d %%" % (10 * tenth), "end")
        for row in self.rows:
            self.line("grid", self.x(row.clients), TOP, self.x(row.clients), self.y(0))
            self.text(self.x(row.clients), self.y(0) + 20, "{:,}".format(row.clients), "middle")
        self.line("axis", LEFT, self.y(0), WIDTH - RIGHT, self.y(0))
        self.line("axis", LEFT, TOP, LEFT, self.y(0))
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14,
                  "clients that run one advertisement at once (logarithmic)", "middle")
        self.add('<text transform="translate(16 %.1f) rotate(-90)" text-anchor="middle">%s</text>',
                 (TOP + self.y(0)) / 2, "clients that miss a message")

    def series(self, key, kind):
        points = [(self.x(row.clients), *map(self.y, row.points(key))) for row in self.rows
                  if row.points(key)]
        if not points:
            return
        self.add('<polyline class="line %s" points="%s"/>', kind,
                 " ".join("%.1f,%.1f" % (x, y) for x, _, y, _ in points))
        for x, low, y, high in points:
            if low - high > 0.5:
                self.line(kind.split()[0], x, low, x, high)
            self.add('<circle class="dot %s" cx="%.1f" cy="%.1f" r="3.5"/>', kind.split()[0], x, y)

    def legend(self, spread):
        for i, (key, kind, text) in enumerate(LINES):
            if all(row.points(key) for row in self.rows):
                y = TOP + 20 + 22 * i
                self.line("line " + kind, LEFT + 14, y - 4, LEFT + 50, y - 4)
                self.text(LEFT + 58, y, text % spread if "%d" in text else text)


def svg(rows, spread, seed):
    plot = Plot(rows)
    worst = rows[-1]
    plot.add('<?xml version="1.0" encoding="UTF-8"?>\n<!-- SPDX-License-Identifier: ISC -->\n'
             '<!-- made by contrib/kb323627/run, seed %d -->', seed)
    plot.add('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" '
             'aria-labelledby="title desc">', WIDTH, HEIGHT)
    plot.add('<title id="title">Lost messages, by the number of clients: KB 323627 and inboxd'
             '</title>')
    plot.add('<desc id="desc">With %d clients at once the original loses the message of %s of '
             'them if all start in the same second, and of %s if they start within %d seconds. '
             'After the first copy cycle of the hotfix it is not there of %s%s.</desc>',
             worst.clients, percent(worst.second), percent(worst.points("spread")[1]), spread,
             percent(worst.points("hotfix")[1]),
             ", and of inboxd's of %s" % percent(worst.inboxd.share_lost()) if worst.inboxd
             else "")
    plot.add('<style>%s</style>', STYLE)
    plot.add('<rect class="paper" width="%d" height="%d"/>', WIDTH, HEIGHT)
    plot.text(WIDTH / 2, 30, "Clients with one clock, and one message each: who misses it?",
              "middle", "title")
    plot.axes()
    for key, kind, _ in LINES:
        plot.series(key, kind)
    plot.legend(spread)
    plot.out.append("</svg>\n")
    return "\n".join(plot.out)
