/* The operator's view of the database's schema: bring it up to date, or say where it stands. */
#include "deploy/schema_command.h"

#include <stdio.h>

#include "deploy/open_store.h"
#include "deploy/process.h"

int schema_main(int argc, char **argv)
{
    struct arena arena = { 0 };
    struct fail f = { 0 };
    struct config config;
    struct flag_list words = { 0 };
    struct store *store = NULL;
    bool print = false;
    int found = 0, ours = 0;
    enum err err = service_config(argc, argv, &arena, &config, &words, &print, &f);
    struct str verb = words.items.len == 1 ? words.items.ptr[0] : STR("");
    if (!err && !str_eq(verb, STR("migrate")) && !str_eq(verb, STR("status"))) {
        err = fail(&f, ERR_INVALID_ARGUMENT, "schema: expected migrate or status (see --help)");
    }
    if (!err) {
        err = open_store(&config, false, NULL, (struct uuid){ { 0 } }, 1, &arena, &store, &f);
    }
    if (!err && str_eq(verb, STR("migrate"))) {
        err = store_migrate(store, &f);
    }
    if (!err) {
        err = store_schema_version(store, &found, &ours, &f);
    }
    if (err) {
        fprintf(stderr, "perdure: %s\n", f.message);
    } else {
        printf("schema version %d; this executable brings %d\n", found, ours);
    }
    if (store) {
        store_free(store);
    }
    arena_deinit(&arena);
    return err == ERR_NOT_FOUND ? 2 : process_exit_status(err);
}
