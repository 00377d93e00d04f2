/* Which limits hold for a run: those of its namespace, as the cluster knows them, or the process's. */
#include "common/config/config.h"
#include "history/history.h"

void history_limits_from(const struct config *c, struct engine_limits *l)
{
    l->blob_size_error = (size_t)c->limit_blob;
    l->memo_size_error = (size_t)c->limit_memo;
    l->id_length = (size_t)c->limit_id;
    l->history_count_error = c->limit_history_count;
    l->history_count_suggest = c->limit_history_count_suggest;
    l->history_size_error = (size_t)c->limit_history_size;
    l->history_size_suggest = (size_t)c->limit_history_size_suggest;
    l->pending_activities = (uint32_t)c->limit_pending_activities;
    l->pending_children = (uint32_t)c->limit_pending_children;
    l->pending_signals = (uint32_t)c->limit_pending_signals;
    l->pending_cancels = (uint32_t)c->limit_pending_cancels;
    l->signals_per_run = (uint32_t)c->limit_signals;
    l->buffered_events = (uint32_t)c->limit_buffered_events;
    l->buffered_bytes = (size_t)c->limit_buffered_bytes;
    l->default_workflow_task_timeout = c->limit_task_timeout;
    l->cross_namespace = c->history_cross_namespace;
    l->search_attribute_limits = (struct search_attribute_limits){
        .keys = (size_t)c->limit_search_attributes,
        .value_bytes = (size_t)c->limit_search_attribute_value,
        .total_bytes = (size_t)c->limit_search_attributes_size,
    };
}

const struct engine_limits *history_limits(const struct history *h, struct uuid namespace_id)
{
    const struct engine_limits *own =
            h->cluster.limits ? h->cluster.limits(h->cluster.ctx, namespace_id) : NULL;
    return own ? own : &h->config.limits;
}
