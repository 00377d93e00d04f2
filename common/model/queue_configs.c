/* The stored list of what is set for task queues, and the few fields of the public message that matching obeys. */
#include "common/model/queue_configs.h"

#include <string.h>

#include "common/model/wire.h"

enum { LIST_CONFIG = 1, CONFIG_NAME = 1, CONFIG_TYPE = 2, CONFIG_MESSAGE = 3 };
/* of the public messages TaskQueueConfig, RateLimitConfig, RateLimit, and of a map's entry */
enum { QUEUE_RATE_LIMIT = 1, KEYS_RATE_LIMIT = 2, WEIGHTS = 3 };
enum { RATE_LIMIT = 1, REQUESTS_PER_SECOND = 1, ENTRY_KEY = 1, ENTRY_VALUE = 2 };

bool queue_configs_next(struct str *list, struct queue_config *ret)
{
    struct wire_field f;
    *ret = (struct queue_config){ 0 };
    if (!list->len || !wire_next(list, &f) || f.number != LIST_CONFIG || f.type != WIRE_LEN) {
        return false;
    }
    struct str config = f.bytes;
    while (wire_next(&config, &f)) {
        if (f.number == CONFIG_NAME && f.type == WIRE_LEN) {
            ret->name = f.bytes;
        } else if (f.number == CONFIG_TYPE && f.type == WIRE_VARINT) {
            ret->type = (enum task_queue_type)f.varint;
        } else if (f.number == CONFIG_MESSAGE && f.type == WIRE_LEN) {
            ret->message = f.bytes;
        }
    }
    return true;
}

struct str queue_configs_find(struct str list, struct str name, enum task_queue_type type)
{
    struct queue_config c;
    while (queue_configs_next(&list, &c)) {
        if (c.type == type && str_eq(c.name, name)) {
            return c.message;
        }
    }
    return STR("");
}

static void put_one(struct buf *out, const struct queue_config *c)
{
    size_t mark = wire_begin(out, LIST_CONFIG);
    wire_put_bytes(out, CONFIG_NAME, c->name);
    wire_put_varint(out, CONFIG_TYPE, (uint64_t)c->type);
    wire_put_bytes(out, CONFIG_MESSAGE, c->message);
    wire_end(out, mark);
}

struct str queue_configs_put(
        struct arena *arena, struct str list, const struct queue_config *config)
{
    struct buf out;
    struct queue_config c;
    buf_init_arena(&out, arena, list.len + config->name.len + config->message.len + 64);
    while (queue_configs_next(&list, &c)) {
        if (c.type != config->type || !str_eq(c.name, config->name)) {
            put_one(&out, &c);
        }
    }
    put_one(&out, config);
    return buf_str(&out);
}

static float float_of(const struct wire_field *f)
{
    uint32_t bits = (uint32_t)f->varint;
    float v;
    memcpy(&v, &bits, sizeof(v));
    return f->type == WIRE_I32 ? v : 0;
}

bool queue_config_next_weight(struct str *message, struct str *key, float *weight)
{
    struct wire_field f;
    while (message->len && wire_next(message, &f)) {
        if (f.number != WEIGHTS || f.type != WIRE_LEN) {
            continue;
        }
        struct str entry = f.bytes;
        *key = STR("");
        *weight = 0;
        while (entry.len && wire_next(&entry, &f)) {
            if (f.number == ENTRY_KEY && f.type == WIRE_LEN) {
                *key = f.bytes;
            } else if (f.number == ENTRY_VALUE) {
                *weight = float_of(&f);
            }
        }
        return true;
    }
    return false;
}

static bool part(struct str message, uint32_t number, struct str *ret)
{
    struct wire_field f;
    bool found = false;
    while (message.len && wire_next(&message, &f)) {
        if (f.number == number && f.type == WIRE_LEN) {
            *ret = f.bytes;
            found = true;
        }
    }
    return found;
}

static bool rate_at(struct str message, uint32_t number, double *ret)
{
    struct str limit, rate;
    struct wire_field f;
    *ret = 0;
    if (!part(message, number, &limit) || !part(limit, RATE_LIMIT, &rate)) {
        return false;
    }
    while (rate.len && wire_next(&rate, &f)) {
        if (f.number == REQUESTS_PER_SECOND) {
            *ret = (double)float_of(&f);
        }
    }
    return true;
}

bool queue_config_rate(struct str message, double *ret)
{
    return rate_at(message, QUEUE_RATE_LIMIT, ret);
}

bool queue_config_key_rate(struct str message, double *ret)
{
    return rate_at(message, KEYS_RATE_LIMIT, ret);
}
