/* Structs as wire messages by table: which member goes to which field, in which form. Used for history events,
 * the engine's records and its snapshots, so that a field is declared once for writing and reading. */
#pragma once

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/model/policies.h"

enum field_kind {
    FIELD_I64,          /* int64_t; zero is not written */
    FIELD_I32,          /* int32_t or an enum; zero is not written */
    FIELD_BOOL,         /* bool; false is not written */
    FIELD_STR,          /* struct str: string, bytes or an encoded message; empty is not written */
    FIELD_NAME,         /* struct str as a message with field 1 (ActivityType, WorkflowType) */
    FIELD_QUEUE,        /* struct queue_ref */
    FIELD_EXECUTION,    /* struct execution_ref; not written when both are empty */
    FIELD_DURATION,     /* struct duration; written even when zero: readers rely on its presence */
    FIELD_DURATION_OPT, /* struct duration; zero is not written */
    FIELD_TIME,         /* struct instant as Timestamp; {0} is not written */
    FIELD_NS, /* struct instant or struct duration as its number of nanoseconds (internal records) */
    FIELD_RETRY, /* struct retry_policy; written when is_set */
    FIELD_UUID,  /* struct uuid as 16 bytes; zero is not written (internal records) */
    FIELD_RAW,   /* struct str: fields that are encoded already, appended; never read */
    FIELD_LIST, /* struct str: a repeated field, encoded already, tags included; read when it is in one piece */
};

struct field {
    uint32_t number;
    enum field_kind kind;
    size_t offset;
};

/* A task queue of the API: normal_name is given when name is a sticky queue. */
struct queue_ref {
    struct str name, normal_name;
};

struct execution_ref {
    struct str workflow_id, run_id;
};

void fields_write(struct buf *out, const struct field *fields, size_t count, const void *object);
/* Sets the members that the message has; the rest of *object stays. Strings borrow from the message, arrays
 * live in the arena. Unknown fields are skipped. False: malformed. */
bool fields_read(struct str message, const struct field *fields, size_t count, struct arena *arena,
        void *object) MUST_USE;

void retry_policy_write(struct buf *out, uint32_t number, const struct retry_policy *policy);
bool retry_policy_read(struct str message, struct arena *arena, struct retry_policy *ret) MUST_USE;
