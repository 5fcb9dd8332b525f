/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/json.h"

#include <inttypes.h>

static void
put_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void
put_key(struct json *json, const char *key)
{
	if (json->has_some)
		fputs(",", json->out);
	json->has_some = 1;
	if (key)
		fprintf(json->out, "\"%s\":", key);
}

void
json_open(struct json *json, const char *key, char bracket)
{
	put_key(json, key);
	fputc(bracket, json->out);
	json->has_some = 0;
}

void
json_close(struct json *json, char bracket)
{
	fputc(bracket, json->out);
	json->has_some = 1;
}

void
json_number(struct json *json, const char *key, uint64_t value)
{
	put_key(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void
json_text(struct json *json, const char *key, const char *value)
{
	put_key(json, key);
	if (value)
		put_text(json->out, value);
	else
		fputs("null", json->out);
}

void
json_truth(struct json *json, const char *key, int value)
{
	put_key(json, key);
	fputs(value ? "true" : "false", json->out);
}

void
json_row(struct json *json)
{
	fputs(json->has_some ? ",\n{" : "\n{", json->out);
	json->has_some = 0;
}
