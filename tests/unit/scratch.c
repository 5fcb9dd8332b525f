/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>

static char folder[256];

int
scratch_make(const char *name)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, sizeof folder, "%s/%s.XXXXXX", tmp ? tmp : "/tmp", name);
	return mkdtemp(folder) ? 0 : -1;
}

int
scratch_delete(void)
{
	char command[300];

	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

const char *
scratch_path(void)
{
	return folder;
}

const char *
below(const char *name)
{
	static char path[2][600];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
	return path[turn];
}
