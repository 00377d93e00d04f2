/* Rendezvous hashing over members. Linear in the members: clusters have tens, not thousands. */
#include "common/cluster/ring.h"

#include "common/base/hash.h"

size_t ring_pick(const struct uuid *members, size_t count, uint64_t key)
{
    size_t best = 0;
    uint64_t best_weight = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t weight = hash_u64(hash_bytes(uuid_bytes(&members[i]), 0) ^ hash_u64(key));
        bool wins = weight > best_weight ||
                    (weight == best_weight && i > 0 &&
                            memcmp(members[i].b, members[best].b, sizeof(members[i].b)) < 0);
        if (i == 0 || wins) {
            best = i;
            best_weight = weight;
        }
    }
    return best;
}
