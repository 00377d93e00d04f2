/* Which limits hold for a run: those of its namespace, as the cluster knows them, or the process's. */
#include "common/config/config.h"
#include "history/history.h"

void history_limits_from(const struct config *c, struct engine_limits *l)
{
    l->blob_size_error = (size_t)c->limit_blob;
    l->memo_size_error = (size_t)c->limit_memo;
    l->callbacks = (uint32_t)c->limit_callbacks;
    l->history_page = (int32_t)c->limit_history_page;
    l->links = (uint32_t)c->limit_links;
    l->link_bytes = (size_t)c->limit_link_size;
    l->summary_bytes = (size_t)c->limit_summary;
    l->details_bytes = (size_t)c->limit_details;
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
    l->updates_total = (uint32_t)c->limit_updates;
    l->updates_in_flight = (uint32_t)c->limit_updates_in_flight;
    l->updates_in_flight_bytes = (size_t)c->limit_updates_in_flight_bytes;
    l->buffered_events = (uint32_t)c->limit_buffered_events;
    l->buffered_bytes = (size_t)c->limit_buffered_bytes;
    l->state_size_error = (size_t)c->limit_state;
    l->transaction_size_error = (size_t)c->limit_transaction;
    l->default_workflow_task_timeout = c->limit_task_timeout;
    l->cross_namespace = c->history_cross_namespace;
    l->restart_min = c->limit_restart_min;
    l->no_eager_start = !c->limit_eager_start;
    l->no_eager_activities = !c->limit_eager_activities;
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

static struct str *attributes_of(struct command *c)
{
    switch (c->type) {
    case COMMAND_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
        return &c->upsert.search_attributes;
    case COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION:
        return &c->continue_as_new.search_attributes;
    case COMMAND_START_CHILD_WORKFLOW_EXECUTION:
        return &c->start_child.search_attributes;
    default: /* whatever a client sends */
        return NULL;
    }
}

const struct command *history_type_attributes(const struct engine_limits *limits,
        const struct command *commands, size_t count, struct arena *arena)
{
    struct command *copy = NULL;
    for (size_t i = 0; limits->search_attributes && i < count; i++) {
        struct command c = commands[i];
        struct str *attributes = c.has_attributes ? attributes_of(&c) : NULL;
        if (!attributes || !attributes->len) {
            continue;
        }
        if (!copy) {
            copy = NEW(arena, struct command, count);
            memcpy(copy, commands, count * sizeof(*copy));
        }
        *attributes = search_attributes_typed(*attributes, limits->search_attributes, arena);
        copy[i] = c;
    }
    return copy ? copy : commands;
}
