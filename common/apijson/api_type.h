/* The API's messages, enums and methods by name, as a client sees them: tables made from proto/ (the client view).
 * For code that handles messages by their description instead of by generated structs. All of it is constant. */
#pragma once

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/str.h"

enum api_kind {
    API_KIND_DOUBLE,
    API_KIND_FLOAT,
    API_KIND_INT64,
    API_KIND_UINT64,
    API_KIND_INT32,
    API_KIND_UINT32,
    API_KIND_SINT32,
    API_KIND_SINT64,
    API_KIND_FIXED32,
    API_KIND_FIXED64,
    API_KIND_BOOL,
    API_KIND_ENUM,
    API_KIND_STRING,
    API_KIND_BYTES,
    API_KIND_MESSAGE,
};

/* Messages whose JSON is not an object of their fields. */
enum api_special {
    API_PLAIN,
    API_TIMESTAMP,
    API_DURATION,
    API_FIELD_MASK,
    API_WRAPPER,
    API_ANY,
    API_PAYLOAD,
    API_PAYLOADS,
};

enum api_label { /* none: single, and its zero is not told from its absence */
    API_REPEATED = 1,
    API_MAP = 2,     /* a repeated message of key = 1 and value = 2 */
    API_ONEOF = 4,   /* at most one of several */
    API_PRESENT = 8, /* explicit presence */
};

/* Names are places in api_names: no address stands in the tables, so that loading them costs nothing. */
struct api_type {
    uint32_t name;
    uint16_t first_field, field_count; /* in api_fields, in the order of their declaration */
    uint8_t special;
};

struct api_field {
    uint32_t name; /* "workflow_id" */
    uint16_t number;
    uint8_t kind, label;
    uint16_t target; /* of a message: in api_types; of an enum: in api_enums */
};

struct api_enum {
    uint32_t name;
    uint16_t first_value, value_count;
};

struct api_enum_value {
    uint32_t name; /* "WORKFLOW_EXECUTION_STATUS_RUNNING" */
    int32_t number;
};

struct api_method {
    uint32_t name; /* "temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution" */
    uint16_t input, output;
};

extern const struct api_type api_types[];
extern const struct api_field api_fields[];
extern const struct api_enum api_enums[];
extern const struct api_enum_value api_values[];
extern const struct api_method api_methods[];
extern const char api_names[];
extern const size_t api_type_count, api_field_count, api_enum_count, api_value_count,
        api_method_count;

static inline const char *api_name(uint32_t at)
{
    return api_names + at;
}

static inline const struct api_field *api_type_fields(const struct api_type *type)
{
    return api_fields + type->first_field;
}

static inline const struct api_type *api_field_type(const struct api_field *field)
{
    return field->kind == API_KIND_MESSAGE ? api_types + field->target : NULL;
}

/* By full name ("temporal.api.history.v1.History"); NULL: none. */
const struct api_type *api_type_named(struct str name);
const struct api_field *api_field_numbered(const struct api_type *type, uint32_t number);
/* By the name of the declaration or of JSON ("workflow_id", "workflowId"). */
const struct api_field *api_field_named(const struct api_type *type, struct str name);
/* By the method's own name ("StartWorkflowExecution"). */
const struct api_method *api_method_named(const char *name);

/* "workflow_id" as "workflowId". */
struct str api_json_name(struct arena *arena, const struct api_field *field);

/* Full name, empty for an unknown number. */
struct str api_enum_text(uint16_t target, int32_t number);
/* Without the enum's own name, in camel case: "Running", "WorkflowExecutionStarted". A number when unknown. */
struct str api_enum_short(struct arena *arena, uint16_t target, int32_t number);
/* From the full or the short form, or digits; letters of either case. */
bool api_enum_parse(uint16_t target, struct str text, int32_t *ret);
