/* answer: what a hub's answer asks for, as parts: each becomes a delivery of
 * its own.  docs/hub.md says what a hub may write.  Pure.
 *
 *   chatwoot_answer_read()   JSON → parts, or why it is refused   (courier, worker)
 *   chatwoot_part_pack()     one part → the payload of its delivery
 *   chatwoot_part_unpack()   and back                              (courier)
 *
 * Order of the parts: what the customer sees and notes as the hub wrote them,
 * then the answer's own note, its labels, and at last the handoff: after that
 * the conversation is a human's. */
#ifndef PONTE_CHATWOOT_ANSWER_H
#define PONTE_CHATWOOT_ANSWER_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/json.h"
#include "lib/protocol.h"

#define CHATWOOT_MESSAGES_MAX 20        /* of one answer */
#define CHATWOOT_PARTS_MAX    50        /* after long texts were split */
#define CHATWOOT_LABELS_MAX   64        /* that a conversation may have */
#define CHATWOOT_ADDED_MAX    20        /* that one answer may add */
#define CHATWOOT_LABEL_MAX    100       /* bytes */
#define CHATWOOT_DELAY_MAX_MS 30000
#define CHATWOOT_ATTRIBUTES_MAX (64 * KIB)

struct chatwoot_part {
	enum delivery_kind kind;            /* REPLY, NOTE, LABELS or HANDOFF */
	struct slice text;                  /* REPLY, NOTE */
	struct slice content_type;          /* REPLY, NOTE; empty: "text" */
	struct slice attributes;            /* REPLY, NOTE: a JSON object; empty: none */
	struct slice label[CHATWOOT_LABELS_MAX];
	size_t       labels;
	int64_t      delay_ms;              /* pause before it, behind the part before */
	bool         more;                  /* another that the customer sees follows */
};

struct chatwoot_answer {
	struct chatwoot_part *part;
	size_t       parts;
	bool         seen;                  /* one of them is for the customer */
	bool         cut;                   /* more text than CHATWOOT_PARTS_MAX parts can hold */
	bool         failed;                /* {"status":"error"}: the hub gives up */
	struct slice words;                 /* and says why; cut, in the arena */
};

/* What was asked: an answer that names something else is refused, and long
 * texts are split for this channel. */
struct chatwoot_question {
	struct uuid  event;
	struct slice tenant;
	int64_t      account, conversation;
	enum chatwoot_channel channel;
};

enum chatwoot_answer_outcome {
	CW_A_REFUSED = 1,                   /* *reterr_why is static */
};
/* doc: an object that passed json_check().  Everything in *ret is in the
 * arena.  0, CW_A_REFUSED or -ENOMEM. */
MUST_CHECK int chatwoot_answer_read(const struct json *doc, const struct chatwoot_question *, struct arena *,
    struct chatwoot_answer *ret, const char **reterr_why);

/* The payload of the part's delivery (kind and delay travel beside it).  0 or -ENOMEM. */
MUST_CHECK int chatwoot_part_pack(const struct chatwoot_part *, struct buf *out);
/* Views into the payload; kind is the caller's to set.  0 or -EPROTO. */
MUST_CHECK int chatwoot_part_unpack(struct slice payload, struct chatwoot_part *ret);

/* Bytes of the next piece of text that has at most `units` UTF-16 units: all
 * of it, or up to the last border of a paragraph, line, sentence or word that
 * lies in its last three quarters, or as much as fits.  *ret_next: where the
 * text goes on, blanks skipped.  Never 0 for a text that is not empty. */
size_t chatwoot_text_split(struct slice text, size_t units, size_t *ret_next);

/* content_attributes.ponte: "<event id>.<n>". */
#define CHATWOOT_MARK_TEXT (UUID_TEXT + 21)
void chatwoot_mark_text(const struct uuid *event, int64_t n, char ret[static CHATWOOT_MARK_TEXT]);
/* n 0: it is none. */
void chatwoot_mark_read(struct slice text, struct uuid *ret_event, int64_t *ret_n);

#endif
