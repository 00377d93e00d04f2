/* Which clients may talk to us: the official ones say who they are in metadata; unknown names pass. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"

/* name, version: the metadata client-name and client-version; supported: supported-server-versions, a range such as
 * ">=1.0.0 <2.0.0". All may be empty. ERR_FAILED_PRECONDITION with the API's detail. */
enum err client_version_check(struct str name, struct str version, struct str supported,
        struct arena *arena, struct fail *f) MUST_USE;
