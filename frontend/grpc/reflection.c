/* Server reflection. The descriptor set is searched in its encoded form, request by request: it is asked for
 * by people, not by programs, and so needs no index. */
#include "frontend/grpc/reflection.h"

#include <stdlib.h>

#include "common/model/wire.h"

struct reflection {
    struct grpc_server *server;
    struct str descriptors;
};

/* Field numbers of descriptor.proto. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6
};
enum { MESSAGE_NAME = 1, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, SERVICE_METHOD = 2 };
/* Of ServerReflectionRequest and -Response. */
enum { ASK_FILE = 3, ASK_SYMBOL = 4, ASK_EXTENSION = 5, ASK_NUMBERS = 6, ASK_SERVICES = 7 };
enum { SAY_ORIGINAL = 2, SAY_FILES = 4, SAY_SERVICES = 6, SAY_ERROR = 7 };

static struct str bytes_field(struct str message, uint32_t number)
{
    struct wire_field field;
    struct str found = { "", 0 };
    while (wire_next(&message, &field)) {
        if (field.number == number && field.type == WIRE_LEN) {
            found = field.bytes;
        }
    }
    return found;
}

/* "name" or "name.<rest>": strips the name and the dot off *symbol. */
static bool strip(struct str *symbol, struct str name)
{
    if (!str_starts_with(*symbol, name)) {
        return false;
    }
    if (symbol->len == name.len) {
        *symbol = str_drop(*symbol, name.len);
        return true;
    }
    if (symbol->ptr[name.len] != '.') {
        return false;
    }
    *symbol = str_drop(*symbol, name.len + 1);
    return true;
}

/* Does this message, enum or service declare the symbol, itself or further in? Depth is bounded by the
 * symbol, which loses a name at each level. */
static bool declares(struct str declaration, struct str symbol)
{
    if (!strip(&symbol, bytes_field(declaration, MESSAGE_NAME))) {
        return false;
    }
    if (str_empty(symbol)) {
        return true;
    }
    struct wire_field field;
    while (wire_next(&declaration, &field)) {
        bool is_inner = field.number == MESSAGE_NESTED || field.number == MESSAGE_ENUM ||
                        field.number == SERVICE_METHOD;
        if (is_inner && field.type == WIRE_LEN && declares(field.bytes, symbol)) {
            return true;
        }
    }
    return false;
}

static bool file_declares(struct str file, struct str symbol)
{
    struct str package = bytes_field(file, FILE_PACKAGE);
    if (package.len && (!strip(&symbol, package) || str_empty(symbol))) {
        return false;
    }
    struct wire_field field;
    while (wire_next(&file, &field)) {
        bool is_declaration = field.number == FILE_MESSAGE || field.number == FILE_ENUM ||
                              field.number == FILE_SERVICE;
        if (is_declaration && field.type == WIRE_LEN && declares(field.bytes, symbol)) {
            return true;
        }
    }
    return false;
}

static bool find_file(struct str set, uint32_t ask, struct str what, struct str *ret)
{
    struct wire_field field;
    while (!str_empty(what) && wire_next(&set, &field)) {
        if (field.number == SET_FILE && field.type == WIRE_LEN &&
                (ask == ASK_FILE ? str_eq(bytes_field(field.bytes, FILE_NAME), what)
                                 : file_declares(field.bytes, what))) {
            *ret = field.bytes;
            return true;
        }
    }
    return false;
}

static void put_service(void *arg, struct str name)
{
    struct buf *b = arg;
    size_t service = wire_begin(b, 1);
    wire_put_bytes(b, 1, name);
    wire_end(b, service);
}

static void put_error(struct buf *b, enum err err, const char *text)
{
    size_t error = wire_begin(b, SAY_ERROR);
    wire_put_varint(b, 1, (uint64_t)err_grpc_status(err));
    wire_put_bytes(b, 2, str_from_cstr(text));
    wire_end(b, error);
}

static void answer(const struct reflection *r, uint32_t ask, struct str what, struct buf *b)
{
    struct str file;
    if (ask == ASK_SERVICES) {
        size_t list = wire_begin(b, SAY_SERVICES);
        grpc_server_services(r->server, put_service, b);
        wire_end(b, list);
    } else if (ask != ASK_FILE && ask != ASK_SYMBOL) {
        put_error(b, ERR_UNIMPLEMENTED, "there are no extensions");
    } else if (find_file(r->descriptors, ask, what, &file)) {
        size_t files = wire_begin(b, SAY_FILES);
        wire_put_bytes(b, 1, file);
        wire_end(b, files);
    } else {
        put_error(b, ERR_NOT_FOUND, "not found");
    }
}

static void on_message(struct grpc_call *call, struct str message)
{
    const struct reflection *r = call->owner;
    struct str in = message;
    struct wire_field field;
    uint32_t ask = 0;
    struct str what = { "", 0 };
    while (wire_next(&in, &field)) {
        if (field.number >= ASK_FILE && field.number <= ASK_SERVICES && field.type == WIRE_LEN) {
            ask = field.number;
            what = field.bytes;
        }
    }
    if (!wire_ok(in) || ask == 0) {
        struct fail f;
        fail(&f, ERR_INVALID_ARGUMENT, "malformed ServerReflectionRequest");
        grpc_call_fail(call, &f);
        return;
    }
    struct buf b;
    buf_init(&b, (4 << 20) + message.len);
    wire_put_bytes(&b, SAY_ORIGINAL, message);
    answer(r, ask, what, &b);
    grpc_call_send(call, buf_str(&b));
    buf_deinit(&b);
}

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct fail f;
    fail(&f, ERR_CANCELLED, "cancelled");
    grpc_call_fail(call, &f);
}

static void on_info(void *ctx, struct grpc_call *call)
{
    call->owner = ctx;
    call->on_message = on_message;
    call->on_half_close = grpc_call_finish;
    call->on_drain = grpc_call_finish;
    call->on_cancel = on_cancel;
}

static const struct grpc_method methods[] = {
    { .path = STR_INIT("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            .handler = on_info,
            .is_streaming = true },
    { .path = STR_INIT("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
            .handler = on_info,
            .is_streaming = true },
};

struct reflection *reflection_new(struct grpc_server *server, struct str descriptors)
{
    struct reflection *r = calloc(1, sizeof(*r));
    check(r);
    *r = (struct reflection){ server, descriptors };
    grpc_server_add(server, methods, ARRAY_LEN(methods), r);
    return r;
}

void reflection_free(struct reflection *reflection)
{
    free(reflection);
}
