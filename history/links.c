/* Links: what an event came from, as its request says, and what answers tell of the event that a request has led to. An
 * event that may still be buffered has no id, so it is named by the request. */
#include "common/model/history_event.h"
#include "common/model/wire.h"
#include "history/handlers.h"

struct str links_encode(struct arena *arena, const ProtobufCBinaryData *links, size_t count)
{
    return repeated_encode(arena, HISTORY_FIELD_LINKS, links, count);
}

enum { LINK_EVENT = 1, LINK_WORKFLOW = 5, EVENT_BY_ID = 100, EVENT_BY_REQUEST = 101 };

static size_t begin(struct buf *out, const struct call *call, struct uuid run_id,
        struct arena *arena, uint32_t kind)
{
    buf_init_arena(out, arena, 16 * 1024);
    size_t mark = wire_begin(out, kind);
    wire_put_bytes(out, 1, call->api.namespace_name);
    wire_put_bytes(out, 2, call->api.workflow_id);
    wire_put_bytes(out, 3, uuid_dup(arena, run_id));
    return mark;
}

ProtobufCBinaryData link_to_start(struct call *call, struct uuid run_id)
{
    struct buf out;
    size_t link = begin(&out, call, run_id, &call->arena, LINK_EVENT);
    size_t ref = wire_begin(&out, EVENT_BY_ID);
    wire_put_varint(&out, 1, 1);
    wire_put_varint(&out, 2, HISTORY_WORKFLOW_EXECUTION_STARTED);
    wire_end(&out, ref);
    wire_end(&out, link);
    return api_data(buf_str(&out));
}

ProtobufCBinaryData link_to_request(
        struct call *call, struct uuid run_id, struct str request_id, int32_t event_type)
{
    struct buf out;
    size_t link = begin(&out, call, run_id, &call->arena, LINK_EVENT);
    size_t ref = wire_begin(&out, EVENT_BY_REQUEST);
    wire_opt_bytes(&out, 1, request_id);
    wire_put_varint(&out, 2, (uint64_t)event_type);
    wire_end(&out, ref);
    wire_end(&out, link);
    return api_data(buf_str(&out));
}

ProtobufCBinaryData link_to_workflow(struct call *call, struct uuid run_id, struct str reason)
{
    struct buf out;
    size_t link = begin(&out, call, run_id, &call->arena, LINK_WORKFLOW);
    wire_put_bytes(&out, 4, reason);
    wire_end(&out, link);
    return api_data(buf_str(&out));
}
