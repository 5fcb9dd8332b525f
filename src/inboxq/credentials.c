/* SPDX-License-Identifier: ISC */
#include "inboxq/credentials.h"

#include <string.h>

#include "inboxq/loaded.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/tls.h"

/* By the dates of what runs out first: what is renewed has others. */
static int
is_other(const struct tls *a, const struct tls *b)
{
	for (int kind = 0; kind < TLS_KINDS; kind++) {
		struct tls_date of_a = tls_date(a, (enum tls_kind)kind);
		struct tls_date of_b = tls_date(b, (enum tls_kind)kind);

		if (of_a.from != of_b.from || of_a.until != of_b.until)
			return 1;
	}
	return 0;
}

void
credentials_read(struct credentials *credentials, const struct settings *settings,
    struct tls **tls)
{
	struct why trouble;
	struct tls *now = loaded_tls(settings, &trouble);
	char until[PRINT_TIME_ROOM];

	if (!now) {
		if (strcmp(trouble.text, credentials->trouble.text) != 0)
			log_event(LOG_ERR, "certificates_wrong",
			    "error=\"%s\" note=\"those that were read before stay in use\"",
			    trouble.text);
		credentials->trouble = trouble;
		return;
	}
	if (credentials->trouble.text[0] || is_other(now, *tls)) {
		print_time(until,
		    &(struct timespec){.tv_sec = tls_date(now, TLS_CERTIFICATE).until});
		log_event(LOG_NOTICE, "certificates_read", "ours_until=%s", until);
	}
	credentials->trouble.text[0] = '\0';
	tls_unref(*tls);
	*tls = now;
}
