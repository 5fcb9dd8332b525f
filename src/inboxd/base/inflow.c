/* SPDX-License-Identifier: ISC */
#include "inboxd/base/inflow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "lib/log.h"

#define NEAR 20 /* a bound is left when less than it without its 20th part waits */

struct inflow *
inflow_new(void)
{
	struct inflow *inflow = aligned_alloc(alignof(struct inflow), sizeof *inflow);

	if (!inflow)
		fatal(EX_OSERR, "out_of_memory", "bytes=%zu", sizeof *inflow);
	memset(inflow, 0, sizeof *inflow);
	atomic_init(&inflow->references, 1);
	return inflow;
}

void
inflow_ref(struct inflow *inflow)
{
	atomic_fetch_add_explicit(&inflow->references, 1, memory_order_relaxed);
}

void
inflow_unref(struct inflow *inflow)
{
	if (inflow &&
	    atomic_fetch_sub_explicit(&inflow->references, 1, memory_order_acq_rel) == 1)
		free(inflow);
}

/* ---- what passes */

/* One thread writes a sum, so no addition that locks the line is needed.  Release, for whoever
 * concludes from a sum what was done before: inflow_mark(). */
static void
add(struct inflow_sum *sum, uint64_t items, uint64_t bytes)
{
	uint64_t items_now = atomic_load_explicit(&sum->items, memory_order_relaxed);
	uint64_t bytes_now = atomic_load_explicit(&sum->bytes, memory_order_relaxed);

	atomic_store_explicit(&sum->bytes, bytes_now + bytes, memory_order_release);
	atomic_store_explicit(&sum->items, items_now + items, memory_order_release);
}

void
inflow_take(struct inflow *inflow, uint64_t size)
{
	add(&inflow->taken, 1, size);
}

void
inflow_untake(struct inflow *inflow, uint64_t size)
{
	add(&inflow->taken, -UINT64_C(1), -size);
}

void
inflow_store(struct inflow *inflow, uint64_t size, int64_t now)
{
	add(&inflow->stored, 1, size);
	atomic_store_explicit(&inflow->last, now, memory_order_relaxed);
}

void
inflow_publish(struct inflow *inflow, uint64_t size)
{
	add(&inflow->published, 1, size);
}

/* ---- what waits */

struct waits {
	int64_t items, bytes;
};

static struct waits
waits(const struct inflow *inflow)
{
	return (struct waits){
	    atomic_load(&inflow->beside_items) + (int64_t)atomic_load(&inflow->taken.items),
	    atomic_load(&inflow->beside_bytes) + (int64_t)atomic_load(&inflow->taken.bytes)};
}

static int
fits(int64_t there, uint64_t more, uint64_t most)
{
	return most == 0 || there <= 0 ||
	    ((uint64_t)there <= most && more <= most - (uint64_t)there);
}

static int
is_near(int64_t there, uint64_t most)
{
	return most > 0 && there > 0 && (uint64_t)there >= most - most / NEAR;
}

static int
are_near(const struct waits *there, const struct inflow_bounds *most)
{
	return is_near(there->items, most->items) || is_near(there->bytes, most->bytes);
}

int
inflow_has_room(struct inflow *inflow, const struct inflow_bounds *most, uint64_t size,
    const char *name)
{
	struct waits there;

	if (inflow_is_over(inflow))
		return 0;
	if (most->items == 0 && most->bytes == 0)
		return 1;
	there = waits(inflow);
	if (fits(there.items, 1, most->items) && fits(there.bytes, size, most->bytes))
		return 1;
	if (!are_near(&there, most))
		return 0;
	atomic_store(&inflow->over, 1);
	log_event(LOG_WARNING, "inbox_over_limit",
	    "inbox=%s waiting=%" PRId64 " bytes=%" PRId64 " limit_items=%" PRIu64
	    " limit_bytes=%" PRIu64 " note=\"clients keep what they have for it\"",
	    name, there.items, there.bytes, most->items, most->bytes);
	return 0;
}

int
inflow_is_over(const struct inflow *inflow)
{
	return atomic_load_explicit(&inflow->over, memory_order_relaxed);
}

static int
is_half(int64_t there, uint64_t most)
{
	return most > 0 && there > 0 && (uint64_t)there >= most / 2;
}

int
inflow_wants_count(const struct inflow *inflow, const struct inflow_bounds *most)
{
	struct waits there = waits(inflow);

	return inflow_is_over(inflow) || is_half(there.items, most->items) ||
	    is_half(there.bytes, most->bytes);
}

struct inflow_mark
inflow_mark(const struct inflow *inflow)
{
	return (struct inflow_mark){
	    atomic_load_explicit(&inflow->published.items, memory_order_acquire),
	    atomic_load_explicit(&inflow->published.bytes, memory_order_acquire)};
}

void
inflow_counted(struct inflow *inflow, const struct inflow_bounds *most,
    const struct inflow_mark *before, uint64_t items, uint64_t bytes, const char *name)
{
	struct waits there;

	atomic_store(&inflow->beside_items, (int64_t)(items - before->items));
	atomic_store(&inflow->beside_bytes, (int64_t)(bytes - before->bytes));
	if (!inflow_is_over(inflow))
		return;
	there = waits(inflow);
	if (are_near(&there, most))
		return;
	atomic_store(&inflow->over, 0);
	log_event(LOG_NOTICE, "inbox_has_room",
	    "inbox=%s waiting=%" PRId64 " bytes=%" PRId64 " note=\"items are taken again\"", name,
	    there.items, there.bytes);
}
