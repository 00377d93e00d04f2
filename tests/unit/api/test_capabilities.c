/* The first set of claims, word for word: a flag that is claimed too early changes what SDKs send.
 */
#include <criterion/criterion.h>

#include "common/api/capabilities.h"
#include "common/api/codec.h"

Test(capabilities, system_info_claims_what_works)
{
    struct arena arena = { 0 };
    Api__GetSystemInfoResponse *info = api_system_info(&arena);
    cr_assert_str_eq(info->server_version, API_SERVER_VERSION);
    /* Flags 1, 2, 3, 5, 6, 7, 8, 9, 10; 2 bytes each, nothing else. */
    cr_assert(str_eq(api_encode(&arena, &info->capabilities->base),
            STR("\x08\x01\x10\x01\x18\x01\x28\x01\x30\x01\x38\x01\x40\x01\x48\x01\x50\x01")));
    arena_deinit(&arena);
}

Test(capabilities, namespace_tells_limits_and_claims_what_works)
{
    struct arena arena = { 0 };
    Api__NamespaceInfo info = API__NAMESPACE_INFO__INIT;
    api_namespace_features(&arena, &info, 2 << 20, 1 << 20);
    cr_assert_eq(info.limits->blob_size_limit_error, 2 << 20);
    cr_assert_eq(info.limits->memo_size_limit_error, 1 << 20);
    /* Flags 1, 2, 3, 5, 8, 9: eager start, updates, reported problems, polls end with ShutdownWorker, advice on the
     * number of pollers. */
    cr_assert(str_eq(api_encode(&arena, &info.capabilities->base),
            STR("\x08\x01\x10\x01\x18\x01\x28\x01\x40\x01\x48\x01")));
    arena_deinit(&arena);
}
