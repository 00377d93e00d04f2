/* What events and records do to the updates of a run. Which of them may happen is decided in update.c; the picture is
 * in workflow.h. A run that has never been updated has no table. */
#include "history/engine/apply.h"

#include <string.h>

#include "common/model/wire.h"

struct update *workflow_update(const struct workflow *wf, struct str update_id)
{
    struct map_node *n = wf->updates ? map_get(&wf->updates->by_id, update_id) : NULL;
    return n ? map_entry(n, struct update, by_id) : NULL;
}

bool workflow_has_pending_updates(const struct workflow *wf)
{
    return wf->updates && !list_empty(&wf->updates->pending);
}

static struct updates *table(struct workflow *wf)
{
    if (!wf->updates) {
        struct updates *us = NEW(wf->arena, struct updates, 1);
        map_init(&us->by_id, wf->arena);
        list_init(&us->pending);
        list_init(&us->spare);
        wf->updates = us;
    }
    return wf->updates;
}

/* One that stays as long as the run: as small as can be. */
static struct update *add(struct workflow *wf, struct str update_id)
{
    struct update *u = NEW(wf->arena, struct update, 1);
    u->update_id = str_dup(wf->arena, update_id);
    map_put(&table(wf)->by_id, &u->by_id, u->update_id);
    wf->updates->kept_bytes += tally_update_bytes(u);
    return u;
}

/* One that comes and goes: in the memory of another, so that refused updates cost nothing for long. */
static struct update *add_pending(struct workflow *wf, struct str update_id, struct str request)
{
    enum { SPACE_MIN = 512 };
    struct updates *us = table(wf);
    struct list_node *spare = list_pop(&us->spare);
    struct update *u =
            spare ? container_of(spare, struct update, pending) : NEW(wf->arena, struct update, 1);
    size_t need = update_id.len + request.len, size = u->space_size;
    *u = (struct update){ .space = u->space, .space_size = size };
    if (need > size) {
        for (size = SPACE_MIN; size < need; size *= 2) {
        }
        u->space = arena_alloc(wf->arena, size, 1);
        u->space_size = size;
    }
    memcpy(u->space, update_id.ptr, update_id.len);
    u->update_id = str_of(u->space, update_id.len);
    if (request.len) {
        memcpy(u->space + update_id.len, request.ptr, request.len);
        u->request = str_of(u->space + update_id.len, request.len);
    }
    map_put(&us->by_id, &u->by_id, u->update_id);
    list_append(&us->pending, &u->pending);
    us->pending_bytes += need;
    return u;
}

static void drop(struct workflow *wf, struct update *u)
{
    list_remove(&u->pending);
    wf->updates->pending_bytes -= u->update_id.len + u->request.len;
    wf->updates->kept_bytes -= u->admitted_event_id ? tally_update_bytes(u) : 0;
    map_remove(&wf->updates->by_id, &u->by_id);
    list_append(&wf->updates->spare, &u->pending);
}

bool state_update_admitted(
        struct workflow *wf, struct str update_id, struct str request, int64_t event_id)
{
    if (!update_id.len || workflow_update(wf, update_id)) {
        return false;
    }
    struct update *u = add_pending(wf, update_id, event_id ? (struct str){ 0 } : request);
    u->stage = UPDATE_ADMITTED;
    u->admitted_event_id = event_id;
    wf->updates->kept_bytes += event_id ? tally_update_bytes(u) : 0;
    return true;
}

bool state_update_dropped(struct workflow *wf, struct str update_id)
{
    struct update *u = workflow_update(wf, update_id);
    if (!u || u->stage != UPDATE_ADMITTED) {
        return false;
    }
    drop(wf, u);
    return true;
}

void state_updates_sent(struct workflow *wf)
{
    list_each(&wf->updates->pending, n)
    {
        list_entry(n, struct update, pending)->is_sent = true;
    }
}

/* The field of that number in a message, if it is bytes. */
static struct str part(struct str message, uint32_t number)
{
    struct wire_field f;
    struct str ret = { 0 };
    while (wire_next(&message, &f)) {
        if (f.number == number && f.type == WIRE_LEN) {
            ret = f.bytes;
        }
    }
    return ret;
}

static bool apply_accepted(struct workflow *wf, const struct history_event *he)
{
    struct update *u = workflow_update(wf, he->update_id);
    if (!he->update_id.len || (u && u->stage != UPDATE_ADMITTED)) {
        return false;
    }
    int64_t admitted = u ? u->admitted_event_id : 0;
    if (u) { /* the one that stays comes behind those accepted before, as after a fold */
        drop(wf, u);
    }
    u = add(wf, he->update_id);
    u->stage = UPDATE_ACCEPTED;
    u->admitted_event_id = admitted;
    u->accepted_event_id = he->event_id;
    state_update_request(wf, he->update_id, he);
    return true;
}

static bool apply_completed(struct workflow *wf, const struct history_event *he)
{
    struct update *u = workflow_update(wf, part(he->update_meta, 1));
    if (!u || u->stage != UPDATE_ACCEPTED || u->accepted_event_id != he->accepted_event_id) {
        return false;
    }
    u->stage = UPDATE_COMPLETED;
    u->completed_event_id = he->event_id;
    wf->updates->completed_count++;
    return true;
}

struct str update_request_id(struct str request)
{
    enum { REQUEST_META = 1, META_UPDATE_ID = 1 };
    return part(part(request, REQUEST_META), META_UPDATE_ID);
}

static bool apply_admitted(struct workflow *wf, const struct history_event *he)
{
    struct str id = update_request_id(he->update_request);
    if (!state_update_admitted(wf, id, (struct str){ 0 }, he->event_id)) {
        return false;
    }
    state_update_request(wf, id, he);
    return true;
}

bool state_update_event(struct workflow *wf, const struct history_event *he)
{
    switch (he->type) {
    case HISTORY_UPDATE_ACCEPTED:
        return apply_accepted(wf, he);
    case HISTORY_UPDATE_COMPLETED:
        return apply_completed(wf, he);
    default:
        return apply_admitted(wf, he);
    }
}

void state_updates_close(struct workflow *wf)
{
    list_each(&wf->updates->pending, n)
    {
        drop(wf, list_entry(n, struct update, pending));
    }
}

void state_updates_forget(struct workflow *wf)
{
    list_each(&wf->updates->pending, n)
    {
        struct update *u = list_entry(n, struct update, pending);
        u->is_sent = false;
        if (!u->admitted_event_id) {
            drop(wf, u);
        }
    }
}

bool state_update_restore(struct workflow *wf, const struct update *from)
{
    if (!from->update_id.len || workflow_update(wf, from->update_id)) {
        return false;
    }
    if (!from->accepted_event_id) {
        return from->admitted_event_id && state_update_admitted(wf, from->update_id,
                                                  (struct str){ 0 }, from->admitted_event_id);
    }
    struct update *u = add(wf, from->update_id);
    u->admitted_event_id = from->admitted_event_id;
    u->accepted_event_id = from->accepted_event_id;
    u->completed_event_id = from->completed_event_id;
    u->stage = u->completed_event_id ? UPDATE_COMPLETED : UPDATE_ACCEPTED;
    wf->updates->completed_count += u->completed_event_id != 0;
    return true;
}
