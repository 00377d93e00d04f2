/* The names and types of search attributes, and the check of what a client sets. What JSON values are is
 * json_value.c's; where the registered names come from is left to the caller. */
#include "common/model/search_attributes.h"

#include "common/model/json_value.h"
#include "common/model/wire.h"

#define TEXT         SEARCH_ATTRIBUTE_TEXT
#define KEYWORD      SEARCH_ATTRIBUTE_KEYWORD
#define INT          SEARCH_ATTRIBUTE_INT
#define DOUBLE       SEARCH_ATTRIBUTE_DOUBLE
#define BOOL         SEARCH_ATTRIBUTE_BOOL
#define DATETIME     SEARCH_ATTRIBUTE_DATETIME
#define KEYWORD_LIST SEARCH_ATTRIBUTE_KEYWORD_LIST

static const struct {
    const char *name;
    enum search_attribute_type type;
    enum search_attribute_kind kind;
} builtin[] = {
    [SEARCH_ATTRIBUTE_WORKFLOW_ID] = { "WorkflowId", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_RUN_ID] = { "RunId", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_WORKFLOW_TYPE] = { "WorkflowType", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_START_TIME] = { "StartTime", DATETIME, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_EXECUTION_TIME] = { "ExecutionTime", DATETIME, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_CLOSE_TIME] = { "CloseTime", DATETIME, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_EXECUTION_STATUS] = { "ExecutionStatus", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_TASK_QUEUE] = { "TaskQueue", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_HISTORY_LENGTH] = { "HistoryLength", INT, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_EXECUTION_DURATION] = { "ExecutionDuration", INT, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_STATE_TRANSITION_COUNT] = { "StateTransitionCount", INT,
            SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_HISTORY_SIZE_BYTES] = { "HistorySizeBytes", INT, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_PARENT_WORKFLOW_ID] = { "ParentWorkflowId", KEYWORD,
            SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_PARENT_RUN_ID] = { "ParentRunId", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_ROOT_WORKFLOW_ID] = { "RootWorkflowId", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    [SEARCH_ATTRIBUTE_ROOT_RUN_ID] = { "RootRunId", KEYWORD, SEARCH_ATTRIBUTE_SYSTEM },
    { "TemporalChangeVersion", KEYWORD_LIST, SEARCH_ATTRIBUTE_PREDEFINED },
    { "BinaryChecksums", KEYWORD_LIST, SEARCH_ATTRIBUTE_PREDEFINED },
    { "BuildIds", KEYWORD_LIST, SEARCH_ATTRIBUTE_PREDEFINED },
    { "BatcherNamespace", KEYWORD, SEARCH_ATTRIBUTE_PREDEFINED },
    { "BatcherUser", KEYWORD, SEARCH_ATTRIBUTE_PREDEFINED },
    { "TemporalScheduledStartTime", DATETIME, SEARCH_ATTRIBUTE_PREDEFINED },
    { "TemporalScheduledById", KEYWORD, SEARCH_ATTRIBUTE_PREDEFINED },
    { "TemporalSchedulePaused", BOOL, SEARCH_ATTRIBUTE_PREDEFINED },
    { "TemporalNamespaceDivision", KEYWORD, SEARCH_ATTRIBUTE_PREDEFINED },
    { "TemporalPauseInfo", KEYWORD_LIST, SEARCH_ATTRIBUTE_PREDEFINED },
    { "TemporalReportedProblems", KEYWORD_LIST, SEARCH_ATTRIBUTE_PREDEFINED },
    { "TemporalWorkerDeploymentVersion", KEYWORD, SEARCH_ATTRIBUTE_INTERNAL },
    { "TemporalWorkflowVersioningBehavior", KEYWORD, SEARCH_ATTRIBUTE_INTERNAL },
    { "TemporalWorkerDeployment", KEYWORD, SEARCH_ATTRIBUTE_INTERNAL },
    { "TemporalUsedWorkerDeploymentVersions", KEYWORD_LIST, SEARCH_ATTRIBUTE_INTERNAL },
    { "TemporalExternalPayloadCount", INT, SEARCH_ATTRIBUTE_INTERNAL },
    { "TemporalExternalPayloadSizeBytes", INT, SEARCH_ATTRIBUTE_INTERNAL },
};

static const char *const type_names[] = {
    [TEXT] = "Text",
    [KEYWORD] = "Keyword",
    [INT] = "Int",
    [DOUBLE] = "Double",
    [BOOL] = "Bool",
    [DATETIME] = "Datetime",
    [KEYWORD_LIST] = "KeywordList",
};

/* ---- names ------------------------------------------------------------------------------------- */

const char *search_attribute_type_name(enum search_attribute_type type)
{
    return (unsigned)type < ARRAY_LEN(type_names) ? type_names[type] : NULL;
}

enum search_attribute_type search_attribute_type_of(struct str name)
{
    for (size_t i = 1; i < ARRAY_LEN(type_names); i++) {
        if (str_eq_nocase(name, str_from_cstr(type_names[i]))) {
            return (enum search_attribute_type)i;
        }
    }
    return SEARCH_ATTRIBUTE_UNSPECIFIED;
}

bool search_attribute_builtin(
        size_t n, struct search_attribute *ret, enum search_attribute_kind *kind)
{
    if (n >= ARRAY_LEN(builtin)) {
        return false;
    }
    *ret = (struct search_attribute){ str_from_cstr(builtin[n].name), builtin[n].type };
    *kind = builtin[n].kind;
    return true;
}

enum search_attribute_kind search_attribute_find(
        const struct search_attributes *known, struct str name, enum search_attribute_type *type)
{
    for (size_t i = 0; i < ARRAY_LEN(builtin); i++) {
        if (str_eq(name, str_from_cstr(builtin[i].name))) {
            *type = builtin[i].type;
            return builtin[i].kind;
        }
    }
    for (size_t i = 0; i < known->count; i++) {
        if (str_eq(name, known->custom[i].name)) {
            *type = known->custom[i].type;
            return SEARCH_ATTRIBUTE_CUSTOM;
        }
    }
    return SEARCH_ATTRIBUTE_UNKNOWN;
}

bool search_attribute_is_reserved(struct str name)
{
    static const char *const fields[] = { "NamespaceId", "MemoEncoding", "Memo",
        "VisibilityTaskKey" };
    static const struct search_attributes none;
    enum search_attribute_type type;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (str_eq(name, str_from_cstr(fields[i]))) {
            return true;
        }
    }
    return str_starts_with(name, STR("Temporal")) ||
           search_attribute_find(&none, name, &type) != SEARCH_ATTRIBUTE_UNKNOWN;
}

enum search_attribute_type search_attribute_slot_type(struct str slot)
{
    uint64_t n;
    if (slot.len < 3 || !str_to_u64(str_drop(slot, slot.len - 2), &n) || n == 0) {
        return SEARCH_ATTRIBUTE_UNSPECIFIED;
    }
    for (size_t i = 1; i < ARRAY_LEN(type_names); i++) {
        if (str_eq(str_of(slot.ptr, slot.len - 2), str_from_cstr(type_names[i]))) {
            return (enum search_attribute_type)i;
        }
    }
    return SEARCH_ATTRIBUTE_UNSPECIFIED;
}

struct str search_attribute_slot(struct arena *arena, enum search_attribute_type type, unsigned n)
{
    const char *name = search_attribute_type_name(type);
    check(name && n >= 1 && n <= SEARCH_ATTRIBUTE_SLOTS);
    struct buf out;
    buf_init_arena(&out, arena, 32);
    buf_append_str(&out, str_from_cstr(name));
    buf_append_byte(&out, (uint8_t)('0' + n / 10));
    buf_append_byte(&out, (uint8_t)('0' + n % 10));
    return str_dup(arena, buf_str(&out));
}

/* ---- values ------------------------------------------------------------------------------------ */

struct field {
    struct str name, payload;
};

/* The next entry of the map. */
static bool next_field(struct str *message, struct field *ret)
{
    struct wire_field entry, part;
    while (wire_next(message, &entry)) {
        if (entry.number != 1 || entry.type != WIRE_LEN) {
            continue;
        }
        struct str in = entry.bytes;
        *ret = (struct field){ STR(""), STR("") };
        while (wire_next(&in, &part)) {
            if (part.type == WIRE_LEN && part.number == 1) {
                ret->name = part.bytes;
            } else if (part.type == WIRE_LEN && part.number == 2) {
                ret->payload = part.bytes;
            }
        }
        return true;
    }
    return false;
}

static struct str payload_data(struct str payload)
{
    struct wire_field f;
    struct str data = STR("");
    while (wire_next(&payload, &f)) {
        if (f.number == 2 && f.type == WIRE_LEN) {
            data = f.bytes;
        }
    }
    return data;
}

static struct str payload_metadata(struct str payload, struct str key)
{
    struct wire_field f;
    struct str found = STR("");
    while (wire_next(&payload, &f)) {
        struct str in = f.bytes, name = STR(""), value = STR("");
        struct wire_field part;
        if (f.number != 1 || f.type != WIRE_LEN) {
            continue;
        }
        while (wire_next(&in, &part)) {
            *(part.number == 1 ? &name : &value) = part.bytes;
        }
        found = str_eq(name, key) ? value : found;
    }
    return found;
}

static bool is_scalar(enum search_attribute_type type, const struct json_value *v)
{
    switch (type) {
    case TEXT:
    case KEYWORD:
        return v->kind == JSON_STRING;
    case INT:
        return v->kind == JSON_NUMBER && json_is_int64(v->text);
    case DOUBLE:
        return v->kind == JSON_NUMBER;
    case BOOL:
        return v->kind == JSON_BOOL;
    case DATETIME:
        return v->kind == JSON_STRING && json_is_time(v->text);
    case KEYWORD_LIST:
    case SEARCH_ATTRIBUTE_UNSPECIFIED:
        return false;
    }
    return false;
}

/* A scalar may come as a list of one; nothing, and an empty list, remove the attribute. */
static bool is_value(enum search_attribute_type type, struct str payload)
{
    struct json_value v, item;
    struct str encoding = payload_metadata(payload, STR("encoding"));
    if (!payload.len || str_eq(encoding, STR("binary/null"))) {
        return true;
    }
    if (!str_eq(encoding, STR("json/plain")) || !json_parse(payload_data(payload), &v)) {
        return false;
    }
    if (v.kind == JSON_NULL || is_scalar(type, &v)) {
        return true;
    }
    size_t count = 0;
    for (struct str rest = v.text; v.kind == JSON_ARRAY && json_next(&rest, &item); count++) {
        bool fits = type == KEYWORD_LIST ? item.kind == JSON_STRING || item.kind == JSON_NULL
                                         : is_scalar(type, &item) && count == 0;
        if (!fits) {
            return false;
        }
    }
    return v.kind == JSON_ARRAY;
}

static enum err check_field(
        const struct field *field, const struct search_attributes *known, struct fail *f)
{
    enum search_attribute_type type = SEARCH_ATTRIBUTE_UNSPECIFIED;
    switch (search_attribute_find(known, field->name, &type)) {
    case SEARCH_ATTRIBUTE_UNKNOWN:
        return fail(f, ERR_INVALID_ARGUMENT,
                "Namespace " STR_FMT " has no mapping defined for search attribute " STR_FMT,
                STR_ARG(known->namespace_name), STR_ARG(field->name));
    case SEARCH_ATTRIBUTE_SYSTEM:
    case SEARCH_ATTRIBUTE_INTERNAL:
        return fail(f, ERR_INVALID_ARGUMENT, STR_FMT " attribute can't be set in SearchAttributes",
                STR_ARG(field->name));
    case SEARCH_ATTRIBUTE_PREDEFINED:
    case SEARCH_ATTRIBUTE_CUSTOM:
        break;
    }
    if (!is_value(type, field->payload)) {
        struct str data = payload_data(field->payload);
        struct json_value v;
        bool is_text = json_parse(data, &v) && v.kind == JSON_STRING;
        struct str shown = is_text ? v.text : data;
        return fail(f, ERR_INVALID_ARGUMENT,
                "invalid value for search attribute " STR_FMT " of type %s: " STR_FMT,
                STR_ARG(field->name), search_attribute_type_name(type), STR_ARG(shown));
    }
    return ERR_NONE;
}

enum err search_attributes_check_size(
        struct str message, const struct search_attribute_limits *limits, struct fail *f)
{
    struct field field;
    for (struct str in = message; next_field(&in, &field);) {
        size_t size = payload_data(field.payload).len;
        if (size > limits->value_bytes) {
            return fail(f, ERR_INVALID_ARGUMENT,
                    "search attribute " STR_FMT " value size %zu exceeds size limit %zu",
                    STR_ARG(field.name), size, limits->value_bytes);
        }
    }
    if (message.len > limits->total_bytes) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "total size of search attributes %zu exceeds size limit %zu", message.len,
                limits->total_bytes);
    }
    return ERR_NONE;
}

enum err search_attributes_check(struct str message, const struct search_attributes *known,
        const struct search_attribute_limits *limits, struct fail *f)
{
    struct field field;
    size_t count = 0;
    struct str in = message;
    while (next_field(&in, &field)) {
        count++;
    }
    if (!wire_ok(in)) {
        return fail(f, ERR_INVALID_ARGUMENT, "SearchAttributes cannot be read.");
    }
    if (count > limits->keys) {
        return fail(f, ERR_INVALID_ARGUMENT, "number of search attributes %zu exceeds limit %zu",
                count, limits->keys);
    }
    for (in = message; next_field(&in, &field);) {
        enum err err = check_field(&field, known, f);
        if (err) {
            return err;
        }
    }
    return search_attributes_check_size(message, limits, f);
}

/* ---- the type in the metadata ------------------------------------------------------------------- */

static void put_metadata(struct buf *out, struct str key, struct str value)
{
    size_t entry = wire_begin(out, 1);
    wire_put_bytes(out, 1, key);
    wire_put_bytes(out, 2, value);
    wire_end(out, entry);
}

static void put_typed(struct buf *out, const struct field *field, const char *type)
{
    size_t entry = wire_begin(out, 1);
    wire_put_bytes(out, 1, field->name);
    size_t payload = wire_begin(out, 2);
    struct wire_field part;
    struct str encoding = payload_metadata(field->payload, STR("encoding"));
    put_metadata(out, STR("encoding"), encoding);
    put_metadata(out, STR("type"), str_from_cstr(type));
    for (struct str in = field->payload; wire_next(&in, &part);) {
        if (part.number == 2 && part.type == WIRE_LEN) {
            wire_put_bytes(out, 2, part.bytes);
        }
    }
    wire_end(out, payload);
    wire_end(out, entry);
}

struct str search_attributes_typed(
        struct str message, const struct search_attributes *known, struct arena *arena)
{
    struct field field;
    struct buf out;
    bool changed = false;
    buf_init_arena(&out, arena, 2 * message.len + 65536);
    struct str in = message;
    while (next_field(&in, &field)) {
        enum search_attribute_type type = SEARCH_ATTRIBUTE_UNSPECIFIED;
        (void)search_attribute_find(known, field.name, &type);
        const char *name = search_attribute_type_name(type);
        struct str had = payload_metadata(field.payload, STR("type"));
        if (!name || !field.payload.len || str_eq(had, str_from_cstr(name))) {
            size_t entry = wire_begin(&out, 1);
            wire_put_bytes(&out, 1, field.name);
            wire_put_bytes(&out, 2, field.payload);
            wire_end(&out, entry);
            continue;
        }
        put_typed(&out, &field, name);
        changed = true;
    }
    return changed && wire_ok(in) && !out.overflow ? buf_str(&out) : message;
}
