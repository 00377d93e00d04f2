/* Search attributes: the names that exist in every namespace, those that a namespace has registered, and what values
 * each may have. Pure; the messages are in wire form.
 *
 * A namespace keeps its own names as the API shows them, in the aliases of its configuration: from a slot ("Keyword01")
 * to the name; the slot says the type. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"

/* Numbers of temporal.api.enums.v1.IndexedValueType. */
enum search_attribute_type {
    SEARCH_ATTRIBUTE_UNSPECIFIED = 0,
    SEARCH_ATTRIBUTE_TEXT = 1,
    SEARCH_ATTRIBUTE_KEYWORD = 2,
    SEARCH_ATTRIBUTE_INT = 3,
    SEARCH_ATTRIBUTE_DOUBLE = 4,
    SEARCH_ATTRIBUTE_BOOL = 5,
    SEARCH_ATTRIBUTE_DATETIME = 6,
    SEARCH_ATTRIBUTE_KEYWORD_LIST = 7,
};

enum search_attribute_kind {
    SEARCH_ATTRIBUTE_UNKNOWN,
    SEARCH_ATTRIBUTE_SYSTEM,     /* told by the server, never set by a client */
    SEARCH_ATTRIBUTE_INTERNAL,   /* predefined, set by the server only */
    SEARCH_ATTRIBUTE_PREDEFINED, /* there in every namespace; clients may set it */
    SEARCH_ATTRIBUTE_CUSTOM,
};

/* The system ones, in the order of search_attribute_builtin(). */
enum search_attribute_system {
    SEARCH_ATTRIBUTE_WORKFLOW_ID,
    SEARCH_ATTRIBUTE_RUN_ID,
    SEARCH_ATTRIBUTE_WORKFLOW_TYPE,
    SEARCH_ATTRIBUTE_START_TIME,
    SEARCH_ATTRIBUTE_EXECUTION_TIME,
    SEARCH_ATTRIBUTE_CLOSE_TIME,
    SEARCH_ATTRIBUTE_EXECUTION_STATUS,
    SEARCH_ATTRIBUTE_TASK_QUEUE,
    SEARCH_ATTRIBUTE_HISTORY_LENGTH,
    SEARCH_ATTRIBUTE_EXECUTION_DURATION,
    SEARCH_ATTRIBUTE_STATE_TRANSITION_COUNT,
    SEARCH_ATTRIBUTE_HISTORY_SIZE_BYTES,
    SEARCH_ATTRIBUTE_PARENT_WORKFLOW_ID,
    SEARCH_ATTRIBUTE_PARENT_RUN_ID,
    SEARCH_ATTRIBUTE_ROOT_WORKFLOW_ID,
    SEARCH_ATTRIBUTE_ROOT_RUN_ID,
    SEARCH_ATTRIBUTE_SYSTEM_COUNT,
};

struct search_attribute {
    struct str name;
    enum search_attribute_type type;
};

/* What a namespace has registered. */
struct search_attributes {
    struct str namespace_name; /* for texts */
    const struct search_attribute *custom;
    size_t count;
};

struct search_attribute_limits {
    size_t keys, value_bytes, total_bytes; /* 100, 2 KiB, 40 KiB */
};

/* "Keyword"; NULL: no such type. */
const char *search_attribute_type_name(enum search_attribute_type type);
/* By its name, letter case aside; UNSPECIFIED: no such type. */
enum search_attribute_type search_attribute_type_of(struct str name);
/* The n-th system or predefined attribute; false: no more. */
bool search_attribute_builtin(
        size_t n, struct search_attribute *ret, enum search_attribute_kind *kind);
/* May not be registered: a name of the server's, or one that begins like them. */
bool search_attribute_is_reserved(struct str name);
enum search_attribute_kind search_attribute_find(
        const struct search_attributes *known, struct str name, enum search_attribute_type *type);

/* "Keyword01" -> KEYWORD; UNSPECIFIED: no slot. */
enum search_attribute_type search_attribute_slot_type(struct str slot);
/* The n-th slot of a type, from 1. */
struct str search_attribute_slot(struct arena *arena, enum search_attribute_type type, unsigned n);
enum { SEARCH_ATTRIBUTE_SLOTS = 99 }; /* of each type */

/* Whether a client may set these (an encoded SearchAttributes; empty is fine): names, values, sizes.
 * ERR_INVALID_ARGUMENT with the API's texts. */
enum err search_attributes_check(struct str message, const struct search_attributes *known,
        const struct search_attribute_limits *limits, struct fail *f) MUST_USE;
/* Only the sizes: of a merged map. */
enum err search_attributes_check_size(
        struct str message, const struct search_attribute_limits *limits, struct fail *f) MUST_USE;
/* The same message with the registered type in each payload's metadata, which SDKs decode by; the same bytes when
 * nothing is missing, or it cannot be read. */
struct str search_attributes_typed(
        struct str message, const struct search_attributes *known, struct arena *arena);
