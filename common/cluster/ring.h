/* Consistent hashing, pure: which member a key belongs to. Highest random weight: a member that
 * comes or goes moves only the keys that it gets or had. The weights are stable across versions. */
#pragma once

#include "common/base/uuid.h"

/* Index of the owner among count members; count > 0. The order of the members does not matter. */
size_t ring_pick(const struct uuid *members, size_t count, uint64_t key);
/* The same for many keys: hashes[i] is ring_hash(&members[i]); NULL: not known. */
uint64_t ring_hash(const struct uuid *member);
size_t ring_pick_hashed(
        const struct uuid *members, const uint64_t *hashes, size_t count, uint64_t key);
