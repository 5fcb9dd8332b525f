/* SPDX-License-Identifier: ISC */
#include "inboxd/base/shares.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "lib/name.h"

struct share {
	uint64_t bytes;
	char client[NAME_CLIENT_MAX + 1];
};

struct shares {
	void *tree; /* tsearch(3) */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct share *)a)->client, ((const struct share *)b)->client);
}

struct shares *
shares_new(void)
{
	return must_alloc(sizeof(struct shares));
}

void
shares_free(struct shares *shares)
{
	while (shares && shares->tree) {
		struct share *share = *(struct share **)shares->tree;

		tdelete(share, &shares->tree, compare);
		free(share);
	}
	free(shares);
}

static struct share *
find(const struct shares *shares, const char *client)
{
	struct share wanted;
	struct share **node;

	snprintf(wanted.client, sizeof wanted.client, "%s", client);
	node = tfind(&wanted, &shares->tree, compare);
	return node ? *node : NULL;
}

static uint64_t
cost(uint64_t size)
{
	return size > SHARES_LEAST ? size : SHARES_LEAST;
}

void
shares_add(struct shares *shares, const char *client, uint64_t size)
{
	struct share *share = find(shares, client);

	if (!share) {
		share = must_alloc(sizeof *share);
		snprintf(share->client, sizeof share->client, "%s", client);
		if (!tsearch(share, &shares->tree, compare))
			fatal(EX_OSERR, "out_of_memory", "what=shares");
	}
	share->bytes += cost(size);
}

int
shares_allow(const struct shares *shares, const char *client, uint64_t size, uint64_t most)
{
	const struct share *share = find(shares, client);

	return !share || (share->bytes <= most && cost(size) <= most - share->bytes);
}
