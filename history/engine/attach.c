/* What later requests leave with an open run: their request ids, callbacks for its end, links. Event 55 says so; no
 * workflow task comes of it, since the workflow itself is not concerned. Callbacks are kept and shown; telling whom
 * they name is not served yet. */
#include "common/model/wire.h"
#include "history/engine/apply.h"

enum { SIZE_MAX_ENCODED = 64 * 1024 * 1024, FIELD_ATTACHED_CALLBACKS = 4 };

struct str callbacks_encode(
        struct arena *arena, uint32_t field, const struct str *callbacks, size_t count)
{
    struct buf out;
    if (!count) {
        return (struct str){ 0 };
    }
    buf_init_arena(&out, arena, SIZE_MAX_ENCODED);
    for (size_t i = 0; i < count; i++) {
        wire_put_bytes(&out, field, callbacks[i]);
    }
    return buf_str(&out);
}

enum err attach_step(struct step *st)
{
    const struct event_attach *a = &st->ev->attach;
    const struct workflow *wf = st->wf;
    if (!workflow_is_open(wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "workflow execution already completed");
    }
    if (wf->callback_count + a->callback_count > st->limits->callbacks) {
        return fail(st->fail, ERR_FAILED_PRECONDITION,
                "cannot attach more than %u callbacks to a workflow (%u callbacks already "
                "attached)",
                st->limits->callbacks, wf->callback_count);
    }
    if (!a->request_id.len && !a->callback_count && !a->links.len) {
        return ERR_NONE;
    }
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
        .request_id = a->request_id,
        .completion_callbacks = callbacks_encode(
                st->fx->arena, FIELD_ATTACHED_CALLBACKS, a->callbacks, a->callback_count),
        .links = a->links };
    step_happened_quietly(st, &he);
    return ERR_NONE;
}

/* --- state ---------------------------------------------------------------------------------------------- */

void state_callback_put(struct workflow *wf, struct callback *c)
{
    list_append(&wf->callbacks, &c->node);
    wf->callback_count++;
    wf->attached_bytes += sizeof(*c) + c->callback.len + c->request_id.len;
}

void state_attached_put(struct workflow *wf, struct attached_id *a, struct str request_id)
{
    map_put(&wf->attached, &a->node, request_id);
    wf->attached_bytes += sizeof(*a) + request_id.len;
}

void state_callbacks_add(
        struct workflow *wf, struct str callbacks, struct str request_id, struct instant at)
{
    struct wire_field f;
    while (callbacks.len && wire_next(&callbacks, &f)) {
        struct callback *c = NEW(wf->arena, struct callback, 1);
        c->callback = state_kept(wf, f.bytes);
        c->request_id = state_kept(wf, request_id);
        c->registered = at;
        state_callback_put(wf, c);
    }
}

bool state_attach(struct workflow *wf, const struct history_event *he)
{
    if (he->request_id.len && !map_get(&wf->attached, he->request_id)) {
        struct attached_id *a = NEW(wf->arena, struct attached_id, 1);
        a->event_id = he->event_id;
        state_attached_put(wf, a, str_dup(wf->arena, he->request_id));
    }
    state_callbacks_add(wf, he->completion_callbacks, he->request_id, he->time);
    return true;
}

void state_attach_numbered(struct workflow *wf, const struct history_event *he)
{
    struct map_node *n = map_get(&wf->attached, he->request_id);
    if (n) {
        map_entry(n, struct attached_id, node)->event_id = he->event_id;
    }
}
