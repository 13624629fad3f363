/* Parameters to request to row, without a socket: names and values split at
 * NUL, as NAME=value texts. */
#include <stdlib.h>
#include <string.h>

#include "app/worker/request.h"
#include "app/worker/routes.h"
#include "lib/crypt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request r;                /* its memory is kept, as in a worker */
	struct slice rest = slice_from(data, size), text, name, value;
	size_t length;

	if (!r.arena)
		REQUIRE(crypt_init() == 0 && arena_new(MIB, &r.arena) == 0);
	request_reset(&r, 0);
	for (bool more = true; more;) {
		more = slice_cut(rest, '\0', &text, &rest);
		if (slice_cut(more ? text : rest, '=', &name, &value))
			request_take(&r, name, value);
	}
	bool go = request_open(&r) && request_route(&r, routes, routes_count);
	REQUIRE(go == (r.answer.status == 0));
	if (go && r.route->body_max && !request_admit(&r, MIB, &length))
		go = false;
	REQUIRE(go || r.answer.text.len > 0);
	REQUIRE(request_shown_path(&r).len <= size + 64);
	REQUIRE(!go || r.params == 0 || r.param[r.params - 1].len > 0);
	return 0;
}
