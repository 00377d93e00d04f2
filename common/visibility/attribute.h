/* Search attributes: the built-in names, the types, and how values become comparable.
 *
 * A run's custom attributes arrive as a SearchAttributes message: name -> Payload with JSON data and, in its
 * metadata, the type. For searching they become one JSON object, the search document: scalars as they are, Datetime
 * as nanoseconds since 1970, KeywordList as an array, Text as the array of its words in lower case. */
#pragma once

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/base/time.h"

/* Numbers of the public enum IndexedValueType. */
enum attribute_type {
    ATTRIBUTE_TEXT = 1,
    ATTRIBUTE_KEYWORD = 2,
    ATTRIBUTE_INT = 3,
    ATTRIBUTE_DOUBLE = 4,
    ATTRIBUTE_BOOL = 5,
    ATTRIBUTE_DATETIME = 6,
    ATTRIBUTE_KEYWORD_LIST = 7,
};

/* Where the value of an attribute is found. */
enum attribute_source {
    SOURCE_DOCUMENT, /* predefined and custom ones: in the search document, by name */
    SOURCE_WORKFLOW_ID,
    SOURCE_RUN_ID,
    SOURCE_WORKFLOW_TYPE,
    SOURCE_STATUS,
    SOURCE_TASK_QUEUE,
    SOURCE_PARENT_WORKFLOW_ID,
    SOURCE_PARENT_RUN_ID,
    SOURCE_ROOT_WORKFLOW_ID,
    SOURCE_ROOT_RUN_ID,
    SOURCE_START_TIME,
    SOURCE_EXECUTION_TIME,
    SOURCE_CLOSE_TIME,
    SOURCE_HISTORY_LENGTH,
    SOURCE_HISTORY_SIZE,
    SOURCE_STATE_TRANSITIONS,
    SOURCE_DURATION,
    SOURCE_COUNT,
};

struct attribute {
    struct str name;
    enum attribute_type type;
    enum attribute_source source;
};

/* System and predefined attributes, with or without the "Temporal" in front where that is unambiguous. */
bool attribute_find_built_in(struct str name, struct attribute *ret);
/* "Keyword", "KeywordList", ...; "" for an unknown number. */
struct str attribute_type_name(enum attribute_type type);
bool attribute_type_of_name(struct str name, enum attribute_type *ret);

/* The words of a text: runs of letters, digits and bytes of other scripts; ASCII in lower case. False at the end. */
bool text_next_word(struct str *rest, struct arena *arena, struct str *word);

/* Appends the search document of a SearchAttributes message; nothing when it has no attribute of a known type.
 * What does not fit its type is left out: the edge has refused it before. */
void search_document(struct buf *out, struct arena *arena, struct str search_attributes);
/* As a JSON string, quoted. */
void json_put_string(struct buf *out, struct str s);
