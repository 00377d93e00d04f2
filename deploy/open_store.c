/* Chooses and opens the store that the settings name. */
#include "deploy/open_store.h"

enum err open_store(const struct config *config, bool in_memory, const char *const *pragmas,
        struct uuid member, unsigned lanes, struct arena *arena, struct store **ret, struct fail *f)
{
    bool sqlite = in_memory || config->store_sqlite.len;
    if (sqlite && config->store_postgres.len) {
        return config_fail(
                config, "store.sqlite", f, "store.postgres and store.sqlite exclude each other");
    }
    if (sqlite) {
        struct store_sqlite_config c = {
            .path = in_memory ? NULL : str_cstr(arena, config->store_sqlite),
            .pragmas = pragmas,
        };
        return store_sqlite_new(&c, ret, f);
    }
    if (!config->store_postgres.len) {
        return config_fail(config, "store.postgres", f, "is not set, and no other store is");
    }
    struct store_pg_config c = {
        .conninfo = str_cstr(arena, config->store_postgres),
        .connect_timeout = config->store_connect_timeout,
        .statement_timeout = config->store_statement_timeout,
        .member = member,
        .lane_count = lanes,
    };
    struct fail inner = { 0 };
    if (store_pg_check(c.conninfo, &inner)) {
        return config_fail(config, "store.postgres", f, "%s", inner.message);
    }
    *ret = store_pg_new(&c);
    return ERR_NONE;
}
