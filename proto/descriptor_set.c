/* Holds the descriptor set that the build made from the .proto files. Knows nothing of its content.
 */
#include "proto/descriptor_set.h"

static const unsigned char descriptor_set[] = {
#include "proto/descriptor_set.inc"
};

struct str proto_descriptor_set(void)
{
    return str_of(descriptor_set, sizeof(descriptor_set));
}
