/* SPDX-License-Identifier: ISC */
/* What is known of a file system; built twice, the second time with DISK_PORTABLE. */
#include "config.h"

#include "lib/disk.h"
#include "lib/filesystem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#endif

#include <cmocka.h>

#ifdef __linux__
/* What the system says that it is; a NULL release: what it is. */
static const char *a_release;
static unsigned long a_type;
static unsigned a_major;

int __real_uname(struct utsname *system);
int __wrap_uname(struct utsname *system);
int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);

int
__wrap_uname(struct utsname *system)
{
	int rc = __real_uname(system);

	if (a_release)
		snprintf(system->release, sizeof system->release, "%s", a_release);
	return rc;
}

int
__wrap_fstatfs(int fd, struct statfs *fs)
{
	int rc = __real_fstatfs(fd, fs);

	if (a_release)
		fs->f_type = (__typeof__(fs->f_type))a_type;
	return rc;
}

int
__wrap_fstat(int fd, struct stat *st)
{
	int rc = __real_fstat(fd, st);

	if (a_release)
		st->st_dev = makedev(a_major, 1);
	return rc;
}

static int
trusts(const char *release, unsigned long type, unsigned major)
{
	int dir = disk_open_dir(AT_FDCWD, "/"), is_so;

	a_release = release;
	a_type = type;
	a_major = major;
	is_so = filesystem_trusts_syncfs(dir);
	a_release = NULL;
	disk_close(dir);
	return is_so;
}
#endif

/* Else drafts would count as durable that are not, and the journal would let go of them. */
static void
trusts_syncfs_only_where_it_syncs_and_tells(void **state)
{
	(void)state;
	assert_int_equal(filesystem_trusts_syncfs(-1), 0);
#ifdef __linux__
	int can = disk_has_syncfs();

	assert_int_equal(trusts("6.1.0-13-amd64", 0xef53, 8), can);
	assert_int_equal(trusts("5.8.0", 0x58465342, 8), can);
	assert_int_equal(trusts("10.0", 0xef53, 8), can);
	assert_int_equal(trusts("5.7.19", 0xef53, 8), 0);
	assert_int_equal(trusts("4.18.0-553.el8.x86_64", 0xef53, 8), 0);
	assert_int_equal(trusts("unheard of", 0xef53, 8), 0);
	/* Without a block device that is told: btrfs, tmpfs, and what nobody has heard of. */
	assert_int_equal(trusts("6.1.0", 0x9123683e, 0), can);
	assert_int_equal(trusts("6.1.0", 0x01021994, 0), can);
	assert_int_equal(trusts("6.1.0", 0x12345678, 8), can);
	assert_int_equal(trusts("6.1.0", 0x12345678, 0), 0);
	/* A program (with a block device, too), an overlay, CephFS, NFS, 9P. */
	assert_int_equal(trusts("6.1.0", 0x65735546, 0), 0);
	assert_int_equal(trusts("6.1.0", 0x65735546, 8), 0);
	assert_int_equal(trusts("6.1.0", 0x794c7630, 0), 0);
	assert_int_equal(trusts("6.1.0", 0x00c36400, 0), 0);
	assert_int_equal(trusts("6.1.0", 0x6969, 0), 0);
	assert_int_equal(trusts("6.1.0", 0x01021997, 0), 0);
#endif
}

static void
names_it_as_the_table_of_mounts_does(void **state)
{
	char name[FILESYSTEM_ROOM];
	int dir = disk_open_dir(AT_FDCWD, "/proc");

	(void)state;
	filesystem_name(-1, name);
	assert_string_equal(name, "unknown");
	if (dir < 0)
		skip();
	filesystem_name(dir, name);
#ifdef __linux__
	/* By its number where the system is too old to say. */
	assert_true(strcmp(name, "proc") == 0 || strcmp(name, "0x9fa0") == 0);
#endif
	disk_close(dir);
}

static void
says_what_lives_in_memory(void **state)
{
	int dir = disk_open_dir(AT_FDCWD, "/dev/shm");

	(void)state;
	assert_int_equal(filesystem_is_volatile(-1), 0);
#ifdef __linux__
	struct statfs fs;

	if (dir >= 0 && fstatfs(dir, &fs) == 0 && fs.f_type == 0x01021994)
		assert_int_equal(filesystem_is_volatile(dir), 1);
	disk_close(dir);
	dir = disk_open_dir(AT_FDCWD, "/proc");
	if (dir >= 0)
		assert_int_equal(filesystem_is_volatile(dir), 0);
#endif
	disk_close(dir);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(trusts_syncfs_only_where_it_syncs_and_tells),
	    cmocka_unit_test(names_it_as_the_table_of_mounts_does),
	    cmocka_unit_test(says_what_lives_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
