/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "library_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"

static char folder[] = "/tmp/inboxd-library-XXXXXX";

const char *
world_path(const char *name)
{
	static _Thread_local char paths[4][512];
	static _Thread_local unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

struct inboxq_item
world_item(const char *inbox)
{
	struct inboxq_item item = INBOXQ_ITEM;

	item.inbox = inbox;
	return item;
}

const char *
world_file(const char *name, const void *bytes, size_t size)
{
	const char *path = world_path(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return path;
}

void
world_bound(unsigned items)
{
	char text[1024];

	snprintf(text, sizeof text,
	    "[queue]\nspool = %s/spool\nitems = %u\n[server]\nservers = 127.0.0.1\n"
	    "[tls]\ncertificate = /nowhere\nkey = /nowhere\nca = /nowhere\n",
	    folder, items);
	world_file("inboxq.conf", text, strlen(text));
}

int
world_begin(void **state)
{
	(void)state;
	strcpy(strrchr(folder, '-') + 1, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	world_bound(0);
	return 0;
}

static int
delete_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

int
world_end(void **state)
{
	(void)state;
	return nftw(folder, delete_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct inboxq *
world_open(void)
{
	struct inboxq_error error;
	struct inboxq *queue;
	enum inboxq_result result = inboxq_open(&queue, WORLD_CONF, &error);

	if (result != INBOXQ_OK)
		print_error("%s\n", error.text);
	assert_int_equal(result, INBOXQ_OK);
	return queue;
}

static struct spool *
open_spool(void)
{
	struct why why;
	struct spool *spool = spool_open(world_path("spool"), 0, &why);

	assert_non_null(spool);
	return spool;
}

int
world_has(uint64_t n, const void *bytes, size_t size)
{
	struct spool *spool = open_spool();
	char *found = malloc(size + 1);
	struct spool_item item;
	struct why why;
	int fd = item_open(spool, SPOOL_QUEUE, n, &item, &why);
	int has = fd >= 0 && item.size == size && read(fd, found, size + 1) == (ssize_t)size &&
	    memcmp(found, bytes, size) == 0 && !item_is_damaged(spool, SPOOL_QUEUE, n);

	if (fd >= 0)
		close(fd);
	free(found);
	spool_close(spool);
	return has;
}

size_t
world_queued(void)
{
	struct spool *spool = open_spool();
	struct spool_numbers numbers;

	assert_int_equal(spool_list(spool, SPOOL_QUEUE, &numbers), 0);
	for (size_t i = 0; i < numbers.count; i++)
		assert_false(item_is_damaged(spool, SPOOL_QUEUE, numbers.at[i]));
	free(numbers.at);
	spool_close(spool);
	return numbers.count;
}

size_t
world_drafts(void)
{
	DIR *dir = opendir(world_path("spool/tmp"));
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

int
world_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}
