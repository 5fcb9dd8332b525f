/* SPDX-License-Identifier: ISC */
/*
 * The page's files, those of this folder that are no C, as bytes of the program.  The build turns
 * each into numbers by od(1) and sed(1), which every system has.
 */
#ifndef INBOXD_CONSOLE_ASSETS_H
#define INBOXD_CONSOLE_ASSETS_H

struct http_asset;

/* The one that is served as `path`; NULL: there is none.  Its tag is made of its content. */
const struct http_asset *assets_find(const char *path);

#endif
