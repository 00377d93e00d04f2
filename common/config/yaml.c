/* Reads YAML through libyaml's event parser into a flat list of values that remember where they
 * stood. The only file that sees libyaml. */
#include "common/config/yaml.h"

#include <yaml.h>

enum { DEPTH_MAX = 16, KEY_MAX = 200, TEXT_MAX = 1 << 20 };

struct parse {
    yaml_parser_t parser;
    struct arena *arena;
    struct yaml_doc *doc;
    struct fail *f;
    struct str path[DEPTH_MAX]; /* prefix of each open mapping, with its dot */
    int depth;
    int documents;
    bool have_key;
    struct str key;
    int line, column; /* of the key */
};

static enum err bad(struct parse *p, const yaml_mark_t *at, const char *what)
{
    return fail(p->f, ERR_INVALID_ARGUMENT, "line %zu, column %zu: %s", at->line + 1,
            at->column + 1, what);
}

static enum err syntax_error(struct parse *p)
{
    const char *what = p->parser.problem ? p->parser.problem : "not YAML";
    yaml_mark_t at = p->parser.problem_mark;
    if (p->parser.error == YAML_READER_ERROR) {
        return fail(p->f, ERR_INVALID_ARGUMENT, "byte %zu: %s", p->parser.problem_offset, what);
    }
    return bad(p, &at, what);
}

static enum err on_scalar(struct parse *p, const yaml_event_t *ev)
{
    struct str text = str_dup(p->arena, str_of(ev->data.scalar.value, ev->data.scalar.length));
    if (ev->data.scalar.anchor || ev->data.scalar.tag) {
        return bad(p, &ev->start_mark, "anchors and tags are not allowed");
    }
    if (p->depth == 0) {
        return bad(p, &ev->start_mark, "expected \"key: value\" lines");
    }
    if (!p->have_key) {
        struct str prefix = p->path[p->depth - 1];
        if (prefix.len + text.len > KEY_MAX) { /* each value gets a copy of the path to it */
            return bad(p, &ev->start_mark, "the key is too long");
        }
        p->key = str_printf(p->arena, STR_FMT STR_FMT, STR_ARG(prefix), STR_ARG(text));
        p->line = (int)ev->start_mark.line + 1;
        p->column = (int)ev->start_mark.column + 1;
        p->have_key = true;
        return ERR_NONE;
    }
    struct yaml_value v = { .key = p->key, .value = text, .line = p->line, .column = p->column };
    vec_push(p->arena, &p->doc->values, v);
    p->have_key = false;
    return ERR_NONE;
}

static enum err on_mapping(struct parse *p, const yaml_event_t *ev)
{
    if (ev->data.mapping_start.anchor || ev->data.mapping_start.tag) {
        return bad(p, &ev->start_mark, "anchors and tags are not allowed");
    }
    if (p->depth == DEPTH_MAX) {
        return bad(p, &ev->start_mark, "nested too deeply");
    }
    if (p->depth > 0 && !p->have_key) {
        return bad(p, &ev->start_mark, "a mapping cannot be a key");
    }
    p->path[p->depth] = p->depth ? str_printf(p->arena, STR_FMT ".", STR_ARG(p->key)) : STR("");
    p->depth++;
    p->have_key = false;
    return ERR_NONE;
}

static enum err on_event(struct parse *p, const yaml_event_t *ev)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(p, ev);
    case YAML_MAPPING_START_EVENT:
        return on_mapping(p, ev);
    case YAML_MAPPING_END_EVENT:
        p->depth--;
        return ERR_NONE;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return bad(p, &ev->start_mark, "lists are not used here");
    case YAML_ALIAS_EVENT:
        return bad(p, &ev->start_mark, "aliases are not allowed");
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return ERR_NONE;
    case YAML_DOCUMENT_START_EVENT:
        return p->documents++ ? bad(p, &ev->start_mark, "a second document") : ERR_NONE;
    }
    return ERR_NONE;
}

static enum err run(struct parse *p)
{
    for (bool more = true; more;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&p->parser, &ev)) {
            return syntax_error(p);
        }
        more = ev.type != YAML_STREAM_END_EVENT;
        enum err err = on_event(p, &ev);
        yaml_event_delete(&ev);
        if (err) {
            return err;
        }
    }
    return ERR_NONE;
}

enum err yaml_parse(struct str text, struct arena *arena, struct yaml_doc *ret, struct fail *f)
{
    struct yaml_doc doc = { .values = { 0 } };
    struct parse p = { .arena = arena, .doc = &doc, .f = f };
    if (text.len > TEXT_MAX) {
        return fail(f, ERR_INVALID_ARGUMENT, "larger than 1 MiB");
    }
    check(yaml_parser_initialize(&p.parser));
    yaml_parser_set_input_string(&p.parser, (const unsigned char *)text.ptr, text.len);
    enum err err = run(&p);
    yaml_parser_delete(&p.parser);
    if (err) {
        return err;
    }
    *ret = doc;
    return ERR_NONE;
}
