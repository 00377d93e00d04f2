/* Updates as an SDK's worker answers them. What happens to one is in its id, which ends in
 *
 *     f   accepted and answered at once
 *     s   accepted, answered when a timer of its own has fired
 *     r   refused */
#include "common/api/codec.h"
#include "tests/sim/decide.h"

char update_kind(struct str id)
{
    return id.len ? id.ptr[id.len - 1] : 0;
}

struct str update_result(struct arena *arena, struct str id)
{
    return str_printf(arena, "ur:" STR_FMT, STR_ARG(id));
}

bool progress_owes_updates(const struct progress *p)
{
    for (unsigned i = 0; i < p->update_count; i++) {
        if (!p->updates[i].answered) {
            return true;
        }
    }
    return false;
}

static struct update_state *find(struct progress *p, struct str id)
{
    for (unsigned i = 0; i < p->update_count; i++) {
        if (str_eq(p->updates[i].id, id)) {
            return &p->updates[i];
        }
    }
    return NULL;
}

static struct update_state *add(struct progress *p, struct str id)
{
    check(p->update_count < UPDATES_MAX);
    struct update_state *u = &p->updates[p->update_count++];
    *u = (struct update_state){ .id = id };
    return u;
}

void progress_take_update(struct progress *p, const struct ev *e)
{
    struct str id = ev_update_id(e);
    if (e->type == EV_UPDATE_ACCEPTED && !find(p, id)) {
        add(p, id);
    } else if (e->type == EV_UPDATE_COMPLETED && find(p, id)) {
        find(p, id)->answered = true;
    } else if (e->type == EV_TIMER_FIRED) {
        struct str name = ev_bytes(e->attributes, 1);
        struct update_state *u = name.ptr[0] == 'T' ? find(p, str_drop(name, 1)) : NULL;
        if (u) {
            u->is_due = true;
        }
    }
}

/* ---- messages ---------------------------------------------------------------------------------- */

static void say(struct decision *d, struct str id, const char *type, const ProtobufCMessage *body)
{
    struct completion *to = d->to;
    if (to->message_count >= COMMANDS_MAX) {
        return;
    }
    Protocol__Message *m = api_new(d->arena, &protocol__message__descriptor);
    m->id = str_printf(d->arena, STR_FMT "/%s", STR_ARG(id), type).ptr;
    m->protocol_instance_id = decide_text(d, id);
    m->body = api_new(d->arena, &api__any__descriptor);
    m->body->type_url =
            str_printf(d->arena, "type.googleapis.com/temporal.api.update.v1.%s", type).ptr;
    m->body->value = api_data(api_encode(d->arena, body));
    to->messages[to->message_count++] = m;
    if (type[0] == 'R' && type[2] == 'j') {
        return; /* rejections have no command */
    }
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_PROTOCOL_MESSAGE);
    c->attributes_case = API__COMMAND__ATTRIBUTES_PROTOCOL_MESSAGE_COMMAND_ATTRIBUTES;
    c->protocol_message_command_attributes =
            api_new(d->arena, &api__protocol_message_command_attributes__descriptor);
    c->protocol_message_command_attributes->message_id = m->id;
}

static void accept(struct decision *d, const struct asked_update *a)
{
    Update__Acceptance m = UPDATE__ACCEPTANCE__INIT;
    m.accepted_request_message_id = decide_text(d, a->message_id);
    m.accepted_request_sequencing_event_id = a->event_id;
    say(d, a->id, "Acceptance", &m.base);
}

static void reject(struct decision *d, const struct asked_update *a)
{
    Update__Rejection m = UPDATE__REJECTION__INIT;
    m.rejected_request_message_id = decide_text(d, a->message_id);
    m.failure = api_data(STR("\x0a\x07planned"));
    say(d, a->id, "Rejection", &m.base);
}

static void respond(struct decision *d, struct str id)
{
    Update__Response m = UPDATE__RESPONSE__INIT;
    Update__Meta meta = UPDATE__META__INIT;
    Update__Outcome o = UPDATE__OUTCOME__INIT;
    meta.update_id = decide_text(d, id);
    o.value_case = UPDATE__OUTCOME__VALUE_SUCCESS;
    o.success = api_data(payloads_of(d->arena, update_result(d->arena, id)));
    m.meta = &meta;
    m.outcome = &o;
    say(d, id, "Response", &m.base);
}

static void start_timer(struct decision *d, struct str id)
{
    Api__Command *c = decide_add(d, API__COMMAND_TYPE__COMMAND_TYPE_START_TIMER);
    Api__StartTimerCommandAttributes *m =
            api_new(d->arena, &api__start_timer_command_attributes__descriptor);
    m->timer_id = str_printf(d->arena, "T" STR_FMT, STR_ARG(id)).ptr;
    m->start_to_fire_timeout =
            api_duration(d->arena, DURATION_MS(50 + (int64_t)(hash_bytes(id, 0) % 1500)));
    c->attributes_case = API__COMMAND__ATTRIBUTES_START_TIMER_COMMAND_ATTRIBUTES;
    c->start_timer_command_attributes = m;
}

void decide_updates(struct decision *d, const struct asked_update *asked, size_t count)
{
    struct progress *p = d->p;
    for (unsigned i = 0; i < p->update_count; i++) {
        struct update_state *u = &p->updates[i];
        if (u->is_due && !u->answered) {
            respond(d, u->id);
            u->answered = true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct asked_update *a = &asked[i];
        if (update_kind(a->id) == 'r') {
            reject(d, a);
        } else if (!find(p, a->id)) {
            struct update_state *u = add(p, a->id);
            accept(d, a);
            if (update_kind(a->id) == 'f') {
                respond(d, a->id);
                u->answered = true;
            } else {
                start_timer(d, a->id);
            }
        }
    }
}
