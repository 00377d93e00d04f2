/* The one place where randomness enters the process. */
#include "common/base/rand.h"

#include <sys/random.h>

#include "common/base/check.h"

void rand_seed_from_os(struct rand *r)
{
    check(getrandom(&r->state, sizeof(r->state), 0) == sizeof(r->state));
}
