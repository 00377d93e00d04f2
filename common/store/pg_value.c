/* Values in PostgreSQL's binary format: parameters and arrays out, columns in. Relies on the
 * statements' casts for the types; knows nothing of tables. */
#include <endian.h>
#include <stdlib.h>

#include "common/store/pg.h"

static void put(struct pg_params *p, const char *value, size_t len)
{
    check(p->count < PG_PARAM_MAX);
    if (len > PG_BYTES_MAX) {
        p->overflow = true;
        len = 0;
    }
    p->values[p->count] = value;
    p->lengths[p->count++] = (int)len;
}

static void put_copy(struct pg_params *p, const void *value, size_t len)
{
    char *copy = arena_alloc(p->arena, len, 1);
    memcpy(copy, value, len);
    put(p, copy, len);
}

void pg_put_i64(struct pg_params *p, int64_t v)
{
    uint64_t be = htobe64((uint64_t)v);
    put_copy(p, &be, sizeof(be));
}

void pg_put_i32(struct pg_params *p, int32_t v)
{
    uint32_t be = htobe32((uint32_t)v);
    put_copy(p, &be, sizeof(be));
}

void pg_put_i16(struct pg_params *p, int16_t v)
{
    uint16_t be = htobe16((uint16_t)v);
    put_copy(p, &be, sizeof(be));
}

void pg_put_bool(struct pg_params *p, bool v)
{
    put_copy(p, v ? "\1" : "\0", 1);
}

void pg_put_null(struct pg_params *p)
{
    put(p, NULL, 0);
}

void pg_put_str(struct pg_params *p, struct str s)
{
    put(p, s.ptr ? s.ptr : "", s.len);
}

void pg_put_uuid(struct pg_params *p, struct uuid id)
{
    put_copy(p, id.b, sizeof(id.b));
}

/* ---- arrays: dimensions, has nulls, element type, length, lower bound; then length and bytes of
 * each ---- */

static void raw_i32(struct buf *a, int32_t v)
{
    uint32_t be = htobe32((uint32_t)v);
    buf_append(a, &be, sizeof(be));
}

void pg_array_begin(struct pg_params *p, struct buf *a, enum pg_type type, size_t count)
{
    buf_init_arena(a, p->arena, PG_BYTES_MAX);
    raw_i32(a, count ? 1 : 0);
    raw_i32(a, 1);
    raw_i32(a, (int32_t)type);
    if (count) {
        raw_i32(a, (int32_t)count);
        raw_i32(a, 1);
    }
}

void pg_array_i64(struct buf *a, int64_t v)
{
    uint64_t be = htobe64((uint64_t)v);
    pg_array_str(a, str_of(&be, sizeof(be)));
}

void pg_array_i32(struct buf *a, int32_t v)
{
    uint32_t be = htobe32((uint32_t)v);
    pg_array_str(a, str_of(&be, sizeof(be)));
}

void pg_array_i16(struct buf *a, int16_t v)
{
    uint16_t be = htobe16((uint16_t)v);
    pg_array_str(a, str_of(&be, sizeof(be)));
}

void pg_array_str(struct buf *a, struct str s)
{
    if (s.len > PG_BYTES_MAX) {
        a->overflow = true;
        return;
    }
    raw_i32(a, (int32_t)s.len);
    buf_append(a, s.ptr ? s.ptr : "", s.len);
}

/* Binary jsonb: a version, then text. */
void pg_put_json(struct pg_params *p, struct str s)
{
    if (str_empty(s)) {
        pg_put_null(p);
        return;
    }
    char *copy = arena_alloc(p->arena, s.len + 1, 1);
    copy[0] = 1;
    memcpy(copy + 1, s.ptr, s.len);
    put(p, copy, s.len + 1);
}

void pg_array_json(struct buf *a, struct str s)
{
    if (str_empty(s)) {
        pg_array_null(a);
        return;
    }
    if (s.len >= PG_BYTES_MAX) {
        a->overflow = true;
        return;
    }
    raw_i32(a, (int32_t)s.len + 1);
    buf_append_byte(a, 1);
    buf_append_str(a, s);
}

void pg_array_null(struct buf *a)
{
    raw_i32(a, -1);
}

void pg_array_end(struct pg_params *p, struct buf *a)
{
    p->overflow |= a->overflow;
    pg_put_str(p, buf_str(a));
}

/* ---- results: the statements fix the types, so a wrong length is our own mistake ---- */

static const char *get(const PGresult *r, int row, int col, int len)
{
    check(PQgetlength(r, row, col) == len);
    return PQgetvalue(r, row, col);
}

int64_t pg_i64(const PGresult *r, int row, int col)
{
    if (PQgetisnull(r, row, col)) {
        return 0;
    }
    uint64_t be;
    memcpy(&be, get(r, row, col, sizeof(be)), sizeof(be));
    return (int64_t)be64toh(be);
}

int32_t pg_i32(const PGresult *r, int row, int col)
{
    if (PQgetisnull(r, row, col)) {
        return 0;
    }
    uint32_t be;
    memcpy(&be, get(r, row, col, sizeof(be)), sizeof(be));
    return (int32_t)be32toh(be);
}

int16_t pg_i16(const PGresult *r, int row, int col)
{
    if (PQgetisnull(r, row, col)) {
        return 0;
    }
    uint16_t be;
    memcpy(&be, get(r, row, col, sizeof(be)), sizeof(be));
    return (int16_t)be16toh(be);
}

bool pg_bool(const PGresult *r, int row, int col)
{
    return !PQgetisnull(r, row, col) && *get(r, row, col, 1) != 0;
}

struct str pg_str(const PGresult *r, int row, int col)
{
    return str_of(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col));
}

struct uuid pg_uuid(const PGresult *r, int row, int col)
{
    struct uuid id = { { 0 } };
    if (!PQgetisnull(r, row, col)) {
        memcpy(id.b, get(r, row, col, sizeof(id.b)), sizeof(id.b));
    }
    return id;
}

size_t pg_changed(const PGresult *r)
{
    int64_t n = 0;
    (void)str_to_i64(str_from_cstr(PQcmdTuples((PGresult *)r)), &n);
    return (size_t)n;
}
