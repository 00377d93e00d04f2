/* The names of built-in search attributes, as queries may write them, and the words of a text. Pure; the names
 * themselves are common/model's, the search document is document.c's. */
#include "common/visibility/attribute.h"

static bool find_exact(struct str name, struct attribute *ret)
{
    enum search_attribute_kind kind;
    struct search_attribute a;
    for (size_t i = 0; search_attribute_builtin(i, &a, &kind); i++) {
        if (str_eq(a.name, name)) {
            enum attribute_source source = i < SEARCH_ATTRIBUTE_SYSTEM_COUNT
                                                   ? (enum attribute_source)(i + 1)
                                                   : SOURCE_DOCUMENT;
            *ret = (struct attribute){ a.name, a.type, source };
            return true;
        }
    }
    return false;
}

bool attribute_find_built_in(struct str name, struct attribute *ret)
{
    static const struct str prefix = STR_INIT("Temporal");
    char longer[64];
    if (find_exact(name, ret)) {
        return true;
    }
    struct str bare = str_starts_with(name, prefix) ? str_drop(name, prefix.len) : name;
    if (str_eq(bare, STR("ScheduleId"))) {
        return find_exact(STR("WorkflowId"), ret);
    }
    if (bare.len < name.len) {
        return find_exact(bare, ret);
    }
    if (name.len > sizeof(longer) - prefix.len) {
        return false;
    }
    memcpy(longer, prefix.ptr, prefix.len);
    memcpy(longer + prefix.len, name.ptr, name.len);
    return find_exact(str_of(longer, prefix.len + name.len), ret);
}

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

bool text_next_word(struct str *rest, struct arena *arena, struct str *word)
{
    size_t at = 0;
    while (at < rest->len && !is_word_byte(rest->ptr[at])) {
        at++;
    }
    size_t begin = at;
    while (at < rest->len && is_word_byte(rest->ptr[at])) {
        at++;
    }
    if (at == begin) {
        return false;
    }
    char *copy = arena_alloc(arena, at - begin, 1);
    for (size_t i = begin; i < at; i++) {
        char c = rest->ptr[i];
        copy[i - begin] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    *word = str_of(copy, at - begin);
    *rest = str_drop(*rest, at);
    return true;
}
