/* What must be true of a world: of what is stored, of what was promised, of how it ends. Written
 * against the documented API and the wire format alone. */
#pragma once

#include "tests/sim/ledger.h"

/* Before the first process: watches every batch that is stored. */
void checks_watch(void);
/* All runs are closed. */
bool checks_all_closed(void);
/* Somebody may answer who does not know what has been since: a process that could not hear that its runs are others' now,
 * because it was frozen or out of the database's reach a moment ago. */
bool checks_owner_may_be_stale(void);
/* The workflow is closed, and such a one may still answer for it. */
bool checks_may_be_stale(struct str workflow_id);
/* Names the runs that are open. */
void checks_print_open(void);
/* Now and then, between events. */
void checks_live(void);
uint64_t checks_compared(void); /* live states with the fold of their rows */
/* At the end. */
void checks_final(void);
/* check_chain.c, check_promises.c: parts of it. */
void check_chains(void);
void check_promises(void);
const struct script *check_script_of(struct str workflow_id); /* NULL: a child */
uint64_t checks_events(void);                                 /* events that were checked */

/* diagnose.c: what production holds of a run; of all processes. */
void diagnose_run(run_key key);
void diagnose_hosts(void);
