/* failures: tokens that were no good, by the address that sent them.
 *
 * The tokens that addons in the field make for themselves have 32 random bits:
 * they could be found by trying.  So an address may try FAILURES_MOST wrong ones
 * a minute, and is not listened to for the rest of that minute, however good its
 * next token is.  The same one again is no guess, so an addon that goes on with
 * one that was revoked does not shut out its neighbours at the same address.
 * Ours, of 256 bits, are not counted. */
#ifndef PONTE_KEEPER_FAILURES_H
#define PONTE_KEEPER_FAILURES_H

#include "lib/base.h"

#define FAILURES_MOST  10
#define FAILURES_MS    60000
#define FAILURES_KEPT  1024     /* addresses; then the one whose minute ends first is forgotten */
#define FAILURES_TEXT  46       /* an IPv6 address; of one the first 64 bits count */

struct failures {
	struct {
		char     from[FAILURES_TEXT];
		unsigned n;
		uint64_t token[FAILURES_MOST];  /* the n of them, each by the begin of its hash */
		int64_t  until_ms;
	} item[FAILURES_KEPT];
	size_t n;
};

/* 0: it may try; else for how long it may not. */
int64_t failures_wait_ms(const struct failures *, struct slice address, int64_t now_ms);
/* hash: of the token, 8 bytes at least. */
void failures_note(struct failures *, struct slice address, struct slice hash, int64_t now_ms);

#endif
