/* The settings of a process: one struct made from the rows of config.def, read from a YAML file and
 * from key=value overrides. Wrong settings stop the process before it listens, with the key and the
 * place. */
#pragma once

#include <stdio.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "common/base/vec.h"

typedef struct str config_STR;
typedef int64_t config_INT;
typedef bool config_BOOL;
typedef int64_t config_SIZE; /* bytes */
typedef struct duration config_TIME;

enum {
#define CONFIG(field, key, type, def, min, max, doc) CONFIG_ROW_##field,
#include "common/config/config.def"
#undef CONFIG
    CONFIG_ROW_COUNT
};

struct config_place {
    int line, column; /* of the key, from 1; 0: not from the file */
};

/* A limit that holds for one namespace only. */
struct config_override {
    struct str namespace_name;
    int row; /* CONFIG_ROW_... */
    struct str value;
};

struct config {
#define CONFIG(field, key, type, def, min, max, doc) config_##type field;
#include "common/config/config.def"
#undef CONFIG
    struct str file; /* where the places are; in the arena of config_parse */
    struct config_place places[CONFIG_ROW_COUNT];
    VEC(struct config_override) overrides; /* in their order; the last one counts */
};

/* All defaults. */
void config_init(struct config *config);
/* What holds for a namespace: config itself, or a copy with its overrides in the arena. */
const struct config *config_of_namespace(
        const struct config *config, struct str namespace_name, struct arena *arena);
/* One setting, from the command line: "key=value". Texts are one line of UTF-8. */
enum err config_set(
        struct config *config, struct arena *arena, struct str assignment, struct fail *f) MUST_USE;
/* Strings live in the arena. Errors read "FILE: line L, column C: ...". */
enum err config_parse(struct config *config, struct arena *arena, struct str file_name,
        struct str text, struct fail *f) MUST_USE;
enum err config_read_file(
        struct config *config, struct arena *arena, const char *path, struct fail *f) MUST_USE;
/* For whoever finds that a well-formed setting cannot be served: ERR_INVALID_ARGUMENT that reads
 * "FILE: line L, column C: KEY: ..." if the file has set it, else "KEY: ...". */
enum err config_fail(const struct config *config, const char *key, struct fail *f, const char *fmt,
        ...) __attribute__((format(printf, 4, 5)));
/* The whole configuration as a YAML file with its documentation; config_parse reads it back. */
void config_print(const struct config *config, FILE *out);

/* Is there a setting of this key, and is it a time? */
bool config_is_time(struct str key);
/* "250ms", "3s", "5m", "2h"; a bare "0". Shared with command-line flags. */
bool config_parse_time(struct str text, struct duration *ret);
/* "4m" = 4 MiB; k, m, g or none. */
bool config_parse_size(struct str text, int64_t *ret);
