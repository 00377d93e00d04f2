/* A visibility query: the text that users write into list and count calls, as a tree whose names are resolved and
 * whose values have their attribute's type. Rules: the public documentation of list filters.
 *
 *     WorkflowType = 'order' AND (ExecutionStatus != 'Running' OR StartTime > '2026-01-01T00:00:00Z')
 *
 * Evaluation is three-valued as in SQL: a comparison with an attribute that a run does not have is unknown, its
 * negation too, and only what is true is listed. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/model/time_text.h"
#include "common/visibility/attribute.h"

enum {
    FILTER_TEXT_MAX = 32 << 10,
    FILTER_DEPTH_MAX = 100,
    FILTER_VALUES_MAX = 2000,
    FILTER_CONDITIONS_MAX = 400
};

enum filter_kind {
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT, /* of left */
    FILTER_EQ,  /* Keyword lists: has the value; Text: has one of its words */
    FILTER_LT,
    FILTER_LE,
    FILTER_GT,
    FILTER_GE,
    FILTER_BETWEEN, /* values[0] <= x <= values[1] */
    FILTER_IN,
    FILTER_STARTS_WITH,
    FILTER_IS_NULL,
};

/* By the attribute's type: text (Keyword, KeywordList, Text), number (Int, Datetime in ns since 1970, Bool 0/1,
 * ExecutionStatus by number, ExecutionDuration in ns), real (Double; of an Int only with is_real). */
struct filter_value {
    struct str text;
    int64_t number;
    double real;
    bool is_real; /* an Int is compared with a number that is none: as reals */
};

struct filter {
    enum filter_kind kind;
    const struct filter *left, *right;
    struct attribute attribute; /* of comparisons */
    const struct filter_value *values;
    size_t value_count;
};

/* What a query may name beside the built-in attributes. */
struct filter_names {
    bool (*find)(const void *ctx, struct str name, enum search_attribute_type *ret);
    const void *ctx;
};

struct filter_query {
    const struct filter *filter; /* NULL: everything */
    bool group_by_status;        /* GROUP BY ExecutionStatus */
};

/* ERR_INVALID_ARGUMENT "invalid query: ..." with what is wrong and where. may_group: for counts. The tree and its
 * texts live in the arena. Without a mention of TemporalNamespaceDivision the query gets `IS NULL` of it. */
enum err filter_parse(struct arena *arena, struct str text, const struct filter_names *names,
        bool may_group, struct filter_query *ret, struct fail *f) MUST_USE;

/* Whether the filter asks for statuses only, of runs without a namespace division: what counters answer. wanted[i],
 * of count, says then whether it accepts status i. */
bool filter_statuses(const struct filter *filter, bool *wanted, size_t count);

/* False: no run with that status is accepted. */
bool filter_may_accept(const struct filter *filter, int status);

/* "Running", ...; "" for an unknown one. */
struct str filter_status_name(int status);
