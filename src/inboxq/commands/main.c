/* SPDX-License-Identifier: ISC */
/*
 * inboxq: the client's copy queue.  main() finds the command in the table, reads the
 * configuration, opens the spool, and lets the command run.
 */
#include "config.h"

#include <errno.h>
#include <locale.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "inboxq/base/settings.h"
#include "inboxq/commands/arguments.h"
#include "inboxq/commands/rows.h"
#include "inboxq/spool/spool.h"
#include "lib/disk.h"
#include "lib/inherit.h"
#include "lib/log.h"

static const struct command *const commands[] = {
    &command_add,
    &command_send,
    &command_run,
    &command_watch,
    &command_relay,
    &command_list,
    &command_status,
    &command_requeue,
    &command_remove,
    &command_check,
    &command_reload,
    &command_fsck,
    NULL,
};

static void
print_conf_error(void *ctx, const char *message)
{
	const struct command *command = ctx;

	if (command->logs)
		log_event(LOG_ERR, "config_error", "note=\"%s\"", message);
	else
		log_complain("inboxq", "%s", message);
}

/* EX_OK with call->spool, which stays NULL where the command has none; or an exit code. */
static int
open_spool(struct command_call *call)
{
	enum command_spool wanted = call->command->spool;
	struct why why;
	int rc;

	if (wanted == COMMAND_NO_SPOOL)
		return EX_OK;
	call->spool = spool_open(call->settings->spool, wanted == COMMAND_MAKES_SPOOL, &why);
	if (call->spool) {
		spool_set_limits(call->spool, &(struct spool_limits){call->settings->items,
		    call->settings->bytes, call->config});
		return EX_OK;
	}
	rc = errno == EPERM || errno == EACCES ? EX_NOPERM : EX_CANTCREAT;
	/* Whoever starts services is to try again. */
	if (call->command->logs && disk_is_full(errno))
		rc = EX_TEMPFAIL;
	if (call->command->logs)
		log_event(LOG_CRIT, "start_failed", "error=\"%s\" exit=%d", why.text, rc);
	else
		log_complain("inboxq", "%s", why.text);
	return rc;
}

static int
run(struct command_call *call)
{
	const struct conf_report report = {print_conf_error, (void *)call->command};
	struct settings settings;
	int rc = EX_CONFIG;

	call->settings = &settings;
	if (settings_read(call->config, &settings, &report) < 0)
		goto out;
	log_setup(conf_log_level(&settings.log), (enum log_format)settings.log.format);
	rc = EX_OSERR;
	if (call->command->logs && log_start() < 0)
		goto out;
	rc = open_spool(call);
	if (rc == EX_OK)
		rc = call->command->run(call);
out:
	spool_close(call->spool);
	settings_free(&settings);
	return rc;
}

int
main(int argc, char **argv)
{
	struct command_call call = {.config = SETTINGS_DEFAULT};
	int rc;

	if (inherit_descriptors() < 0)
		return EX_OSERR;
	setlocale(LC_CTYPE, ""); /* names as people wrote them: lib/table.h */
	switch (arguments_read(commands, &call, argc, argv)) {
	case ARGUMENTS_SHOWN:
		return EX_OK;
	case ARGUMENTS_WRONG:
		return EX_USAGE;
	case ARGUMENTS_RUN:
		break;
	}
	rc = call.command->check ? call.command->check(&call) : EX_OK;
	if (rc != EX_OK)
		return rc;
	inherit_signals(call.holds_hangup);
	umask(077);
	return run(&call);
}
