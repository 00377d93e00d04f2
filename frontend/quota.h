/* What callers may ask of one process: rates as token buckets with priorities, and calls that wait as counts. The
 * lanes of a process share them, so that a limit holds for the process whichever lanes the connections came to.
 *
 * A bucket holds `burst` tokens and gets `per_second` new ones each second. Six priorities draw from it, 0 first: a
 * priority sees what it and those before it have taken, never what those behind it took. So while more comes than
 * fits, the important calls get the whole rate and the others what is left. Priority 0 is the operator's: a fifth of
 * the rate is his own, whatever the rest does, and he has no more. */
#pragma once

#include "common/base/map.h"
#include "common/base/time.h"
#include "common/base/uuid.h"

enum { QUOTA_PRIORITIES = 6, QUOTA_WAITS = 8 };

/* Which bucket a call draws from. */
enum quota_kind { QUOTA_CALLS, QUOTA_LISTS, QUOTA_CHANGES, QUOTA_KINDS };

struct quota_rate {
    int64_t per_second; /* 0: no limit; at most 1,000,000 */
    int64_t burst;      /* tokens of a full bucket, at least 1 */
};

/* Any thread; zeroed means full. */
struct quota_bucket {
    _Atomic int64_t due[QUOTA_PRIORITIES]; /* when each would be full again, ns */
    _Atomic int64_t refused_at;            /* the last refusal, ns; 0: none */
};

/* Takes a token, or refuses and takes none. now: a monotonic clock that all lanes share. */
bool quota_take(
        struct quota_bucket *bucket, struct quota_rate rate, unsigned priority, struct instant now);
/* After a refusal: is it the first one since `quiet`? True for one caller only, who says it in the log. */
bool quota_begins(_Atomic int64_t *refused_at, struct instant now, struct duration quiet);

/* A namespace's. Lives as long as the process. */
struct quota_namespace {
    struct map_node node;
    struct uuid id;
    struct quota_bucket buckets[QUOTA_KINDS];
    _Atomic int64_t waiting[QUOTA_WAITS]; /* calls that wait, by method */
    _Atomic int64_t waits_refused_at;
};

/* One more that waits; false, and none more, when there are max already. */
bool quota_wait(struct quota_namespace *ns, unsigned wait, int64_t max);
void quota_wait_over(struct quota_namespace *ns, unsigned wait);

/* Those of a process. */
struct quotas;
struct quotas *quotas_new(void);
void quotas_free(struct quotas *quotas); /* after all lanes have ended */
/* The process's own. */
struct quota_bucket *quotas_bucket(struct quotas *quotas, enum quota_kind kind);

/* A lane's memory of what it has looked up: a lookup costs no lock but the first one. */
struct quotas_lane {
    struct quotas *quotas;
    struct map known;
};
void quotas_lane_init(struct quotas_lane *ql, struct quotas *quotas);
void quotas_lane_deinit(struct quotas_lane *ql);
/* Never NULL. */
struct quota_namespace *quotas_namespace(struct quotas_lane *ql, struct uuid id);
