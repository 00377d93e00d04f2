/* The public message Priority, read field by field: it is carried as bytes nearly everywhere. */
#include "common/model/priority.h"

#include <string.h>

#include "common/model/wire.h"

enum { FIELD_KEY = 1, FIELD_FAIRNESS_KEY = 2, FIELD_WEIGHT = 3 };

struct priority priority_read(struct str message)
{
    struct priority p = { 0 };
    struct wire_field f;
    while (message.len && wire_next(&message, &f)) {
        if (f.number == FIELD_KEY && f.type == WIRE_VARINT) {
            p.key = (int32_t)f.varint;
        } else if (f.number == FIELD_FAIRNESS_KEY && f.type == WIRE_LEN) {
            p.fairness_key = f.bytes;
        } else if (f.number == FIELD_WEIGHT && f.type == WIRE_I32) {
            uint32_t bits = (uint32_t)f.varint;
            memcpy(&p.weight, &bits, sizeof(bits));
        }
    }
    return p;
}

void priority_write(struct buf *out, const struct priority *p)
{
    uint32_t bits;
    memcpy(&bits, &p->weight, sizeof(bits));
    wire_opt_varint(out, FIELD_KEY, (uint64_t)(int64_t)p->key);
    wire_opt_bytes(out, FIELD_FAIRNESS_KEY, p->fairness_key);
    if (bits) {
        wire_put_fixed32(out, FIELD_WEIGHT, bits);
    }
}

float fairness_weight(float weight)
{
    if (!(weight > 0)) { /* nothing said, or not a number */
        return 1;
    }
    return weight < FAIRNESS_WEIGHT_MIN   ? FAIRNESS_WEIGHT_MIN
           : weight > FAIRNESS_WEIGHT_MAX ? FAIRNESS_WEIGHT_MAX
                                          : weight;
}

struct priority priority_meaning(struct str message)
{
    struct priority p = { .key = PRIORITY_NORMAL, .weight = 1 };
    if (!message.len) {
        return p;
    }
    p = priority_read(message);
    p.key = p.key <= 0 ? PRIORITY_NORMAL : p.key > PRIORITY_LEVELS ? PRIORITY_LEVELS : p.key;
    p.weight = fairness_weight(p.weight);
    if (p.fairness_key.len > FAIRNESS_KEY_MAX) {
        p.fairness_key.len = FAIRNESS_KEY_MAX;
    }
    return p;
}
