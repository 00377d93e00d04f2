/* Bounds on what a request carries, by rules on field names that hold for the whole API: an id or a
 * name is at most limits.id_length bytes, an execution's run id is a UUID. Rules of one method only
 * are with its handler or with the engine. */
#include "frontend/validate.h"

#include "common/api/view.h"

static const struct {
    const char *field;
    const char *text;
} bounded[] = {
    { "workflow_id", "WorkflowId length exceeds limit." },
    { "request_id", "RequestId length exceeds limit." },
    { "identity", "Identity length exceeds limit." },
    { "signal_name", "SignalName length exceeds limit." },
    { "activity_id", "ActivityId length exceeds limit." },
    { "namespace", "Namespace length exceeds limit." },
    { "reason", "Reason length exceeds limit." },
    { "sticky_task_queue", "TaskQueue length exceeds limit." },
    { "worker_instance_key", "WorkerInstanceKey length exceeds limit." },
};

static enum err check_lengths(const ProtobufCMessage *message, size_t max, struct fail *f)
{
    for (size_t i = 0; i < ARRAY_LEN(bounded); i++) {
        const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field_by_name(
                message->descriptor, bounded[i].field);
        if (d && d->type == PROTOBUF_C_TYPE_STRING && d->label != PROTOBUF_C_LABEL_REPEATED &&
                strlen(*(char *const *)((const char *)message + d->offset)) > max) {
            return fail(f, ERR_INVALID_ARGUMENT, "%s", bounded[i].text);
        }
    }
    return ERR_NONE;
}

static enum err check_execution(struct request *rq, size_t max)
{
    if (rq->row->route.execution_at < 0) {
        return ERR_NONE;
    }
    const Api__WorkflowExecution *e =
            *(Api__WorkflowExecution *const *)((char *)rq->message + rq->row->route.execution_at);
    struct uuid run_id;
    if (!e) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Execution is not set on request.");
    }
    if (!*e->workflow_id) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "WorkflowId is not set on request.");
    }
    if (strlen(e->workflow_id) > max) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "WorkflowId length exceeds limit.");
    }
    if (*e->run_id && !uuid_parse(str_from_cstr(e->run_id), &run_id)) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Invalid RunId.");
    }
    return ERR_NONE;
}

/* The sub-message of that name and type, or NULL: none, or not set. */
static const void *find_part(
        const ProtobufCMessage *message, const char *name, const ProtobufCMessageDescriptor *type)
{
    const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    bool is_it = f && f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED &&
                 f->descriptor == type;
    return is_it ? *(const void *const *)((const char *)message + f->offset) : NULL;
}

static enum err check_names(const ProtobufCMessage *message, size_t max, struct fail *f)
{
    const Api__TaskQueue *queue = find_part(message, "task_queue", &api__task_queue__descriptor);
    const Api__WorkflowType *type =
            find_part(message, "workflow_type", &api__workflow_type__descriptor);
    if (queue && (strlen(queue->name) > max || strlen(queue->normal_name) > max)) {
        return fail(f, ERR_INVALID_ARGUMENT, "TaskQueue length exceeds limit.");
    }
    if (queue && str_starts_with(str_from_cstr(queue->name), STR("/_sys/"))) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "task queue name cannot start with reserved prefix /_sys/");
    }
    if (type && strlen(type->name) > max) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowType length exceeds limit.");
    }
    return ERR_NONE;
}

enum err validate_message(
        const ProtobufCMessage *message, const struct config *config, struct fail *f)
{
    size_t max = (size_t)config->limit_id;
    enum err err = check_lengths(message, max, f);
    return err ? err : check_names(message, max, f);
}

enum err validate_request(struct request *rq, const struct config *config)
{
    enum err err = validate_message(rq->message, config, &rq->fail);
    return err ? err : check_execution(rq, (size_t)config->limit_id);
}
