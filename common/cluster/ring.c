/* Rendezvous hashing costs a few nanoseconds per member and look-up, needs no tables, and is exact: see ring.h. */
#include "common/cluster/ring.h"

#include "common/base/check.h"
#include "common/base/hash.h"

uint64_t ring_hash(struct uuid member)
{
    return hash_bytes(uuid_bytes(&member), 1);
}

size_t ring_pick(const uint64_t *hashes, size_t count, uint64_t key)
{
    check(count > 0);
    uint64_t mixed = hash_u64(key), best_weight = 0;
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t weight = hash_u64(hashes[i] ^ mixed);
        if (i == 0 || weight > best_weight || (weight == best_weight && hashes[i] > hashes[best])) {
            best = i;
            best_weight = weight;
        }
    }
    return best;
}
