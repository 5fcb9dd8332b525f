/* SPDX-License-Identifier: ISC */
/*
 * An example of libinboxq: queues a line of text, and the files that are named, in one batch, and
 * prints their numbers.  It ends with 0 once all of that would survive a power cut.
 *
 *	cc queue-event.c -o queue-event $(pkg-config --cflags --libs libinboxq)
 *	./queue-event status 'disk sda has failed' /var/log/smartd.log
 *
 * INBOXQ_CONF names another configuration than the system's.
 */
#include <inboxq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may be tried again, by whom has time: 75 (EX_TEMPFAIL).  Else 1. */
static int
say(enum inboxq_result result, const struct inboxq_error *error)
{
	fprintf(stderr, "queue-event: %s: %s\n", inboxq_result_text(result), error->text);
	switch (result) {
	case INBOXQ_QUEUE_FULL:
	case INBOXQ_DISK_FULL:
	case INBOXQ_BUSY:
	case INBOXQ_NO_MEMORY:
		return 75;
	default:
		return 1;
	}
}

/* Puts all into the batch, and queues it. */
static int
queue_all(struct inboxq_batch *batch, const char *inbox, const char *text, char **files)
{
	unsigned long long n;
	uint64_t numbers[INBOXQ_BATCH_MAX];
	size_t count = 0, i;
	struct inboxq_item item = INBOXQ_ITEM;
	struct inboxq_error error;
	enum inboxq_result result;

	item.inbox = inbox;
	item.name = "event.txt";
	item.priority = INBOXQ_HIGH;
	result = inboxq_batch_memory(batch, &item, text, strlen(text), &error);
	item.name = NULL; /* each file its own */
	item.priority = INBOXQ_NORMAL;
	for (; result == INBOXQ_OK && *files; files++)
		result = inboxq_batch_file(batch, &item, *files, &error);
	if (result == INBOXQ_OK)
		result = inboxq_batch_queue(batch, numbers, &count, &error);
	for (i = 0; i < count; i++) {
		n = numbers[i];
		printf("%llu\n", n);
	}
	return result == INBOXQ_OK ? 0 : say(result, &error);
}

int
main(int argc, char **argv)
{
	struct inboxq *queue = NULL;
	struct inboxq_batch *batch = NULL;
	struct inboxq_error error;
	enum inboxq_result result;
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: queue-event INBOX TEXT [FILE...]\n");
		return 64;
	}
	result = inboxq_open(&queue, getenv("INBOXQ_CONF"), &error);
	if (result == INBOXQ_OK)
		result = inboxq_batch_begin(&batch, queue, &error);
	rc = result == INBOXQ_OK ? queue_all(batch, argv[1], argv[2], argv + 3)
	                         : say(result, &error);
	inboxq_batch_end(batch);
	inboxq_close(queue);
	return rc;
}
