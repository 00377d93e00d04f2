/* From a gRPC method to its handler. */
#pragma once

#include "frontend/frontend.h"

/* Registers every row of methods.def with the gRPC server; a method that is not there is answered
 * by the server. */
void dispatch_register(struct frontend *fe);
/* Until dispatch_release, but not for longer than a few seconds, calls wait: a process that is restarted behind its
 * address shows its clients no error. */
void dispatch_hold(struct frontend *fe);
void dispatch_release(struct frontend *fe);
