/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/root/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "lib/disk.h"
#include "lib/parse.h"

/* NULL at the end (errno is 0), or failed. */
static const char *
next_name(DIR *listing)
{
	const struct dirent *file;

	do {
		errno = 0;
		file = readdir(listing);
	} while (file && (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0));
	return file ? file->d_name : NULL;
}

static void
close_listing(DIR *listing)
{
	int error = errno;

	closedir(listing);
	errno = error;
}

/* ---- the files of one */

/* The array with room for `more`; NULL: memory is out, and the array is freed. */
static void *
grown(void *array, size_t count, size_t *room, size_t more, size_t size)
{
	void *larger;

	if (count + more <= *room)
		return array;
	while (*room < count + more)
		*room = *room == 0 ? 1024 : 2 * *room;
	larger = reallocarray(array, *room, size);
	if (!larger)
		free(array);
	return larger;
}

static int
compare_files(const void *a, const void *b, void *names)
{
	return strcmp((char *)names + *(const size_t *)a, (char *)names + *(const size_t *)b);
}

static int
read_names(struct folder *folder, DIR *listing)
{
	size_t length = 0, names_room = 0, files_room = 0;
	const char *name;

	while ((name = next_name(listing)) != NULL) {
		size_t len = strlen(name) + 1;
		folder->names = grown(folder->names, length, &names_room, len, 1);
		folder->files =
		    grown(folder->files, folder->count, &files_room, 1, sizeof(size_t));
		if (!folder->names || !folder->files) {
			errno = ENOMEM;
			return -1;
		}
		memcpy(folder->names + length, name, len);
		folder->files[folder->count++] = length;
		length += len;
	}
	if (errno != 0)
		return -1;
	folder->known = calloc(folder->count + 1, 1);
	if (!folder->known)
		return -1;
	if (folder->count > 0)
		qsort_r(folder->files, folder->count, sizeof(size_t), compare_files,
		    folder->names);
	return 0;
}

int
folder_open_part(int root, const char *name, const char *part)
{
	int folder = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd = folder < 0
	    ? -1
	    : openat(folder, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int error = errno;

	if (folder >= 0)
		close(folder);
	errno = error;
	return fd;
}

/* 1: it is an inbox; 0: it is something else; -1: with errno. */
static int
folder_open(struct folder *folder, int root, const char *name)
{
	DIR *listing;
	int rc;

	*folder = (struct folder){.new = -1, .cur = -1, .tmp = -1};
	memcpy(folder->name, name, strlen(name) + 1);
	folder->new = folder_open_part(root, name, "new");
	if (folder->new < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	folder->cur = folder_open_part(root, name, "cur");
	folder->tmp = folder_open_part(root, name, "tmp");
	listing = disk_list(folder->new);
	if (!listing)
		return -1;
	rc = read_names(folder, listing);
	close_listing(listing);
	return rc < 0 ? -1 : 1;
}

static void
folder_close(struct folder *folder)
{
	int parts[] = {folder->new, folder->cur, folder->tmp};

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (parts[i] >= 0)
			close(parts[i]);
	free(folder->names);
	free(folder->files);
	free(folder->known);
}

const char *
folder_file(const struct folder *folder, size_t i)
{
	return folder->names + folder->files[i];
}

void
folder_know(struct folder *folder, const char *name)
{
	size_t low = 0, high = folder->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(folder_file(folder, middle), name);
		if (order == 0) {
			folder->known[middle] = 1;
			return;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
}

size_t
folder_count_drafts(const struct folder *folder, long long seconds)
{
	DIR *listing = folder->tmp >= 0 ? disk_list(folder->tmp) : NULL;
	time_t now = time(NULL);
	const char *name;
	struct stat st;
	size_t count = 0;

	if (!listing)
		return 0;
	while ((name = next_name(listing)) != NULL)
		count += fstatat(folder->tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    now - st.st_mtime >= seconds;
	closedir(listing);
	return count;
}

/* ---- all of them */

static int
add_folder(struct folders *folders, int root, const char *name)
{
	struct folder *all =
	    reallocarray(folders->all, folders->count + 1, sizeof *folders->all);
	int rc;

	if (!all)
		return -1;
	folders->all = all;
	rc = folder_open(&all[folders->count], root, name);
	if (rc > 0) {
		folders->count++;
	} else {
		int error = errno;
		folder_close(&all[folders->count]);
		errno = error;
	}
	return rc;
}

static int
compare_folders(const void *a, const void *b)
{
	return strcmp(((const struct folder *)a)->name, ((const struct folder *)b)->name);
}

static int
add_all(struct folders *folders, int root)
{
	DIR *listing = disk_list(root);
	const char *name;

	if (!listing) {
		complain("root: %s", strerror(errno));
		return -1;
	}
	while ((name = next_name(listing)) != NULL) {
		if (!is_plain_name(name, strlen(name), PROTO_INBOX_MAX) ||
		    add_folder(folders, root, name) >= 0)
			continue;
		complain("inbox %s: %s", name, strerror(errno));
		closedir(listing);
		return -1;
	}
	if (errno != 0) {
		complain("root: %s", strerror(errno));
		close_listing(listing);
		return -1;
	}
	closedir(listing);
	if (folders->count > 0)
		qsort(folders->all, folders->count, sizeof *folders->all, compare_folders);
	return 0;
}

int
folders_open(struct folders *folders, int root, const char *only)
{
	int rc;

	*folders = (struct folders){NULL, 0};
	if (!only)
		return add_all(folders, root);
	rc = add_folder(folders, root, only);
	if (rc < 0)
		complain("inbox %s: %s", only, strerror(errno));
	if (rc == 0)
		complain("inbox %s: the root has no such inbox", only);
	return rc > 0 ? 0 : -1;
}

void
folders_close(struct folders *folders)
{
	for (size_t i = 0; i < folders->count; i++)
		folder_close(&folders->all[i]);
	free(folders->all);
}

struct folder *
folders_find(const struct folders *folders, const char *name)
{
	struct folder key = {.new = -1};

	if (folders->count == 0 || strlen(name) >= sizeof key.name)
		return NULL;
	memcpy(key.name, name, strlen(name) + 1);
	return bsearch(&key, folders->all, folders->count, sizeof key, compare_folders);
}
