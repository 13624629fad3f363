#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/trust.h"

#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"
#define FILE_MAX   (16 * MIB)

static int
append_file(struct buf *b, const char *path)
{
	CLEANUP(free_charp) char *text = NULL;
	size_t len;

	int r = file_read(path, FILE_MAX, &text, &len);
	if (r == 0)
		r = buf_append(b, text, len);
	if (r == 0)
		r = buf_append(b, "\n", 1);     /* a file may end without one */
	return r;
}

static int
append_extra(struct buf *b, const char *path)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	size_t before = b->len;

	int r = append_file(b, path);
	if (r < 0)
		return r;
	struct slice extra = slice_after(buf_view(b), before);
	return memmem(extra.ptr, extra.len, begin, sizeof begin - 1) ? 0 : -EINVAL;
}

int
trust_gather(const char *extra, int *ret_fd)
{
	CLEANUP(buf_free) struct buf all = { 0 };
	CLEANUP(close_fd) int fd = -1;

	/* A machine without the bundle trusts nobody but `extra`. */
	int r = append_file(&all, SYSTEM_CAS);
	if (r == -ENOENT)
		r = 0;
	if (r == 0 && extra && extra[0])
		r = append_extra(&all, extra);
	if (r < 0)
		return r;
	fd = memfd_create("ponte-cas", MFD_CLOEXEC);
	if (fd < 0)
		return negative_errno();
	for (struct slice rest = buf_view(&all); rest.len > 0;) {
		ssize_t n = write(fd, rest.ptr, rest.len);
		if (n < 0)
			return negative_errno();
		rest = slice_after(rest, (size_t)n);
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}
