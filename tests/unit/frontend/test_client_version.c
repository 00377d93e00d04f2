#include <criterion/criterion.h>

#include "frontend/client_version.h"

static enum err ask(const char *name, const char *version, const char *supported)
{
    static struct arena arena;
    struct fail f = { 0 };
    enum err err = client_version_check(
            str_from_cstr(name), str_from_cstr(version), str_from_cstr(supported), &arena, &f);
    cr_assert(implies(err, f.detail_type.len > 0), "refusals carry the API's detail");
    return err;
}

Test(client_version, official_clients_below_the_next_major_version_pass)
{
    cr_assert_eq(ask("temporal-typescript", "1.24.0", ">=1.0.0 <2.0.0"), ERR_NONE);
    cr_assert_eq(ask("temporal-go", "1.99.0-rc.1+build", ""), ERR_NONE);
    cr_assert_eq(ask("temporal-ui", "2.30.1", ""), ERR_NONE);
    cr_assert_eq(ask("temporal-go", "2.0.0", ""), ERR_FAILED_PRECONDITION);
    cr_assert_eq(ask("temporal-ui", "3.0.0", ""), ERR_FAILED_PRECONDITION);
    cr_assert_eq(ask("temporal-java", "not a version", ""), ERR_FAILED_PRECONDITION);
}

Test(client_version, who_names_no_version_passes)
{
    cr_assert_eq(ask("temporal-go", "", ""), ERR_NONE);
    cr_assert_eq(ask("temporal-go", "", ">=2.0.0"), ERR_FAILED_PRECONDITION);
}

Test(client_version, unknown_clients_pass_whatever_they_say)
{
    cr_assert_eq(ask("", "", ""), ERR_NONE);
    cr_assert_eq(ask("my-client", "99", "nonsense"), ERR_NONE);
}

Test(client_version, a_range_that_excludes_us_is_refused)
{
    cr_assert_eq(ask("my-client", "1.0.0", ">=2.0.0"), ERR_FAILED_PRECONDITION);
    cr_assert_eq(ask("my-client", "1.0.0", ">=1.0.0 <1.10.0"), ERR_FAILED_PRECONDITION);
    cr_assert_eq(ask("my-client", "1.0.0", ">1.0.0 <=2.0.0"), ERR_NONE);
}
