/* SPDX-License-Identifier: ISC */
#include "inboxd/console/assets.h"

#include <stdio.h>
#include <string.h>

#include "inboxd/status/http.h"
#include "lib/crc.h"

#define HTML "text/html; charset=utf-8"
#define CSS "text/css; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"

static const unsigned char html[] = {
#include <src/inboxd/console/console.html.inc>
}, css[] = {
#include <src/inboxd/console/console.css.inc>
}, console[] = {
#include <src/inboxd/console/console.js.inc>
}, clients[] = {
#include <src/inboxd/console/clients.js.inc>
}, figures[] = {
#include <src/inboxd/console/figures.js.inc>
}, plots[] = {
#include <src/inboxd/console/plots.js.inc>
}, tables[] = {
#include <src/inboxd/console/tables.js.inc>
};

static struct {
	const char *path;
	struct http_asset asset;
	char tag[24]; /* "": it is not made yet */
} assets[] = {
    {"/", {.type = HTML, .bytes = html, .len = sizeof html}, ""},
    {"/console.css", {.type = CSS, .bytes = css, .len = sizeof css}, ""},
    {"/console.js", {.type = SCRIPT, .bytes = console, .len = sizeof console}, ""},
    {"/clients.js", {.type = SCRIPT, .bytes = clients, .len = sizeof clients}, ""},
    {"/figures.js", {.type = SCRIPT, .bytes = figures, .len = sizeof figures}, ""},
    {"/plots.js", {.type = SCRIPT, .bytes = plots, .len = sizeof plots}, ""},
    {"/tables.js", {.type = SCRIPT, .bytes = tables, .len = sizeof tables}, ""},
};

const struct http_asset *
assets_find(const char *path)
{
	for (size_t i = 0; i < sizeof assets / sizeof assets[0]; i++) {
		struct http_asset *asset = &assets[i].asset;
		if (strcmp(path, assets[i].path) != 0)
			continue;
		if (!asset->tag)
			snprintf(assets[i].tag, sizeof assets[i].tag, "\"%08x-%zx\"",
			    (unsigned)crc32c(0, asset->bytes, asset->len), asset->len);
		asset->tag = assets[i].tag;
		return asset;
	}
	return NULL;
}
