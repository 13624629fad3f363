/* wire: frames between the roles, on Unix stream sockets.
 *
 *   frame  = u32 length of the payload, u16 version, u16 kind, u64 request, payload
 *   field  = u16 tag, u32 length, bytes            (payload is a run of fields)
 *
 * Integers are little-endian; an integer field is 8 bytes.  A field may hold a
 * run of fields itself (a group).  Unknown tags are skipped; a tag that should
 * stand once counts by its first occurrence.  A role speaks its own version
 * and the one before. */
#ifndef PONTE_WIRE_H
#define PONTE_WIRE_H

#include "lib/base.h"
#include "lib/buf.h"

#define WIRE_VERSION   1
#define WIRE_HEADER    16
#define WIRE_FRAME_MAX (64 * MIB)

struct wire_frame {
	uint16_t     kind;
	uint64_t     request;       /* the answer repeats it; 0: not an answer to anything */
	struct slice payload;       /* into the buffer it was read from */
};

/* Writing: begin, fields, end.  A failed append is remembered and returned by
 * wire_end(), so the calls between need no check. */
struct wire_writer {
	struct buf *out;
	size_t      start;
	size_t      group;          /* where the open group's length stands, 0: none */
	int         failed;
};
void wire_begin(struct wire_writer *, struct buf *out, uint16_t kind, uint64_t request);
void wire_put(struct wire_writer *, uint16_t tag, struct slice);
void wire_put_u64(struct wire_writer *, uint16_t tag, uint64_t);
void wire_put_i64(struct wire_writer *, uint16_t tag, int64_t);
/* A group is built in place; groups do not nest more than 4 deep: the call
 * returns a mark that wire_close() takes. */
size_t wire_open(struct wire_writer *, uint16_t tag);
void wire_close(struct wire_writer *, size_t mark);
/* 0, -ENOMEM or -EMSGSIZE; on failure out is as it was before wire_begin(). */
MUST_CHECK int wire_end(struct wire_writer *);
/* The same without a frame around: bare fields for a file or a column. */
void wire_bare(struct wire_writer *, struct buf *out);
MUST_CHECK int wire_bare_end(struct wire_writer *);

enum wire_outcome { WIRE_E_MORE = 1 };
/* The first whole frame of `in` (not consumed: the caller consumes
 * WIRE_HEADER + payload.len after use).  0, WIRE_E_MORE (bytes are missing),
 * -EPROTO (version or length that cannot be): close the connection. */
MUST_CHECK int wire_frame_read(struct slice in, struct wire_frame *ret);

/* Walking the fields of a payload or group: for (r = …; wire_next(&r, &f);).
 * A cut field ends the walk with r.broken set. */
struct wire_reader { struct slice rest; bool broken; };
struct wire_field { uint16_t tag; struct slice value; };
bool wire_next(struct wire_reader *, struct wire_field *ret);
/* The first field of that tag.  wire_u64/i64: fallback when it is missing or not 8 bytes. */
bool wire_find(struct slice fields, uint16_t tag, struct slice *ret);
struct slice wire_text(struct slice fields, uint16_t tag);      /* empty when missing */
uint64_t wire_u64(struct slice fields, uint16_t tag, uint64_t fallback);
int64_t wire_i64(struct slice fields, uint16_t tag, int64_t fallback);
bool wire_ok(struct slice fields);                              /* not cut anywhere at this level */

#endif
