/* Lists and counts of runs, by any filter: a part of the store's door with words of its own. */
#pragma once

#include "common/store/store.h"

/* A place between two pages. Opaque to callers but for its members' sizes: kept in a page token. */
struct store_place {
    bool in_closed; /* the open ones are through */
    struct instant close_time, start_time;
    run_key key;          /* 0: the beginning */
    struct instant began; /* when the first page was read */
    struct str moment; /* what was committed then; at most 2000 bytes, checked when it comes back */
};

struct store_listed {
    struct store_run_row run;
    struct store_view view;
    bool in_closed; /* its place is among the closed ones */
};

/* Runs that a filter (NULL: any) accepts: the open ones by start, newest first, then the closed ones by close. What
 * was acknowledged before the call is seen. Pages follow one another without gap or repetition, whatever
 * happens to the runs meanwhile: a run that was open at the first page keeps its place among the open ones. Reads
 * on a connection of their own, with a statement timeout: ERR_RESOURCE_EXHAUSTED when that passes.
 * ERR_INVALID_ARGUMENT: a place that never came from here. */
struct filter;
struct store_list_runs {
    struct store_op op;
    struct uuid namespace_id;
    const struct filter *filter; /* borrowed until done(), like the place's moment */
    size_t limit;                /* at least 1 */
    struct store_place after;
    /* out */
    const struct store_listed *rows;
    size_t row_count;
    bool more;            /* maybe: the page is full */
    struct instant began; /* of the first page */
    struct str moment;
};
void store_list_runs(struct store_lane *sl, struct store_list_runs *op);
/* The place behind any row of a page. */
struct store_place store_place_behind(const struct store_list_runs *page, size_t row);

/* How many there are, by status. Filters that ask for statuses only (filter_statuses) are answered from counters,
 * which every commit keeps, at the same cost whatever the number of runs. */
enum { STORE_STATUS_MAX = 16 };
struct store_count_runs {
    struct store_op op;
    struct uuid namespace_id;
    const struct filter *filter;
    int64_t counts[STORE_STATUS_MAX]; /* out; by enum workflow_status */
};
void store_count_runs(struct store_lane *sl, struct store_count_runs *op);
