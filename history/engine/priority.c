/* Priorities are carried as the public message; children and activities take what they do not say themselves from
 * their workflow. What a priority does is matching's matter. */
#include "history/engine/priority.h"

#include "common/base/buf.h"
#include "common/model/wire.h"

enum { FAIRNESS_KEY_MAX = 64, FIELD_KEY = 1, FIELD_FAIRNESS_KEY = 2, FIELD_WEIGHT = 3 };

struct priority {
    uint64_t key;
    struct str fairness_key;
    uint32_t weight; /* the bits of a float */
};

static struct priority read_priority(struct str message)
{
    struct priority p = { 0 };
    struct wire_field f;
    while (message.len && wire_next(&message, &f)) {
        if (f.number == FIELD_KEY && f.type == WIRE_VARINT) {
            p.key = f.varint;
        } else if (f.number == FIELD_FAIRNESS_KEY && f.type == WIRE_LEN) {
            p.fairness_key = f.bytes;
        } else if (f.number == FIELD_WEIGHT && f.type == WIRE_I32) {
            p.weight = (uint32_t)f.varint;
        }
    }
    return p;
}

const char *priority_problem(struct str message)
{
    struct priority p = read_priority(message);
    float weight;
    memcpy(&weight, &p.weight, sizeof(weight));
    if ((int32_t)p.key < 0) {
        return "priority key can't be negative";
    }
    if (p.fairness_key.len > FAIRNESS_KEY_MAX) {
        return "fairness key length exceeds limit";
    }
    return weight < 0 || weight != weight ? "must be greater than zero" : NULL;
}

struct str priority_merge(struct arena *arena, struct str base, struct str over)
{
    if (!base.len || !over.len) {
        return base.len ? base : over;
    }
    struct priority b = read_priority(base), o = read_priority(over);
    struct buf out;
    buf_init_arena(&out, arena, base.len + over.len + 64);
    wire_opt_varint(&out, FIELD_KEY, o.key ? o.key : b.key);
    wire_opt_bytes(&out, FIELD_FAIRNESS_KEY, o.fairness_key.len ? o.fairness_key : b.fairness_key);
    uint32_t weight = o.weight ? o.weight : b.weight;
    if (weight) {
        wire_put_fixed32(&out, FIELD_WEIGHT, weight);
    }
    return buf_str(&out);
}
