/* How clients are told of the next run of a chain when they wait for the end of one. */
#pragma once

#include "common/base/arena.h"
#include "common/base/str.h"

/* features: the metadata supported-features, a list with commas; may be empty. */
bool next_run_is_followed(struct str features);
/* response: an encoded GetWorkflowExecutionHistoryResponse to a request for the close event only. The same bytes when
 * there is no next run or no event, otherwise bytes in the arena. */
struct str next_run_as_continued(struct arena *arena, struct str response);
