/* Rendezvous hashing over members. Linear in the members: clusters have tens, not thousands. */
#include "common/cluster/ring.h"

#include "common/base/hash.h"

uint64_t ring_hash(const struct uuid *member)
{
    return hash_bytes(uuid_bytes(member), 0);
}

size_t ring_pick_hashed(
        const struct uuid *members, const uint64_t *hashes, size_t count, uint64_t key)
{
    size_t best = 0;
    uint64_t best_weight = 0;
    uint64_t key_hash = hash_u64(key);
    for (size_t i = 0; i < count; i++) {
        uint64_t member_hash = hashes ? hashes[i] : ring_hash(&members[i]);
        uint64_t weight = hash_u64(member_hash ^ key_hash);
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

size_t ring_pick(const struct uuid *members, size_t count, uint64_t key)
{
    return ring_pick_hashed(members, NULL, count, key);
}
