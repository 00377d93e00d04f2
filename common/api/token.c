/* Tokens in wire form. Pure; the meaning of the fields is history's business, all others only route by them. */
#include "common/api/token.h"

#include <string.h>

#include "common/model/wire.h"

enum {
    FIELD_KIND = 1,
    FIELD_NAMESPACE_ID = 2,
    FIELD_WORKFLOW_ID = 3,
    FIELD_RUN_ID = 4,
    FIELD_KEY = 5,
    FIELD_SCHEDULED_EVENT_ID = 6,
    FIELD_STARTED_EVENT_ID = 7,
    FIELD_ATTEMPT = 8,
    FIELD_STAMP = 9,
    FIELD_SCHEDULED_TIME = 10,
    FIELD_STARTED_TIME = 11,
    FIELD_IDENTITY = 12,
    FIELD_REQUEST_ID = 13,
    FIELD_ACTIVITY_ID = 14,
    FIELD_HISTORY_SIZE = 15,
    FIELD_SUGGEST = 16,
    FIELD_NEXT_EVENT_ID = 17,
    FIELD_END_EVENT_ID = 18,
    FIELD_WAITING = 19,
    FIELD_REVERSE = 20,
    FIELD_CLOSE_ONLY = 21,
    FIELD_SUFFIX = 22,
    FIELD_SUGGEST_REASONS = 70,
    FIELD_WORKER_VERSION = 71,
    ENCODED_MAX = 1 << 20,
    DECODED_MAX = 64 << 10, /* so that what was taken in can be written again */
};

struct str api_token_encode(struct arena *arena, const struct api_token *t)
{
    struct buf out;
    buf_init_arena(&out, arena, ENCODED_MAX);
    wire_put_varint(&out, FIELD_KIND, t->kind);
    wire_put_bytes(&out, FIELD_NAMESPACE_ID, uuid_bytes(&t->namespace_id));
    wire_put_bytes(&out, FIELD_WORKFLOW_ID, t->workflow_id);
    wire_put_bytes(&out, FIELD_RUN_ID, uuid_bytes(&t->run_id));
    wire_opt_varint(&out, FIELD_KEY, (uint64_t)t->key);
    wire_opt_varint(&out, FIELD_SCHEDULED_EVENT_ID, (uint64_t)t->scheduled_event_id);
    wire_opt_varint(&out, FIELD_STARTED_EVENT_ID, (uint64_t)t->started_event_id);
    wire_opt_varint(&out, FIELD_ATTEMPT, (uint64_t)t->attempt);
    wire_opt_varint(&out, FIELD_STAMP, (uint64_t)t->stamp);
    wire_opt_varint(&out, FIELD_SCHEDULED_TIME, (uint64_t)t->scheduled_time.ns);
    wire_opt_varint(&out, FIELD_STARTED_TIME, (uint64_t)t->started_time.ns);
    wire_opt_bytes(&out, FIELD_IDENTITY, t->identity);
    wire_opt_bytes(&out, FIELD_REQUEST_ID, t->request_id);
    wire_opt_bytes(&out, FIELD_ACTIVITY_ID, t->activity_id);
    wire_opt_varint(&out, FIELD_HISTORY_SIZE, (uint64_t)t->history_size);
    wire_opt_varint(&out, FIELD_SUGGEST, t->suggest_continue_as_new);
    wire_opt_varint(&out, FIELD_NEXT_EVENT_ID, (uint64_t)t->next_event_id);
    wire_opt_varint(&out, FIELD_END_EVENT_ID, (uint64_t)t->end_event_id);
    wire_opt_varint(&out, FIELD_WAITING, t->is_waiting);
    wire_opt_varint(&out, FIELD_REVERSE, t->is_reverse);
    wire_opt_varint(&out, FIELD_CLOSE_ONLY, t->close_only);
    wire_opt_bytes(&out, FIELD_SUFFIX, t->suffix);
    wire_opt_varint(&out, FIELD_SUGGEST_REASONS, (uint64_t)t->suggest_reasons);
    wire_opt_bytes(&out, FIELD_WORKER_VERSION, t->worker_version);
    check(!out.overflow);
    return buf_str(&out);
}

static bool take_uuid(struct str bytes, struct uuid *ret)
{
    if (bytes.len != sizeof(ret->b)) {
        return false;
    }
    memcpy(ret->b, bytes.ptr, sizeof(ret->b));
    return true;
}

/* Text of a token goes into events and queries like any other text from outside. */
static bool take_text(struct str bytes, struct str *ret)
{
    *ret = bytes;
    return str_is_utf8(bytes) && !(bytes.len && memchr(bytes.ptr, 0, bytes.len));
}

static bool token_take_bytes(struct api_token *t, const struct wire_field *field)
{
    switch (field->number) {
    case FIELD_NAMESPACE_ID:
        return take_uuid(field->bytes, &t->namespace_id);
    case FIELD_RUN_ID:
        return take_uuid(field->bytes, &t->run_id);
    case FIELD_WORKFLOW_ID:
        return take_text(field->bytes, &t->workflow_id);
    case FIELD_IDENTITY:
        return take_text(field->bytes, &t->identity);
    case FIELD_REQUEST_ID:
        return take_text(field->bytes, &t->request_id);
    case FIELD_ACTIVITY_ID:
        return take_text(field->bytes, &t->activity_id);
    case FIELD_SUFFIX:
        t->suffix = field->bytes;
        break;
    case FIELD_WORKER_VERSION:
        t->worker_version = field->bytes;
        break;
    default:
        break; /* of a newer release */
    }
    return true;
}

static void token_take_varint(struct api_token *t, const struct wire_field *field)
{
    int64_t v = (int64_t)field->varint;
    switch (field->number) {
    case FIELD_KIND:
        t->kind = (enum api_token_kind)v;
        break;
    case FIELD_KEY:
        t->key = v;
        break;
    case FIELD_SCHEDULED_EVENT_ID:
        t->scheduled_event_id = v;
        break;
    case FIELD_STARTED_EVENT_ID:
        t->started_event_id = v;
        break;
    case FIELD_ATTEMPT:
        t->attempt = (int32_t)v;
        break;
    case FIELD_STAMP:
        t->stamp = (int32_t)v;
        break;
    case FIELD_SCHEDULED_TIME:
        t->scheduled_time.ns = v;
        break;
    case FIELD_STARTED_TIME:
        t->started_time.ns = v;
        break;
    case FIELD_HISTORY_SIZE:
        t->history_size = v;
        break;
    case FIELD_SUGGEST:
        t->suggest_continue_as_new = v != 0;
        break;
    case FIELD_SUGGEST_REASONS:
        t->suggest_reasons = (int32_t)v;
        break;
    case FIELD_NEXT_EVENT_ID:
        t->next_event_id = v;
        break;
    case FIELD_END_EVENT_ID:
        t->end_event_id = v;
        break;
    case FIELD_WAITING:
        t->is_waiting = v != 0;
        break;
    case FIELD_REVERSE:
        t->is_reverse = v != 0;
        break;
    case FIELD_CLOSE_ONLY:
        t->close_only = v != 0;
        break;
    default:
        break; /* of a newer release */
    }
}

enum err api_token_decode(
        struct str bytes, struct arena *arena, struct api_token *ret, struct fail *f)
{
    struct api_token t = { 0 };
    struct wire_field field;
    bool ok = bytes.len > 0 && bytes.len <= DECODED_MAX;
    while (ok && wire_next(&bytes, &field)) {
        if (field.type == WIRE_LEN) {
            ok = token_take_bytes(&t, &field);
        } else if (field.type == WIRE_VARINT) {
            token_take_varint(&t, &field);
        }
    }
    if (!ok || !wire_ok(bytes) || t.kind < API_TOKEN_WORKFLOW_TASK || t.kind > API_TOKEN_QUERY ||
            uuid_is_zero(t.namespace_id) || !str_is_utf8(t.workflow_id) ||
            (!t.workflow_id.len && t.kind != API_TOKEN_QUERY)) {
        return fail(f, ERR_INVALID_ARGUMENT, "Invalid task token.");
    }
    *ret = t;
    return ERR_NONE;
}
