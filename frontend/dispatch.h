/* From a gRPC method to its handler. */
#pragma once

#include "frontend/frontend.h"

/* Registers every row of methods.def with the gRPC server; a method that is not there is answered
 * by the server. */
void dispatch_register(struct frontend *fe);
