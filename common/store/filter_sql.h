/* A visibility filter as SQL. Private to common/store. */
#pragma once

#include "common/base/buf.h"
#include "common/visibility/filter.h"

enum sql_dialect { SQL_POSTGRES, SQL_SQLITE };

/* Appends a condition on `runs r`, in parentheses; literals are quoted here. NULL filter: "true". */
void filter_sql(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct filter *filter);
/* '...' with its quotes doubled; s has no NUL. */
void sql_quote(struct buf *out, struct str s);
