/* What is checked of every request before anything else happens: lengths of ids and names, sizes of
 * payloads. */
#pragma once

#include "frontend/api.h"

/* Both fail with the API's texts. config: of the call's namespace, or of the process for calls that have none. */

/* The lengths of a message's ids and names; also of a request that another one carries. */
enum err validate_message(
        const ProtobufCMessage *message, const struct config *config, struct fail *f) MUST_USE;
/* The same, and its execution; the text is in rq->fail. */
enum err validate_request(struct request *rq, const struct config *config) MUST_USE;
