/* Between the files of visibility. Private to frontend. */
#pragma once

#include "frontend/api.h"

/* Answers a list: a page of the runs that the query accepts. All list responses have the same fields under the same
 * numbers. A page size of zero or less is the largest one. */
void visibility_list(struct request *rq, struct str query, int32_t page_size, struct str token);
