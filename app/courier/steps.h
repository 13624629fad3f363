/* steps: the crash points of what a delivery does at its destination, one step
 * after the other, each by a name of its own (lib/crashpoint.h).  Nothing at all
 * in other builds. */
#ifndef PONTE_COURIER_STEPS_H
#define PONTE_COURIER_STEPS_H

#include "app/courier/job.h"
#include "lib/crashpoint.h"

static inline void
crash_before_post(enum delivery_kind kind)
{
	switch (kind) {
	case DELIVERY_K_HUB:       CRASH_POINT("courier-before-ask");        return;
	case DELIVERY_K_NOTICE:    CRASH_POINT("courier-before-notice");     return;
	case DELIVERY_K_REPLY:     CRASH_POINT("courier-before-reply");      return;
	case DELIVERY_K_NOTE:      CRASH_POINT("courier-before-note");       return;
	case DELIVERY_K_LABELS:    CRASH_POINT("courier-before-set-labels"); return;
	case DELIVERY_K_HANDOFF:   CRASH_POINT("courier-before-handoff");    return;
	case DELIVERY_K_KNOWLEDGE:
	case DELIVERY_K_NONE:      return;
	}
}

static inline void
crash_after_post(enum delivery_kind kind)
{
	switch (kind) {
	case DELIVERY_K_HUB:       CRASH_POINT("courier-after-ask");         return;
	case DELIVERY_K_NOTICE:    CRASH_POINT("courier-after-notice");      return;
	case DELIVERY_K_REPLY:     CRASH_POINT("courier-after-reply");       return;
	case DELIVERY_K_NOTE:      CRASH_POINT("courier-after-note");        return;
	case DELIVERY_K_LABELS:    CRASH_POINT("courier-after-set-labels");  return;
	case DELIVERY_K_HANDOFF:   CRASH_POINT("courier-after-handoff");     return;
	case DELIVERY_K_KNOWLEDGE:
	case DELIVERY_K_NONE:      return;
	}
}

/* The request of the step in hand is about to leave. */
static inline void
crash_before_step(const struct job *j)
{
	switch (j->step) {
	case STEP_POST:       crash_before_post(j->delivery.kind);     return;
	case STEP_SHOW:       CRASH_POINT("courier-before-show");       return;
	case STEP_LABELS:     CRASH_POINT("courier-before-labels");     return;
	case STEP_FIND:       CRASH_POINT("courier-before-find");       return;
	case STEP_FIND_SHOWN: CRASH_POINT("courier-before-find-shown"); return;
	case STEP_NONE:       return;
	}
}

/* Its answer is there, and nobody else knows of it. */
static inline void
crash_after_step(const struct job *j)
{
	switch (j->step) {
	case STEP_POST:       crash_after_post(j->delivery.kind);      return;
	case STEP_SHOW:       CRASH_POINT("courier-after-show");        return;
	case STEP_LABELS:     CRASH_POINT("courier-after-labels");      return;
	case STEP_FIND:       CRASH_POINT("courier-after-find");        return;
	case STEP_FIND_SHOWN: CRASH_POINT("courier-after-find-shown");  return;
	case STEP_NONE:       return;
	}
}

#endif
