/* Search attributes: the names that queries may write, where their values are found, and how values become comparable.
 *
 * A run's custom attributes arrive as a SearchAttributes message: name -> Payload with JSON data and, in its
 * metadata, the type. For searching they become one JSON object, the search document: scalars as they are, Datetime
 * as nanoseconds since 1970, KeywordList as an array, Text as the array of its words in lower case. */
#pragma once

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/search_attributes.h"

/* Where the value of an attribute is found: system ones in the order of enum search_attribute_system, all others in
 * the document by their name. */
enum attribute_source {
    SOURCE_DOCUMENT,
    SOURCE_WORKFLOW_ID = 1 + SEARCH_ATTRIBUTE_WORKFLOW_ID,
    SOURCE_RUN_ID = 1 + SEARCH_ATTRIBUTE_RUN_ID,
    SOURCE_WORKFLOW_TYPE = 1 + SEARCH_ATTRIBUTE_WORKFLOW_TYPE,
    SOURCE_START_TIME = 1 + SEARCH_ATTRIBUTE_START_TIME,
    SOURCE_EXECUTION_TIME = 1 + SEARCH_ATTRIBUTE_EXECUTION_TIME,
    SOURCE_CLOSE_TIME = 1 + SEARCH_ATTRIBUTE_CLOSE_TIME,
    SOURCE_STATUS = 1 + SEARCH_ATTRIBUTE_EXECUTION_STATUS,
    SOURCE_TASK_QUEUE = 1 + SEARCH_ATTRIBUTE_TASK_QUEUE,
    SOURCE_HISTORY_LENGTH = 1 + SEARCH_ATTRIBUTE_HISTORY_LENGTH,
    SOURCE_DURATION = 1 + SEARCH_ATTRIBUTE_EXECUTION_DURATION,
    SOURCE_STATE_TRANSITIONS = 1 + SEARCH_ATTRIBUTE_STATE_TRANSITION_COUNT,
    SOURCE_HISTORY_SIZE = 1 + SEARCH_ATTRIBUTE_HISTORY_SIZE_BYTES,
    SOURCE_PARENT_WORKFLOW_ID = 1 + SEARCH_ATTRIBUTE_PARENT_WORKFLOW_ID,
    SOURCE_PARENT_RUN_ID = 1 + SEARCH_ATTRIBUTE_PARENT_RUN_ID,
    SOURCE_ROOT_WORKFLOW_ID = 1 + SEARCH_ATTRIBUTE_ROOT_WORKFLOW_ID,
    SOURCE_ROOT_RUN_ID = 1 + SEARCH_ATTRIBUTE_ROOT_RUN_ID,
    SOURCE_COUNT = 1 + SEARCH_ATTRIBUTE_SYSTEM_COUNT,
};

struct attribute {
    struct str name;
    enum search_attribute_type type;
    enum attribute_source source;
};

/* System and predefined attributes; "Temporal" in front may be left out or added, and ScheduleId is the workflow id of
 * a schedule. The name of the answer is the full one. */
bool attribute_find_built_in(struct str name, struct attribute *ret);

/* The words of a text: runs of letters, digits and bytes of other scripts; ASCII in lower case. False at the end. */
bool text_next_word(struct str *rest, struct arena *arena, struct str *word);

/* Appends the search document of a SearchAttributes message; nothing when it has no attribute of a known type.
 * What does not fit its type is left out: the edge has refused it before. */
void search_document(struct buf *out, struct arena *arena, struct str search_attributes);
/* As a JSON string, quoted. */
void json_put_string(struct buf *out, struct str s);
