/* Is a call let in? Asked once per call, when its namespace is known and before its handler runs. */
#pragma once

#include "frontend/api.h"

/* ns: NULL for methods that have none. When refused, rq->fail is set: RESOURCE_EXHAUSTED with cause and scope. */
enum err admit(struct request *rq, const struct namespace_entry *ns) MUST_USE;
/* Before the call is answered, admitted or not. */
void admission_over(struct request *rq);
