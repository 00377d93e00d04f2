/* Rates and numbers of public calls: which limit a call falls under, in which order they are asked, what a refusal
 * tells the client and the log. Relies on quota.c for the counting; health checks and reflection never come here.
 *
 * A namespace's own limits come first, so that what one namespace has too much does not use up the process's rate. */
#include "frontend/admission.h"

#include "common/api/errors.h"
#include "common/api/view.h"
#include "common/obs/log.h"
#include "common/obs/metrics.h"
#include "frontend/quota.h"

#define QUIET \
    DURATION_SECONDS(10) /* without a refusal: the next one begins a new time of throttling */

enum { BURST = 2 }; /* a full bucket: what comes in so many seconds */

static enum quota_kind kind_of(const struct api_row *row)
{
    return row->flags & LISTS ? QUOTA_LISTS : row->flags & CHANGES ? QUOTA_CHANGES : QUOTA_CALLS;
}

/* The one method with WATCH waits only when it is asked to. */
static bool is_watching(const struct request *rq)
{
    return rq->row->flags & WATCH &&
           ((const Api__GetWorkflowExecutionHistoryRequest *)(const void *)rq->message)
                   ->wait_new_event;
}

static bool may_wait(const struct request *rq)
{
    return rq->row->flags & WAITS || is_watching(rq);
}

static unsigned priority_of(const struct request *rq)
{
    if (str_eq(grpc_call_metadata(rq->call, STR("caller-type")), STR("operator"))) {
        return 0;
    }
    return is_watching(rq) ? QUOTA_PRIORITIES - 1 : api_priority(rq->row->flags);
}

static struct quota_rate rate_of(int64_t per_second)
{
    return (struct quota_rate){ per_second, per_second * BURST };
}

static int64_t namespace_rate(const struct config *config, enum quota_kind kind)
{
    switch (kind) {
    case QUOTA_CALLS:
        return config->limit_rps;
    case QUOTA_LISTS:
        return config->limit_rps_lists;
    case QUOTA_CHANGES:
    case QUOTA_KINDS:
        break;
    }
    return 0; /* the namespaces are the process's matter */
}

static int64_t process_rate(const struct config *config, enum quota_kind kind)
{
    return kind == QUOTA_CHANGES ? config->frontend_rps_namespace_changes : config->frontend_rps;
}

/* ---- refusals ---------------------------------------------------------------------------------- */

struct refusal {
    Api__ResourceExhaustedCause cause;
    Api__ResourceExhaustedScope scope;
    const char *text;  /* as clients know it */
    const char *limit; /* the setting, for the log */
};

static enum err refuse(
        struct request *rq, const struct refusal *r, _Atomic int64_t *refused_at, int64_t limit)
{
    metric_add(lane_metrics(rq->fe->lane), METRIC_FRONTEND_THROTTLED, 1);
    if (quota_begins(refused_at, rq->arrived, QUIET)) {
        log_warn("calls_throttled", LOG_CSTR("limit", r->limit), LOG_I64("value", limit),
                LOG_STR("namespace", rq->namespace_name), LOG_CSTR("method", rq->row->name));
    }
    return fail_resource_exhausted(
            &rq->fail, &rq->call->arena, r->cause, r->scope, str_from_cstr(r->text));
}

static enum err refuse_wait(struct request *rq, struct quota_namespace *q, int64_t limit)
{
    static const struct refusal r = {
        API__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT,
        API__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
        "namespace concurrent poller limit exceeded",
        "limits.waiting_calls",
    };
    return refuse(rq, &r, &q->waits_refused_at, limit);
}

static enum err refuse_namespace(
        struct request *rq, struct quota_bucket *bucket, enum quota_kind kind, int64_t rate)
{
    const struct refusal r = {
        API__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
        API__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
        "namespace rate limit exceeded",
        kind == QUOTA_LISTS ? "limits.rps_lists" : "limits.rps",
    };
    return refuse(rq, &r, &bucket->refused_at, rate);
}

static enum err refuse_process(
        struct request *rq, struct quota_bucket *bucket, enum quota_kind kind, int64_t rate)
{
    const struct refusal r = {
        API__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT,
        API__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_SYSTEM,
        "service rate limit exceeded",
        kind == QUOTA_CHANGES ? "frontend.rps_namespace_changes" : "frontend.rps",
    };
    return refuse(rq, &r, &bucket->refused_at, rate);
}

/* ---- admission --------------------------------------------------------------------------------- */

static enum err admit_to_namespace(struct request *rq, const struct namespace_entry *ns,
        enum quota_kind kind, unsigned priority)
{
    int64_t rate = namespace_rate(ns->config, kind), max = ns->config->limit_waiting_calls;
    if (!rate && !may_wait(rq)) {
        return ERR_NONE;
    }
    struct quota_namespace *q = quotas_namespace(&rq->fe->quotas, ns->id);
    if (may_wait(rq)) {
        if (!quota_wait(q, rq->row->wait, max)) {
            return refuse_wait(rq, q, max);
        }
        rq->waits_in = q;
    }
    struct quota_bucket *bucket = &q->buckets[kind];
    return quota_take(bucket, rate_of(rate), priority, rq->arrived)
                   ? ERR_NONE
                   : refuse_namespace(rq, bucket, kind, rate);
}

enum err admit(struct request *rq, const struct namespace_entry *ns)
{
    enum quota_kind kind = kind_of(rq->row);
    unsigned priority = priority_of(rq);
    if (!rq->fe->quotas.quotas) {
        return ERR_NONE;
    }
    if (ns && admit_to_namespace(rq, ns, kind, priority)) {
        return rq->fail.err;
    }
    struct quota_bucket *bucket = quotas_bucket(rq->fe->quotas.quotas, kind);
    int64_t rate = process_rate(rq->fe->shared->config, kind);
    return quota_take(bucket, rate_of(rate), priority, rq->arrived)
                   ? ERR_NONE
                   : refuse_process(rq, bucket, kind, rate);
}

void admission_over(struct request *rq)
{
    if (rq->waits_in) {
        quota_wait_over(rq->waits_in, rq->row->wait);
        rq->waits_in = NULL;
    }
}
