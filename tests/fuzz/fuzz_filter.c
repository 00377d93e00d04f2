/* Visibility queries, and search attributes as JSON. What is understood becomes SQL, in which nothing of the query
 * stands outside of quotes: with each literal taken out, the rest is made of our own words. */
#include "tests/fuzz/fuzz.h"

#include "common/store/filter_sql.h"

static bool find(const void *ctx, struct str name, enum search_attribute_type *ret)
{
    *ret = (enum search_attribute_type)(1 + name.len % 7);
    return name.len > 0 && name.ptr[0] == 'C';
}

/* No quote of a literal is open at the end, and no NUL or semicolon stands outside of them. */
static void check_quotes(struct str sql)
{
    static const struct str ours = STR_INIT(" COLLATE \"C\"");
    bool is_inside = false;
    for (size_t i = 0; i < sql.len; i++) {
        char c = sql.ptr[i];
        if (!is_inside && str_starts_with(str_drop(sql, i), ours)) {
            i += ours.len - 1;
            continue;
        }
        if (c == '\'') {
            is_inside = !is_inside; /* a doubled one closes and opens */
        }
        check(is_inside || (c != ';' && c != 0 && c != '"' && c != '`' && (unsigned char)c < 0x80));
    }
    check(!is_inside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct filter_names names = { .find = find };
    struct arena arena = { 0 };
    struct filter_query query;
    struct fail f = { 0 };
    struct str text = str_of(data, size);
    if (filter_parse(&arena, text, &names, true, &query, &f) == ERR_NONE) {
        for (enum sql_dialect d = SQL_POSTGRES; d <= SQL_SQLITE; d++) {
            struct buf sql;
            buf_init_arena(&sql, &arena, (size_t)16 << 20);
            filter_sql(&sql, &arena, d, query.filter);
            check_quotes(buf_str(&sql));
        }
        bool wanted[16];
        (void)filter_statuses(query.filter, wanted, 16);
    } else {
        check(f.err == ERR_INVALID_ARGUMENT);
    }
    struct buf document;
    buf_init_arena(&document, &arena, (size_t)1 << 20);
    search_document(&document, &arena, text);
    check(document.overflow || document.len == 0 ||
            (document.ptr[0] == '{' && document.ptr[document.len - 1] == '}'));
    arena_deinit(&arena);
    return 0;
}
