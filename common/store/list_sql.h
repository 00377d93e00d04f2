/* Lists and counts as SQL text, for both databases. Private to common/store. */
#pragma once

#include "common/store/filter_sql.h"
#include "common/store/store_lists.h"

/* Columns of a listed row, after those of a run: run_key .. backlog_type, workflow_type .. state_transitions. */
enum {
    LIST_RUN_COLUMNS = 11,
    LIST_VIEW_COLUMNS = 13,
    LIST_PART = LIST_RUN_COLUMNS + LIST_VIEW_COLUMNS, /* 1: of the closed runs */
    LIST_MOMENT,                                      /* of the statement, as text */
};

/* False: the place's moment was not made here. */
bool list_sql(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct store_list_runs *op);
void count_sql(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct store_count_runs *op);
/* What a page says beside its rows: moment and now are of this statement, for the first page. */
void list_page(struct store_list_runs *op, struct str moment, struct instant now);
