/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/top_screen.h"

#include <inttypes.h>
#include <jansson.h>
#include <langinfo.h>
#include <string.h>

#include "inboxctl/base/when.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/problems.h"
#include "inboxctl/screens/show_inboxes.h"
#include "inboxctl/screens/summary.h"
#include "inboxctl/screens/top_tables.h"
#include "lib/line.h"
#include "lib/table.h"

#define LOW 16            /* rows below which only what matters most is shown */
#define NARROW 72         /* columns below which a line has one of the latencies */
#define LABEL_WIDTH 13
#define CURVE_LEAST 10    /* columns */

/* The lines that are still free. */
struct sheet {
	const struct top_view *view;
	const struct screen *screen;
	FILE *out;
	size_t left;
};

/* 0: there is no room for another line. */
static int
begin(struct sheet *sheet, struct line *line, const char *label)
{
	if (sheet->left == 0)
		return 0;
	sheet->left--;
	line_begin(line, sheet->out, sheet->screen);
	if (label) {
		line_add(line, TINT_HEAD, "%-*s", LABEL_WIDTH - 1, label);
		line_to(line, LABEL_WIDTH);
	}
	return 1;
}

static void
blank(struct sheet *sheet)
{
	struct line line;

	if (begin(sheet, &line, NULL))
		line_end(&line);
}

/* ---- the head */

static void
clock_text(char text[WHEN_ROOM], const struct top_view *view)
{
	char when[WHEN_ROOM];

	when_print(when, view->now * 1000000, 0);
	snprintf(text, WHEN_ROOM, "%.8s UTC", when + 11);
}

static void
head(struct sheet *sheet)
{
	const struct top_view *view = sheet->view;
	struct problem problems[PROBLEMS_MAX];
	size_t count = view->status ? problems_find(view->status, problems) : 0, most;
	char verdict[PROBLEMS_VERDICT_ROOM], when[WHEN_ROOM], span[TABLE_CELL_ROOM];
	struct line line;

	clock_text(when, view);
	if (!begin(sheet, &line, NULL))
		return;
	line_add(&line, TINT_NONE, "%s ", when);
	if (view->is_paused)
		line_add(&line, TINT_WARN, "this screen is paused ");
	enum tint tint = problems_verdict(problems, count, verdict);
	line_add(&line, view->trouble ? TINT_BAD : tint, "%s",
	    view->trouble ? "no answer" : verdict);
	line_add(&line, TINT_NONE, ": ");
	if (view->status)
		summary_head(&line, view->status);
	line_end(&line);
	if (view->trouble && begin(sheet, &line, NULL)) {
		table_span(span, view->silent);
		line_add(&line, TINT_BAD, "no answer for %s: %s", span, view->trouble);
		line_end(&line);
	}
	most = sheet->left < LOW ? 1 : 3;
	most = most < sheet->left ? most : sheet->left;
	problems_show(problems, count, most, sheet->out, sheet->screen);
	sheet->left -= count < most ? count : most;
}

/* ---- rates */

/* "0.42 ms", "1.3 s", "12"; what is above the largest bound as ">10 s". */
static void
print_quantile(char text[TABLE_CELL_ROOM], const struct rates_quantile *quantile, int is_time)
{
	static const struct {
		double from, by;
		const char *unit;
	} units[] = {{1, 1, "s"}, {1e-3, 1e3, "ms"}, {0, 1e6, "us"}};
	const char *above = quantile->known == RATES_ABOVE ? ">" : "";
	size_t i = 0;

	if (quantile->known == RATES_UNKNOWN) {
		snprintf(text, TABLE_CELL_ROOM, "-");
		return;
	}
	if (!is_time) {
		snprintf(text, TABLE_CELL_ROOM, "%s%.0f", above, quantile->value);
		return;
	}
	while (quantile->value < units[i].from)
		i++;
	double value = quantile->value * units[i].by;
	snprintf(text, TABLE_CELL_ROOM, "%s%.*f %s", above, value < 10 ? 1 : 0, value,
	    units[i].unit);
}

static void
add_quantiles(struct line *line, const struct rates *rates, enum rates_histogram which,
    const char *what)
{
	char half[TABLE_CELL_ROOM] = "-", most[TABLE_CELL_ROOM] = "-";

	if (rates) {
		int is_time = which != RATES_BATCH;
		print_quantile(half, &rates->half[which], is_time);
		print_quantile(most, &rates->most[which], is_time);
	}
	line_add(line, TINT_NONE, "%s%s (99%%: %s)", what, half, most);
}

static void
add_rate(struct line *line, enum tint tint, const struct rates *rates, enum rates_counter which,
    const char *words)
{
	double rate = rates ? rates->per_second[which] : 0;

	if (!rates)
		line_add(line, TINT_NONE, "- %s", words);
	else
		line_add(line, rate > 0 ? tint : TINT_NONE, "%.*f %s", rate > 0 && rate < 10, rate,
		    words);
}

static void
items(struct sheet *sheet)
{
	const struct rates *rates = sheet->view->rates;
	char size[TABLE_CELL_ROOM] = "-";
	struct line line;

	if (!begin(sheet, &line, "items/s"))
		return;
	if (rates)
		table_size(size, (uint64_t)rates->per_second[RATES_BYTES]);
	add_rate(&line, TINT_NONE, rates, RATES_STORED, "stored");
	line_add(&line, TINT_NONE, " (%s/s), ", size);
	add_rate(&line, TINT_NONE, rates, RATES_AGAIN, "again, ");
	add_rate(&line, TINT_WARN, rates, RATES_LATER, "later");
	line_add(&line, TINT_NONE, ", ");
	add_rate(&line, TINT_WARN, rates, RATES_REFUSED, "refused");
	line_add(&line, TINT_NONE, ", ");
	add_rate(&line, TINT_NONE, rates, RATES_CUT_OFF, "cut off");
	line_end(&line);
}

static void
latencies(struct sheet *sheet)
{
	const struct rates *rates = sheet->view->rates;
	struct line line;

	int is_narrow = sheet->screen->width > 0 && sheet->screen->width < NARROW;

	if (begin(sheet, &line, "latency")) {
		add_quantiles(&line, rates, RATES_ACKNOWLEDGE, "acknowledged ");
		if (!is_narrow)
			add_quantiles(&line, rates, RATES_PUBLISH, ", in new/ ");
		line_end(&line);
	}
	if (is_narrow && begin(sheet, &line, "")) {
		add_quantiles(&line, rates, RATES_PUBLISH, "in new/ ");
		line_end(&line);
	}
	if (begin(sheet, &line, "batches")) {
		add_quantiles(&line, rates, RATES_BATCH, "items ");
		line_add(&line, TINT_NONE, ", ");
		add_rate(&line, TINT_NONE, rates, RATES_SYNCS, "syncs/s");
		add_quantiles(&line, rates, RATES_SYNC, " of ");
		line_end(&line);
	}
}

/* What was stored a second, the newest at the right, as high as the highest one shown. */
static void
curve(struct sheet *sheet)
{
	static const char *const blocks[] = {" ", "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
	    "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88"};
	static const char *const plain[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
	int utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	const struct top_view *view = sheet->view;
	size_t width = sheet->screen->width > 0 ? sheet->screen->width : 80, first;
	double most = 0;
	struct line line;

	if (width < LABEL_WIDTH + CURVE_LEAST + 12 || !begin(sheet, &line, "stored/s"))
		return;
	width -= LABEL_WIDTH + 12;
	first = view->history_count > width ? view->history_count - width : 0;
	for (size_t i = first; i < view->history_count; i++)
		most = view->history[i] > most ? view->history[i] : most;
	for (size_t i = first; i < view->history_count; i++) {
		size_t step = most > 0 && view->history[i] > 0
		    ? 1 + (size_t)(7 * view->history[i] / most) : 0;
		line_add(&line, TINT_NONE, "%s", (utf8 ? blocks : plain)[step]);
	}
	line_add(&line, TINT_NONE, " max %.1f", most);
	line_end(&line);
}

static void
summary(struct sheet *sheet, enum summary which)
{
	struct line line;

	if (!begin(sheet, &line, NULL))
		return;
	summary_line(&line, which, sheet->view->status, sheet->view->inboxes);
	line_end(&line);
}

int
top_show(const struct top_view *view, size_t rows, const struct screen *screen, FILE *out)
{
	struct sheet sheet = {view, screen, out, rows};
	int is_low = rows < LOW;

	head(&sheet);
	if (!view->status)
		return 0;
	items(&sheet);
	if (!is_low)
		curve(&sheet);
	latencies(&sheet);
	summary(&sheet, SUMMARY_WAY);
	if (is_low)
		summary(&sheet, SUMMARY_INBOXES);
	summary(&sheet, SUMMARY_CLIENTS);
	summary(&sheet, SUMMARY_DISK);
	summary(&sheet, SUMMARY_CERTIFICATES);
	if (is_low)
		return 0;
	blank(&sheet);
	return top_tables(view, sheet.left, screen, out);
}
