/* courier: what the rooms of ponte-courier share.
 *
 *   main.c         beginning and end
 *   loop.c         the one place where it sleeps; signals, timers, probes
 *   keeper_link.c  the connection to the keeper
 *   claims.c       when to claim and how much; what waits, and what goes back
 *   deliver.c      build → send → judge → settle, one job per batch
 *   outcome.c      what is made of a verdict: log, counters, breaker, settlement
 *   job.c          a batch in our hands, and what belongs to it
 *   where.c        tenants, and where their deliveries go: URL and token
 *   dest.c         how much may go where: breaker, window, limits, pauses
 *   strikes.c      answers that were held against a delivery
 *   barred.c       what a token may not do
 *   typing.c       "somebody writes"
 *   calls.c        what workers and operators ask of an Odoo or a hub, and wait for
 *   odoo.c         the Odoos that such calls go to: logins, keys, types, turns
 *   pull.c         when a tenant's Odoo is read whole; pull_run.c: how
 *   silence.c      when a Chatwoot is asked for what it never sent; catchup.c: how
 *   to_hub.c, to_chatwoot.c, look_chatwoot.c   what is said there, and what the answers mean
 */
#ifndef PONTE_COURIER_COURIER_H
#define PONTE_COURIER_COURIER_H

#include "app/courier/barred.h"
#include "app/courier/calls.h"
#include "app/courier/dest.h"
#include "app/courier/job.h"
#include "app/courier/keeper_link.h"
#include "app/courier/odoo.h"
#include "app/courier/pull.h"
#include "app/courier/silence.h"
#include "app/courier/strikes.h"
#include "app/courier/typing.h"
#include "app/courier/where.h"
#include "lib/arena.h"
#include "lib/client.h"
#include "lib/config.h"
#include "lib/scoreboard.h"
#include "lib/secret.h"

#define OLD_CLIENTS 8           /* with more reloads than that in flight, nothing new is sent */

struct courier {
	struct config_source source;
	struct arena        *settings;      /* what config points into */
	struct config        config;
	struct secret_key    key;           /* outgoing.key; never intake.key */
	struct scoreboard   *board;
	uint64_t             crashed;       /* what our predecessor died at; 0: nothing, or told */
	uint64_t             crashes;       /* how often that had happened with it before */
	struct client       *client;
	struct client       *old[OLD_CLIENTS];  /* of before a reload: each ends what it has in flight */
	bool                 client_stale;  /* to be replaced, and no place among the old ones yet */
	struct keeper_link   link;
	struct where         where;
	struct dests         dests;
	struct jobs          jobs;
	struct strikes       strikes;
	struct barred        barred;
	struct typings       typings;
	struct silences      silences;
	struct calls         calls;
	struct odoos         odoos;
	struct pulls         pulls;
	int                  listen_fd;     /* courier.sock */
	bool                 stopping;
};

#endif
