#include <criterion/criterion.h>

#include "common/base/rand.h"
#include "common/model/history_event.h"
#include "common/model/wire.h"

/* Every attribute of every event, filled by kind, must come back from its bytes. */
static const struct {
    enum event_type type;
    uint32_t number;
    enum field_kind kind;
    size_t offset;
    const char *name;
} attributes[] = {
#define EVENT_TYPE(number, name, attributes, text)
#define ATTRIBUTE(event, number, kind, member) \
    { HISTORY_##event, number, FIELD_##kind, offsetof(struct history_event, member), #member },
#include "common/model/history_event.def"
#undef EVENT_TYPE
#undef ATTRIBUTE
};

static void fill(const void *at, enum field_kind kind, int64_t seed)
{
    void *p = (void *)(uintptr_t)at;
    static struct str types[] = { STR_INIT("A"), STR_INIT("B") };
    switch (kind) {
    case FIELD_I64:
        *(int64_t *)p = seed + 1;
        return;
    case FIELD_I32:
        *(int32_t *)p = (int32_t)seed + 1;
        return;
    case FIELD_BOOL:
        *(bool *)p = true;
        return;
    case FIELD_STR:
    case FIELD_NAME:
        *(struct str *)p = STR("text");
        return;
    case FIELD_QUEUE:
        *(struct queue_ref *)p = (struct queue_ref){ STR("sticky"), STR("normal") };
        return;
    case FIELD_EXECUTION:
        *(struct execution_ref *)p = (struct execution_ref){ STR("wf"), STR("run") };
        return;
    case FIELD_DURATION:
    case FIELD_DURATION_OPT:
        ((struct duration *)p)->ns = 1500000001;
        return;
    case FIELD_TIME:
        ((struct instant *)p)->ns = 1700000000123456789;
        return;
    case FIELD_RETRY:
        *(struct retry_policy *)p = (struct retry_policy){ .is_set = true,
            .maximum_attempts = 7,
            .initial_interval = { 5 },
            .backoff_coefficient = 1.5,
            .non_retryable_types = types,
            .non_retryable_count = 2 };
        return;
    default:
        return;
    }
}

/* Two elements, with that field's tag. */
static struct str list_of(struct arena *arena, uint32_t number)
{
    struct buf b;
    buf_init_arena(&b, arena, 1 << 10);
    wire_put_bytes(&b, number, STR("one"));
    wire_put_bytes(&b, number, STR("two"));
    return buf_str(&b);
}

static struct str write(struct arena *arena, const struct history_event *he)
{
    struct buf b;
    buf_init_arena(&b, arena, 1 << 20);
    history_event_write(&b, he);
    return buf_str(&b);
}

Test(history_event, every_attribute_round_trips)
{
    struct arena arena = { 0 };
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        struct history_event he = { .event_id = 3,
            .time = { 1700000000000000001 },
            .type = attributes[i].type },
                             back;
        fill((char *)&he + attributes[i].offset, attributes[i].kind, (int64_t)i);
        if (attributes[i].kind == FIELD_LIST) {
            *(struct str *)(void *)((char *)&he + attributes[i].offset) =
                    list_of(&arena, attributes[i].number);
        }
        struct str bytes = write(&arena, &he);
        cr_assert(history_event_read(bytes, &arena, &back), "%s", attributes[i].name);
        cr_assert_eq(back.type, he.type);
        cr_assert_eq(back.event_id, 3);
        cr_assert_eq(back.time.ns, he.time.ns);
        cr_assert(str_eq(write(&arena, &back), bytes), "%s of %s", attributes[i].name,
                event_type_name(he.type));
        if (attributes[i].kind != FIELD_RAW) { /* and it was really written */
            struct history_event empty = { .event_id = 3, .time = he.time, .type = he.type };
            cr_assert(!str_eq(write(&arena, &empty), bytes), "%s", attributes[i].name);
        }
    }
    arena_deinit(&arena);
}

Test(history_event, field_numbers_are_unique_within_an_event)
{
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        for (size_t j = 0; j < i; j++) {
            cr_assert(attributes[i].type != attributes[j].type ||
                              attributes[i].number != attributes[j].number,
                    "%s", attributes[i].name);
        }
    }
}

Test(history_event, metadata_and_links_pass_untouched)
{
    struct arena arena = { 0 };
    struct history_event back, he = { .event_id = 1,
        .type = HISTORY_TIMER_FIRED,
        .timer_id = STR("t"),
        .user_metadata = STR("\x0a\x01x"),
        .links = STR("\xf2\x12\x01"
                     "a"
                     "\xf2\x12\x01"
                     "b") };
    struct str bytes = write(&arena, &he);
    cr_assert(history_event_read(bytes, &arena, &back));
    cr_assert(str_eq(back.links, he.links));
    cr_assert(str_eq(back.user_metadata, he.user_metadata));
    arena_deinit(&arena);
}

Test(history_event, unknown_types_are_read_without_attributes)
{
    struct arena arena = { 0 };
    struct history_event he;
    cr_assert(history_event_read(STR("\x08\x05\x18\x3a\x9a\x03\x00"), &arena, &he));
    cr_assert_eq(he.event_id, 5);
    cr_assert_str_eq(event_type_name(he.type), "Unknown");
    arena_deinit(&arena);
}

Test(history_event, damaged_bytes_never_crash)
{
    struct arena arena = { 0 };
    struct rand r = { 42 };
    for (int round = 0; round < 20000; round++) {
        size_t i = rand_below(&r, sizeof(attributes) / sizeof(attributes[0]));
        struct history_event back,
                he = { .event_id = 3, .time = { 5 }, .type = attributes[i].type };
        fill((char *)&he + attributes[i].offset, attributes[i].kind, 1);
        struct str bytes = write(&arena, &he);
        char *copy = NEW(&arena, char, bytes.len);
        memcpy(copy, bytes.ptr, bytes.len);
        copy[rand_below(&r, bytes.len)] = (char)rand_u64(&r);
        bool ok = history_event_read(str_of(copy, rand_below(&r, bytes.len + 1)), &arena, &back);
        (void)ok;
        if (round % 100 == 0) {
            arena_reset(&arena);
        }
    }
    arena_deinit(&arena);
}
