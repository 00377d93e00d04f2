/* What later requests leave with an open run: their request ids, callbacks for its end or an update's, links, other
 * options. Event 55 says so; no workflow task comes of it, since the workflow itself is not concerned. Callbacks are
 * kept and shown; telling whom they name is not served yet. */
#include "common/model/wire.h"
#include "history/engine/apply.h"
#include "history/engine/update.h"

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

enum err options_step(struct step *st)
{
    const struct event_options *o = &st->ev->options;
    const struct workflow *wf = st->wf;
    if (!workflow_is_open(wf)) {
        return fail(st->fail, ERR_NOT_FOUND, "workflow execution already completed");
    }
    struct str override = o->sets_override ? o->versioning_override : wf->versioning_override;
    struct str priority = o->sets_priority ? o->priority : wf->start.priority;
    if (str_eq(override, wf->versioning_override) && str_eq(priority, wf->start.priority)) {
        return ERR_NONE;
    }
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
        .versioning_override = override,
        .unset_versioning_override = !override.len,
        .priority = priority,
        .identity = o->identity };
    step_happened_quietly(st, &he);
    return ERR_NONE;
}

/* --- the requests of updates ---------------------------------------------------------------------------- */

enum { REQUEST_ID = 3, REQUEST_CALLBACKS = 4 };                        /* of a Request */
enum { OPTIONS_UPDATE_ID = 1, OPTIONS_ID = 2, OPTIONS_CALLBACKS = 3 }; /* of update options */

static struct str part(struct str message, uint32_t number)
{
    struct wire_field f;
    struct str found = { 0 };
    while (message.len && wire_next(&message, &f)) {
        found = f.number == number && f.type == WIRE_LEN ? f.bytes : found;
    }
    return found;
}

static uint32_t count(struct str message, uint32_t number)
{
    struct wire_field f;
    uint32_t n = 0;
    while (message.len && wire_next(&message, &f)) {
        n += f.number == number;
    }
    return n;
}

enum err update_check_callbacks(struct step *st, struct str request)
{
    const struct workflow *wf = st->wf;
    uint32_t more = count(request, REQUEST_CALLBACKS);
    if (!more || wf->callback_count + more <= st->limits->callbacks) {
        return ERR_NONE;
    }
    return fail(st->fail, ERR_FAILED_PRECONDITION,
            "cannot attach more than %u callbacks to a workflow (%u callbacks already attached)",
            st->limits->callbacks, wf->callback_count);
}

/* As the event has it: a message WorkflowUpdateOptionsUpdate. */
static struct str update_options(struct step *st, struct str update_id, struct str request)
{
    struct wire_field f;
    struct buf out;
    buf_init_arena(&out, st->fx->arena, SIZE_MAX_ENCODED);
    wire_put_bytes(&out, OPTIONS_UPDATE_ID, update_id);
    wire_put_bytes(&out, OPTIONS_ID, part(request, REQUEST_ID));
    while (request.len && wire_next(&request, &f)) {
        if (f.number == REQUEST_CALLBACKS) {
            wire_put_bytes(&out, OPTIONS_CALLBACKS, f.bytes);
        }
    }
    return buf_str(&out);
}

enum err update_attach(struct step *st, const struct update *u)
{
    const struct event_update *e = &st->ev->update;
    struct str id = part(e->request, REQUEST_ID);
    bool is_known = map_get(&st->wf->attached, id) || str_eq(part(u->request, REQUEST_ID), id);
    if (!count(e->request, REQUEST_CALLBACKS) || is_known || u->stage == UPDATE_COMPLETED ||
            !workflow_is_open(st->wf)) {
        return ERR_NONE; /* nobody to be told, or told at once */
    }
    if (u->stage != UPDATE_ACCEPTED) {
        (void)fail(st->fail, ERR_RESOURCE_EXHAUSTED,
                "workflow update is not yet accepted, please retry");
        fail_set_detail(st->fail, STR("ResourceExhaustedFailure"),
                STR("\x08\x05\x10\x01")); /* BUSY_WORKFLOW, NAMESPACE */
        return ERR_RESOURCE_EXHAUSTED;
    }
    if (update_check_callbacks(st, e->request)) {
        return ERR_FAILED_PRECONDITION;
    }
    struct history_event he = { .type = HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
        .update_options = update_options(st, u->update_id, e->request) };
    step_happened_quietly(st, &he);
    return ERR_NONE;
}

/* --- state ---------------------------------------------------------------------------------------------- */

void state_callback_put(struct workflow *wf, struct callback *c)
{
    list_append(&wf->callbacks, &c->node);
    wf->callback_count++;
    wf->attached_bytes += sizeof(*c) + c->callback.len + c->request_id.len + c->update_id.len;
}

void state_attached_put(struct workflow *wf, struct attached_id *a, struct str request_id)
{
    map_put(&wf->attached, &a->node, request_id);
    wf->attached_bytes += sizeof(*a) + request_id.len;
}

static void add_callback(struct workflow *wf, struct str callback, struct str request_id,
        struct str update_id, struct instant at)
{
    struct callback *c = NEW(wf->arena, struct callback, 1);
    c->callback = state_kept(wf, callback);
    c->request_id = state_kept(wf, request_id);
    c->update_id = state_kept(wf, update_id);
    c->registered = at;
    state_callback_put(wf, c);
}

void state_callbacks_add(
        struct workflow *wf, struct str callbacks, struct str request_id, struct instant at)
{
    struct wire_field f;
    while (callbacks.len && wire_next(&callbacks, &f)) {
        add_callback(wf, f.bytes, request_id, (struct str){ 0 }, at);
    }
}

/* False: it was known. */
static bool attach_id(struct workflow *wf, struct str request_id, const struct history_event *he)
{
    if (!request_id.len || map_get(&wf->attached, request_id)) {
        return !request_id.len;
    }
    struct attached_id *a = NEW(wf->arena, struct attached_id, 1);
    a->event_id = he->event_id;
    a->type = (int32_t)he->type;
    state_attached_put(wf, a, str_dup(wf->arena, request_id));
    return true;
}

/* A repeated request leaves nothing more. */
static void attach_to_update(struct workflow *wf, struct str update_id, struct str request_id,
        struct str message, uint32_t number, const struct history_event *he)
{
    struct wire_field f;
    bool is_new = attach_id(wf, request_id, he);
    while (is_new && message.len && wire_next(&message, &f)) {
        if (f.number == number) {
            add_callback(wf, f.bytes, request_id, update_id, he->time);
        }
    }
}

void state_update_request(struct workflow *wf, struct str update_id, const struct history_event *he)
{
    struct str request = he->update_request;
    attach_to_update(wf, update_id, part(request, REQUEST_ID), request, REQUEST_CALLBACKS, he);
}

/* Such an event says both options, whichever has changed. */
static void change_options(struct workflow *wf, const struct history_event *he)
{
    if (he->versioning_override.len || he->unset_versioning_override) {
        state_keep(wf, &wf->versioning_override, he->versioning_override);
        state_keep(wf, &wf->start.priority, he->priority);
    }
}

bool state_attach(struct workflow *wf, const struct history_event *he)
{
    struct str options = he->update_options;
    (void)attach_id(wf, he->request_id, he);
    state_callbacks_add(wf, he->completion_callbacks, he->request_id, he->time);
    change_options(wf, he);
    if (options.len) {
        attach_to_update(wf, part(options, OPTIONS_UPDATE_ID), part(options, OPTIONS_ID), options,
                OPTIONS_CALLBACKS, he);
    }
    return true;
}

void state_attach_numbered(struct workflow *wf, const struct history_event *he)
{
    struct str id = he->update_options.len ? part(he->update_options, OPTIONS_ID) : he->request_id;
    struct map_node *n = map_get(&wf->attached, id);
    if (n) {
        map_entry(n, struct attached_id, node)->event_id = he->event_id;
    }
}
