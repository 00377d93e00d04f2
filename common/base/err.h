/* Errors: outcomes that a caller handles, faults that travel up unchanged and are logged once at
 * the edge. A struct fail belongs to the request and carries the text for the client and the place
 * for the log. */
#pragma once

#include <stdbool.h>

#include "common/base/check.h"
#include "common/base/str.h"

enum err {
    ERR_NONE = 0,
#define ERR(name, cls, grpc, text) ERR_##name,
#include "common/base/err.def"
#undef ERR
    ERR_COUNT
};

struct fail {
    enum err err;
    const char *file;
    int line;
    char message[512]; /* NUL-terminated UTF-8, cut at a character boundary */
    struct str
            text; /* what the message is the beginning of, when it had to be cut; borrowed as detail is */
    /* The API's error detail: message name within temporal.api.errordetails.v1 (for example
     * "NotFoundFailure"; empty: none) and its encoded bytes. Borrowed: live as long as the request.
     */
    struct str detail_type;
    struct str detail;
};

const char *err_name(enum err err);
/* The gRPC status number; 0 for ERR_NONE. */
int err_grpc_status(enum err err);
bool err_is_fault(enum err err);

/* Records code, place and text (f may be NULL) and returns err: `return fail(f, ERR_NOT_FOUND,
 * "...")`. */
#define fail(f, err, ...) fail_at((f), (err), __FILE__, __LINE__, __VA_ARGS__)
enum err fail_at(struct fail *f, enum err err, const char *file, int line, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));
enum { FAIL_TEXT_MAX = 4000 }; /* of what a client gets to see */
/* Records a text that is somebody else's, or may be long: all of it up to FAIL_TEXT_MAX. Borrowed as details are. */
#define fail_text(f, err, text) fail_text_at((f), (err), __FILE__, __LINE__, (text))
enum err fail_text_at(struct fail *f, enum err err, const char *file, int line, struct str text);
/* The whole text. */
struct str fail_text_of(const struct fail *f);
/* Adds the API's detail to a fail already recorded; the bytes are borrowed. */
void fail_set_detail(struct fail *f, struct str type, struct str detail);
