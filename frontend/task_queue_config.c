/* UpdateTaskQueueConfig: rates and weights of fairness that operators set for a task queue. They stand with the
 * namespace, so every process knows them when the call is answered; matching obeys them. */
#include "common/api/codec.h"
#include "common/api/view.h"
#include "common/model/priority.h"
#include "common/model/queue_configs.h"
#include "common/obs/log.h"
#include "frontend/namespace_change.h"

enum { REASON_MAX = 1000 };

typedef Api__UpdateTaskQueueConfigRequest request_t;
typedef Api__UpdateTaskQueueConfigRequest__RateLimitUpdate rate_update_t;
typedef Api__TaskQueueConfig__FairnessWeightOverridesEntry weight_t;

static enum task_queue_type type_of(const request_t *r)
{
    return r->task_queue_type == API__TASK_QUEUE_TYPE__TASK_QUEUE_TYPE_ACTIVITY
                   ? TASK_QUEUE_ACTIVITY
                   : TASK_QUEUE_WORKFLOW;
}

/* ---- what may be set ------------------------------------------------------------------------------------ */

static enum err check_text(struct request *rq, const char *name, const char *text, size_t max)
{
    return strlen(text) > max ? fail(&rq->fail, ERR_INVALID_ARGUMENT,
                                        "%s field too long (max %zu characters).", name, max)
                              : ERR_NONE;
}

static enum err check_rate(struct request *rq, const rate_update_t *update, const char *what,
        const char *label, const char *reason_label)
{
    const request_t *r = (const void *)rq->message;
    if (!update || !update->rate_limit) {
        return ERR_NONE;
    }
    if (type_of(r) == TASK_QUEUE_WORKFLOW) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "Setting %s on workflow task queues is not allowed.", what);
    }
    if (!(update->rate_limit->requests_per_second >= 0)) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "RequestsPerSecond for %s rate limit must be non-negative.", label);
    }
    return check_text(rq, reason_label, update->reason, REASON_MAX);
}

static enum err check_key(struct request *rq, const char *key)
{
    if (!*key) {
        return fail(
                &rq->fail, ERR_INVALID_ARGUMENT, "fairness weight override key must not be empty");
    }
    return strlen(key) > FAIRNESS_KEY_MAX
                   ? fail(&rq->fail, ERR_INVALID_ARGUMENT, "fairness key length exceeds limit")
                   : ERR_NONE;
}

static bool is_unset(const request_t *r, const char *key)
{
    for (size_t i = 0; i < r->n_unset_fairness_weight_overrides; i++) {
        if (strcmp(r->unset_fairness_weight_overrides[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static enum err check_weights(struct request *rq, const request_t *r)
{
    size_t total = r->n_set_fairness_weight_overrides + r->n_unset_fairness_weight_overrides;
    if (total > QUEUE_WEIGHTS_MAX) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "too many fairness weight overrides in request: got %zu, maximum %d", total,
                (int)QUEUE_WEIGHTS_MAX);
    }
    for (size_t i = 0; i < r->n_set_fairness_weight_overrides; i++) {
        const char *key = r->set_fairness_weight_overrides[i]->key;
        if (check_key(rq, key)) {
            return rq->fail.err;
        }
        if (!(r->set_fairness_weight_overrides[i]->value > 0)) {
            return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                    "invalid fairness weight weight for key \"%s\": must be greater than zero",
                    key);
        }
        if (is_unset(r, key)) {
            return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                    "fairness weight override key \"%s\" present in both set and unset lists", key);
        }
    }
    for (size_t i = 0; i < r->n_unset_fairness_weight_overrides; i++) {
        if (check_key(rq, r->unset_fairness_weight_overrides[i])) {
            return rq->fail.err;
        }
    }
    return ERR_NONE;
}

static enum err check_request(struct request *rq, const request_t *r)
{
    size_t max = (size_t)request_config(rq)->limit_id;
    if (!*r->task_queue) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue is not set on request.");
    }
    if (strlen(r->task_queue) > max) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue length exceeds limit.");
    }
    if (check_rate(rq, r->update_queue_rate_limit, "rate limit", "UpdateQueueRateLimit",
                "UpdateQueueRateLimit.Reason") ||
            check_rate(rq, r->update_fairness_key_rate_limit_default, "fairness key rate limit",
                    "UpdateFairnessKeyRateLimitDefault",
                    "UpdateFairnessKeyRateLimitDefault.Reason") ||
            check_text(rq, "Identity", r->identity, max)) {
        return rq->fail.err;
    }
    return check_weights(rq, r);
}

/* ---- the change ------------------------------------------------------------------------------------------ */

/* Without a limit the old one is lifted; who did it, when and why stays. */
static Api__RateLimitConfig *rate_config(
        struct request *rq, struct arena *arena, const rate_update_t *update)
{
    const request_t *r = (const void *)rq->message;
    Api__RateLimitConfig *c = api_new(arena, &api__rate_limit_config__descriptor);
    c->rate_limit = update->rate_limit;
    c->metadata = api_new(arena, &api__config_metadata__descriptor);
    c->metadata->reason = update->reason;
    c->metadata->update_identity = r->identity;
    c->metadata->update_time = api_timestamp(arena, lane_now(rq->fe->lane));
    return c;
}

static const weight_t *is_set(const request_t *r, const char *key)
{
    for (size_t i = 0; i < r->n_set_fairness_weight_overrides; i++) {
        if (strcmp(r->set_fairness_weight_overrides[i]->key, key) == 0) {
            return (const void *)r->set_fairness_weight_overrides[i];
        }
    }
    return NULL;
}

static enum err merge_weights(
        struct namespace_change *c, const request_t *r, Api__TaskQueueConfig *config)
{
    size_t count = 0, room = config->n_fairness_weight_overrides;
    room += r->n_set_fairness_weight_overrides;
    weight_t **all = NEW(c->arena, weight_t *, room + 1);
    for (size_t i = 0; i < config->n_fairness_weight_overrides; i++) {
        weight_t *w = config->fairness_weight_overrides[i];
        if (!is_unset(r, w->key) && !is_set(r, w->key)) {
            all[count++] = w;
        }
    }
    for (size_t i = 0; i < r->n_set_fairness_weight_overrides; i++) {
        all[count] = api_new(
                c->arena, &api__task_queue_config__fairness_weight_overrides_entry__descriptor);
        all[count]->key = r->set_fairness_weight_overrides[i]->key;
        all[count++]->value = r->set_fairness_weight_overrides[i]->value;
    }
    if (count > QUEUE_WEIGHTS_MAX) {
        return fail(&c->fail, ERR_INVALID_ARGUMENT,
                "fairness weight overrides update rejected: exceeding maximum key size");
    }
    config->fairness_weight_overrides = all;
    config->n_fairness_weight_overrides = count;
    return ERR_NONE;
}

static size_t count_of(struct str list)
{
    struct queue_config c;
    size_t n = 0;
    while (queue_configs_next(&list, &c)) {
        n++;
    }
    return n;
}

static enum err edit(struct namespace_change *c, struct namespace_draft *draft)
{
    const request_t *r = (const void *)c->rq->message;
    struct queue_config one = { str_from_cstr(r->task_queue), type_of(r), STR("") };
    if (!draft->old) {
        return fail(&c->fail, ERR_NOT_FOUND, "the namespace is gone");
    }
    struct str old = queue_configs_find(draft->task_queues, one.name, one.type);
    Api__TaskQueueConfig *config =
            (void *)api_decode(&api__task_queue_config__descriptor, c->arena, old, &c->fail);
    if (!config) {
        return fail(&c->fail, ERR_CORRUPT, "what is set for task queue %s cannot be read",
                r->task_queue);
    }
    if (r->update_queue_rate_limit) {
        config->queue_rate_limit = rate_config(c->rq, c->arena, r->update_queue_rate_limit);
    }
    if (r->update_fairness_key_rate_limit_default) {
        config->fairness_keys_rate_limit_default =
                rate_config(c->rq, c->arena, r->update_fairness_key_rate_limit_default);
    }
    if (merge_weights(c, r, config)) {
        return c->fail.err;
    }
    one.message = api_encode(c->arena, &config->base);
    draft->task_queues = queue_configs_put(c->arena, draft->task_queues, &one);
    draft->changed = true;
    if (count_of(draft->task_queues) > QUEUE_CONFIGS_MAX ||
            draft->task_queues.len > QUEUE_CONFIGS_BYTES_MAX) {
        return fail(&c->fail, ERR_RESOURCE_EXHAUSTED,
                "too much is set for the task queues of this namespace: at most %d queues and %d "
                "bytes",
                QUEUE_CONFIGS_MAX, QUEUE_CONFIGS_BYTES_MAX);
    }
    return ERR_NONE;
}

Api__TaskQueueConfig *task_queue_config(
        struct request *rq, struct str name, enum task_queue_type type)
{
    const struct namespace_entry *ns = namespaces_by_id(rq->fe->namespaces, rq->namespace_id);
    struct str message = ns ? queue_configs_find(ns->task_queues, name, type) : STR("");
    if (!message.len) {
        return NULL;
    }
    struct arena *arena = &rq->call->arena;
    message = str_dup(arena, message);
    return (void *)api_decode(&api__task_queue_config__descriptor, arena, message, NULL);
}

static void done(struct namespace_change *c, const struct namespace_entry *now)
{
    struct request *rq = c->rq;
    const request_t *r = (const void *)rq->message;
    if (!now) {
        rq->fail = c->fail;
        request_fail(rq);
        return;
    }
    Api__UpdateTaskQueueConfigResponse response = API__UPDATE_TASK_QUEUE_CONFIG_RESPONSE__INIT;
    response.config = task_queue_config(rq, str_from_cstr(r->task_queue), type_of(r));
    log_info("task_queue_configured", LOG_STR("namespace", rq->namespace_name),
            LOG_STR("task_queue", str_from_cstr(r->task_queue)),
            LOG_STR("identity", str_from_cstr(r->identity)));
    request_reply(rq, &response.base);
}

void frontend_update_task_queue_config(struct request *rq)
{
    if (check_request(rq, (const void *)rq->message)) {
        request_fail(rq);
        return;
    }
    namespace_change_for(rq, rq->namespace_name, edit, done);
}
