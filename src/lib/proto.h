/* SPDX-License-Identifier: ISC */
/*
 * The codec of inbox-protocol(7): a line to a struct and back, by one table
 * (proto_verbs) with a row a verb.  Pure: no input or output, no allocation,
 * no clock; what it hands out points into the line it was given.
 */
#ifndef LIB_PROTO_H
#define LIB_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

#define PROTO_VERSION 1
#define PROTO_ALPN "inbox/1"
#define PROTO_LINE_MAX 1024 /* bytes, with the LF */
#define PROTO_NUMBER_MAX INT64_MAX
#define PROTO_ID_LEN 32     /* hexadecimal digits: a receiver's id, and ... */
#define PROTO_QUEUE_LEN PROTO_ID_LEN /* ... a queue's */
#define PROTO_QUEUE_SHOWN 8 /* digits of it that people are shown */
#define PROTO_INBOX_MAX 64  /* bytes */
#define PROTO_INBOX_WANT \
	"1 to 64 letters, digits, dots, hyphens or underscores, a letter or digit first"
#define PROTO_NAME_MAX 255  /* bytes */
#define PROTO_DATA_MAX 262144 /* bytes of one DATA */
#define PROTO_OPENS_MAX 8     /* items open on one connection */
#define PROTO_WAIT_EVERY 5  /* seconds between two WAIT */
#define PROTO_STATE_EVERY 15 /* seconds between two STATE, at least */

enum proto_side { PROTO_CLIENT, PROTO_SERVER };

enum proto_verb {
	VERB_HELLO,
	VERB_PUT,
	VERB_OPEN,
	VERB_DATA,
	VERB_SETTLED,
	VERB_SKIP,
	VERB_STATE,
	VERB_PING,
	VERB_QUIT,
	VERB_READY,
	VERB_STORED,
	VERB_LATER,
	VERB_REFUSED,
	VERB_SEND,
	VERB_PONG,
	VERB_WAIT,
	VERB_GOAWAY,
	VERB_BYE,
	VERB_ERROR,
	PROTO_VERBS
};

/* Fixed fields and keys alike.  Numeric ones are in `number`, the rest in
 * `text`. */
enum proto_field {
	FIELD_NONE,
	FIELD_VERSION,
	FIELD_QUEUE,
	FIELD_SETTLED,
	FIELD_NUMBER,
	FIELD_INBOX,
	FIELD_SIZE,
	FIELD_SHA256,
	FIELD_OFFSET,
	FIELD_LENGTH,
	FIELD_NAME,    /* the name an item got */
	FIELD_SECONDS,
	FIELD_CODE,    /* also a reason */
	FIELD_HOST,
	FIELD_PENDING, /* keys from here on ... */
	FIELD_OLDEST,
	FIELD_FAILED,
	FIELD_FREE,
	FIELD_AGENT,   /* escaped as in the line, as is ... */
	FIELD_HINT,    /* ... name=, what the file was called */
	FIELD_TIME,
	FIELD_WINDOW,
	FIELD_BYTES,
	FIELD_INLINE,
	FIELD_ITEM,
	FIELD_IDLE,
	FIELD_MARK,    /* settled= in READY, as is ... */
	FIELD_EVERY,   /* ... state=, and ... */
	FIELD_ID,      /* ... the receiver's */
	FIELD_AGAIN,   /* ... to here */
	FIELD_TEXT,    /* the rest of the line */
	PROTO_FIELDS
};

struct span {
	const char *at;
	size_t len;
};

/* As a text of its own, cut at `room`. */
void span_copy(char *dst, size_t room, struct span text);

struct proto_line {
	enum proto_verb verb;
	uint32_t set; /* bit 1 << field: the field is there */
	uint64_t number[PROTO_FIELDS];
	struct span text[PROTO_FIELDS];
};

static inline int
proto_has(const struct proto_line *line, enum proto_field field)
{
	return (line->set >> field) & 1;
}

/* The codes of inbox-protocol(7), "CODES": verb, name in C, name on the line. */
#define PROTO_CODES(X)                        \
	X(LATER, DIGEST, "digest")            \
	X(LATER, FULL, "full")                \
	X(LATER, TROUBLE, "trouble")          \
	X(LATER, UNSETTLED, "unsettled")      \
	X(LATER, BUSY, "busy")                \
	X(LATER, USE_OPEN, "use-open")        \
	X(LATER, USE_PUT, "use-put")          \
	X(LATER, NO_INBOX, "no-inbox")        \
	X(LATER, NOT_ALLOWED, "not-allowed")  \
	X(LATER, TOO_LARGE, "too-large")      \
	X(LATER, PAUSED, "paused")            \
	X(LATER, INBOX_FULL, "inbox-full")    \
	X(REFUSED, NO_INBOX, "no-inbox")      \
	X(REFUSED, NOT_ALLOWED, "not-allowed") \
	X(REFUSED, TOO_LARGE, "too-large")    \
	X(GOAWAY, STOPPING, "stopping")       \
	X(GOAWAY, IDLE, "idle")               \
	X(GOAWAY, SUPERSEDED, "superseded")   \
	X(GOAWAY, CROWDED, "crowded")         \
	X(ERROR, LINE, "line")                \
	X(ERROR, VERB, "verb")                \
	X(ERROR, STATE, "state")              \
	X(ERROR, FIELD, "field")              \
	X(ERROR, VERSION, "version")          \
	X(ERROR, IDENTITY, "identity")

enum proto_code {
#define X(verb, name, text) CODE_##verb##_##name,
	PROTO_CODES(X)
#undef X
	PROTO_CODE_COUNT
};
const char *proto_code_text(enum proto_code code);
enum proto_verb proto_code_verb(enum proto_code code);

/* What is wrong with a line: `code` is one of CODE_ERROR_*, `text` says where
 * and what would be right; it is safe to send and to log. */
struct proto_error {
	enum proto_code code;
	char text[256];
};

/* How many bytes at `data` make the first line, with its LF: 0 if more are
 * needed, -1 and *error if they cannot be a line, whatever follows. */
MUST_CHECK int proto_find_line(const unsigned char *data, size_t len, struct proto_error *error);

/*
 * Parses one line said by `from`, without its LF.  0, or -1 and *error.
 * All spans point into `line`.
 */
MUST_CHECK int proto_parse(const char *line, size_t len, enum proto_side from,
    struct proto_line *out, struct proto_error *error);

/*
 * Writes the line, with its LF, into `dst`.  Fixed fields of the verb must be
 * set and fit their grammar; keys and text go out where they are set.  A text
 * that is too long for the line is cut.  Returns the length.
 */
size_t proto_format(const struct proto_line *line, char dst[PROTO_LINE_MAX + 1]);

/* To build a line: proto_line_start(), then these, then proto_format().  Text
 * is borrowed, must fit the field's grammar (escape_bytes() first). */
void proto_line_start(struct proto_line *line, enum proto_verb verb);
void proto_set_number(struct proto_line *line, enum proto_field field, uint64_t value);
void proto_set_text(struct proto_line *line, enum proto_field field, const char *text);

const char *proto_verb_text(enum proto_verb verb);
enum proto_side proto_verb_side(enum proto_verb verb);

#endif
