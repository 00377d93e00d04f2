/* What operators have set for queues: read from the namespaces that this process knows, when a queue comes to be and
 * whenever they have changed. The engine obeys it. */
#include "common/model/queue_configs.h"
#include "matching/state.h"

static bool look_up(void *ctx, const struct queue_id *id, struct matching_queue_config *ret)
{
    struct matching *m = ctx;
    const struct namespace_entry *ns = namespaces_by_id(m->namespaces, id->namespace_id);
    struct str message = ns ? queue_configs_find(ns->task_queues, id->name, id->type) : STR("");
    *ret = (struct matching_queue_config){ 0 };
    if (!message.len) {
        return false;
    }
    struct arena *scratch = lane_scratch(m->lane);
    VEC(struct matching_weight) weights = { 0 };
    struct matching_weight w;
    ret->has_rate = queue_config_rate(message, &ret->rate);
    ret->has_key_rate = queue_config_key_rate(message, &ret->key_rate);
    while (queue_config_next_weight(&message, &w.key, &w.weight)) {
        vec_push(scratch, &weights, w);
    }
    ret->weights = weights.ptr;
    ret->weight_count = weights.len;
    return true;
}

static void on_namespaces(struct namespaces_watch *watch)
{
    struct matching *m = container_of(watch, struct matching, config);
    struct matching_event ev = { .kind = MATCHING_CONFIG };
    matching_must_run(m, &ev);
}

void matching_config_begin(struct matching *m)
{
    if (m->namespaces) {
        m->config.changed = on_namespaces;
        matching_set_lookup(m->engine, look_up, m);
        namespaces_watch(m->namespaces, &m->config);
    }
}

void matching_config_end(struct matching *m)
{
    namespaces_unwatch(&m->config);
}
