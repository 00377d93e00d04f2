/* A YAML document flattened to "a.b.c" = scalar, with the place of each value. Mappings of scalars
 * only: no sequences, anchors, aliases or tags. Bounded: 1 MiB, 16 levels, keys of
 * 200 bytes with their path. */
#pragma once

#include "common/base/err.h"
#include "common/base/vec.h"

struct yaml_value {
    struct str key; /* full path */
    struct str value;
    int line, column; /* of the key, from 1 */
};

struct yaml_doc {
    VEC(struct yaml_value) values; /* in the order of the document */
};

/* Errors name line and column. Everything lives in the arena. */
enum err yaml_parse(
        struct str text, struct arena *arena, struct yaml_doc *ret, struct fail *f) MUST_USE;
