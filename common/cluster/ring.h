/* Consistent hashing, pure: which of several members a key belongs to. Rendezvous hashing: each member has a
 * weight for each key, the heaviest wins. When a member comes or goes only its own keys move, and they spread
 * evenly over the others. Depends on nothing but the members' ids, whatever their order. */
#pragma once

#include <stddef.h>

#include "common/base/uuid.h"

/* Of a member: computed once and kept. */
uint64_t ring_hash(struct uuid member);
/* Index of the owner among `count` members given by their hashes; count must not be 0. */
size_t ring_pick(const uint64_t *hashes, size_t count, uint64_t key);
