#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "app/keeper/failures.h"

/* What stands for the address in the table: one who has a /64 has all of it. */
static void
name_of(struct slice address, char ret[static FAILURES_TEXT])
{
	struct in6_addr six;

	snprintf(ret, FAILURES_TEXT, SLICE_FMT, SLICE_ARG(address));
	if (inet_pton(AF_INET6, ret, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six))
		return;
	memset(&six.s6_addr[8], 0, 8);
	inet_ntop(AF_INET6, &six, ret, FAILURES_TEXT);
}

int64_t
failures_wait_ms(const struct failures *f, struct slice address, int64_t now_ms)
{
	char name[FAILURES_TEXT];

	name_of(address, name);
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->item[i].from, name) == 0)
			return f->item[i].n >= FAILURES_MOST && f->item[i].until_ms > now_ms ? f->item[i].until_ms - now_ms : 0;
	return 0;
}

/* Of that name, else a free place, else the one that is forgotten. */
static size_t
place_of(struct failures *f, const char *name)
{
	size_t soonest = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->item[i].from, name) == 0)
			return i;
		if (f->item[i].until_ms < f->item[soonest].until_ms)
			soonest = i;
	}
	if (f->n < FAILURES_KEPT)
		soonest = f->n++;
	f->item[soonest].until_ms = 0;
	memcpy(f->item[soonest].from, name, FAILURES_TEXT);
	return soonest;
}

void
failures_note(struct failures *f, struct slice address, struct slice hash, int64_t now_ms)
{
	char name[FAILURES_TEXT] = "";
	uint64_t token;

	REQUIRE(hash.len >= sizeof(token));
	memcpy(&token, hash.ptr, sizeof(token));
	name_of(address, name);
	size_t at = place_of(f, name);
	if (f->item[at].until_ms <= now_ms) {
		f->item[at].n = 0;
		f->item[at].until_ms = now_ms + FAILURES_MS;
	}
	for (unsigned i = 0; i < f->item[at].n; i++)
		if (f->item[at].token[i] == token)
			return;
	if (f->item[at].n < FAILURES_MOST)
		f->item[at].token[f->item[at].n++] = token;
}
