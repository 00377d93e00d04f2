/* What is checked of every request before anything else happens: lengths of ids and names, sizes of
 * payloads. */
#pragma once

#include "frontend/api.h"

/* Fails with the API's texts in rq->fail. */
/* With the limits of the call's namespace, or of the process for calls that have none. */
enum err validate_request(struct request *rq, const struct config *config) MUST_USE;
