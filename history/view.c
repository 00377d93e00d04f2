/* What lists show of a run, written with the run's own row: at its start, at its end, and when it changes its memo or
 * search attributes. Leaves to the store how that is searched. */
#include "history/view.h"

#include "common/visibility/attribute.h"
#include "history/engine_view.h"
#include "history/history.h"

enum { DOCUMENT_MAX = 1 << 20 };

static struct str document(struct arena *arena, struct str search_attributes)
{
    struct buf out;
    if (str_empty(search_attributes)) {
        return (struct str){ 0 };
    }
    buf_init_arena(&out, arena, DOCUMENT_MAX);
    search_document(&out, arena, search_attributes);
    return out.overflow ? (struct str){ 0 } : buf_str(&out);
}

static struct store_view *view_of(const struct workflow *wf, struct arena *arena)
{
    struct list_view v = engine_view_list(wf);
    struct store_view *ret = NEW(arena, struct store_view, 1);
    *ret = (struct store_view){
        .workflow_type = str_dup(arena, v.workflow_type),
        .task_queue = str_dup(arena, v.task_queue),
        .execution_time = v.execution_time,
        .parent_workflow_id = str_dup(arena, v.parent_workflow_id),
        .parent_run_id = str_dup(arena, v.parent_run_id),
        .root_workflow_id = str_dup(arena, v.root_workflow_id),
        .root_run_id = str_dup(arena, v.root_run_id),
        .memo = str_dup(arena, v.memo),
        .search_attributes = str_dup(arena, v.search_attributes),
    };
    ret->search = document(arena, ret->search_attributes);
    return ret;
}

const struct store_view *view_of_start(const struct workflow *wf, struct arena *arena)
{
    return view_of(wf, arena);
}

const struct store_view *view_of_staged(
        const struct workflow *wf, struct instant begins, struct arena *arena)
{
    struct store_view *v = view_of(wf, arena);
    v->execution_time = begins;
    return v;
}

void view_put(const struct execution *ex, struct batch *b)
{
    struct list_view v = engine_view_list(ex->wf);
    struct store_view_row row = {
        .key = ex->key,
        .memo = str_dup(&b->arena, v.memo),
        .search_attributes = str_dup(&b->arena, v.search_attributes),
        .group = ex->chain->group,
    };
    row.search = document(&b->arena, row.search_attributes);
    batch_view(&ex->chain->history->committer, b, &row);
}

const struct store_view *view_of_end(const struct execution *ex, struct arena *arena)
{
    struct list_view v = engine_view_list(ex->wf);
    struct store_view *ret = NEW(arena, struct store_view, 1);
    *ret = (struct store_view){
        .history_length = v.history_length,
        .history_size = v.history_size,
        .state_transitions = ex->seq,
    };
    return ret;
}

const struct store_view *view_join(
        const struct store_view *start, const struct store_view *end, struct arena *arena)
{
    if (!end) {
        return start;
    }
    struct store_view *ret = NEW(arena, struct store_view, 1);
    *ret = *start;
    ret->history_length = end->history_length;
    ret->history_size = end->history_size;
    ret->state_transitions = end->state_transitions;
    return ret;
}
