/* SPDX-License-Identifier: ISC */
/*
 * The numbers are the kernel's, which never change; those of <linux/landlock.h> would be those of
 * the system that this was built on, which may know less than the one that it runs on.
 */
#include "config.h"

#include "lib/sandbox.h"

#include <errno.h>

#if defined(HAVE_LANDLOCK) && !defined(DISK_PORTABLE)

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/disk.h"

#define ASK_VERSION 1u
#define RULE_PATH_BENEATH 1

/* What can be done with files; the version of the interface that knows it, unless it is 1. */
#define EXECUTE (UINT64_C(1) << 0)
#define WRITE_FILE (UINT64_C(1) << 1)
#define READ_FILE (UINT64_C(1) << 2)
#define READ_DIR (UINT64_C(1) << 3)
#define REMOVE_DIR (UINT64_C(1) << 4)
#define REMOVE_FILE (UINT64_C(1) << 5)
#define MAKE_DIR (UINT64_C(1) << 7)
#define MAKE_REG (UINT64_C(1) << 8)
#define ALL_OF_1 ((UINT64_C(1) << 13) - 1)
#define REFER (UINT64_C(1) << 13)     /* 2: move from one folder to another */
#define TRUNCATE (UINT64_C(1) << 14)  /* 3 */
#define IOCTL_DEV (UINT64_C(1) << 15) /* 5 */

#define BIND_TCP UINT64_C(1) /* 4 */
#define CONNECT_TCP UINT64_C(2)
#define SCOPE_ABSTRACT UINT64_C(1) /* 6 */
#define SCOPE_SIGNAL UINT64_C(2)

/* Before it, no file may be moved from one folder to another. */
#define LEAST 2

/* Both as the kernel has them; it takes the first where what it does not know is 0. */
struct ruleset {
	uint64_t files, network, scopes;
};
struct path_beneath {
	uint64_t files;
	int32_t parent;
} __attribute__((packed));

static int
find_version(struct why *why)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, ASK_VERSION);

	if (version >= LEAST)
		return (int)version;
	if (version >= 0)
		return why_say(why, "the kernel's Landlock cannot let files be moved from one "
		    "folder to another: Linux 5.19 can");
	if (errno == ENOSYS)
		return why_say(why, "the kernel has no Landlock: Linux has it since 5.13, if it "
		    "is built with it");
	if (errno == EOPNOTSUPP)
		return why_say(why, "the kernel's Landlock is switched off: its parameter lsm "
		    "names the modules that are on");
	if (errno == EPERM)
		return why_say(why, "a filter of system calls refuses Landlock's: let it have "
		    "landlock_create_ruleset, landlock_add_rule and landlock_restrict_self");
	return why_say(why, "Landlock: %s", strerror(errno));
}

int
sandbox_lacks(struct why *why)
{
	return find_version(why) < 0 ? -1 : 0;
}

static struct ruleset
handled_by(int version, unsigned flags)
{
	struct ruleset ruleset = {.files = ALL_OF_1 | REFER};

	if (version >= 3)
		ruleset.files |= TRUNCATE;
	if (version >= 4)
		ruleset.network = BIND_TCP | CONNECT_TCP;
	if (version >= 5)
		ruleset.files |= IOCTL_DEV;
	if (version >= 6)
		ruleset.scopes = SCOPE_SIGNAL | (flags & SANDBOX_ABSTRACT ? 0 : SCOPE_ABSTRACT);
	return ruleset;
}

static uint64_t
allowed_by(enum sandbox_use use)
{
	switch (use) {
	case SANDBOX_READ:
		return READ_FILE | READ_DIR;
	case SANDBOX_REMOVE:
		return REMOVE_FILE;
	case SANDBOX_OWN:
		break;
	}
	return READ_FILE | READ_DIR | WRITE_FILE | REMOVE_FILE | REMOVE_DIR | MAKE_REG | MAKE_DIR |
	    REFER | TRUNCATE;
}

static int
add_rule(int ruleset, const struct sandbox_rule *rule, uint64_t handled, struct why *why)
{
	struct path_beneath beneath = {.files = allowed_by(rule->use) & handled};
	struct stat st;
	long rc;

	beneath.parent = open(rule->path, O_PATH | O_CLOEXEC);
	if (beneath.parent < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return 0;
	if (beneath.parent < 0)
		return why_say(why, "%s: %s", rule->path, strerror(errno));
	if (fstat(beneath.parent, &st) == 0 && !S_ISDIR(st.st_mode))
		beneath.files &= READ_FILE | WRITE_FILE | TRUNCATE;
	rc = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &beneath, 0u);
	disk_close(beneath.parent);
	if (rc < 0)
		return why_say(why, "Landlock: %s: %s", rule->path, strerror(errno));
	return 0;
}

int
sandbox_enter(const struct sandbox_rule *rules, size_t count, unsigned flags, struct why *why)
{
	struct ruleset handled;
	int version, ruleset, rc = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) < 0)
		return why_say(why, "no new privileges: %s", strerror(errno));
	version = find_version(why);
	if (version < 0)
		return -1;
	handled = handled_by(version, flags);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0u);
	if (ruleset < 0)
		return why_say(why, "Landlock: %s", strerror(errno));
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_rule(ruleset, &rules[i], handled.files, why);
	if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0u) < 0)
		rc = why_say(why, "Landlock: %s", strerror(errno));
	disk_close(ruleset);
	return rc < 0 ? -1 : version;
}

#else

int
sandbox_lacks(struct why *why)
{
	return why_say(why, "this system has no Landlock, or inboxd was built without it");
}

int
sandbox_enter(const struct sandbox_rule *rules, size_t count, unsigned flags, struct why *why)
{
	(void)rules, (void)count, (void)flags;
	return sandbox_lacks(why);
}

#endif
