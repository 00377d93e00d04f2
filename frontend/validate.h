/* What is checked of every request before anything else happens: lengths of ids and names, sizes of
 * payloads. */
#pragma once

#include "frontend/api.h"

/* Fails with the API's texts in rq->fail. */
enum err validate_request(struct request *rq) MUST_USE;
