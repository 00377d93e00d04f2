/* SQLite, in memory and in a file. */
#include "tests/store/contract.h"

static char file[64];

static struct store *open_at(const char *path)
{
    struct store_sqlite_config config = { .path = path };
    struct store *store;
    struct fail f = { 0 };
    enum err err = store_sqlite_new(&config, &store, &f);
    if (!err) {
        err = store_migrate(store, &f);
    }
    if (err) {
        fprintf(stderr, "%s\n", f.message);
    }
    expect(err == ERR_NONE);
    return store;
}

static struct store *fresh_memory(void)
{
    return open_at(NULL);
}

static void remove_file(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < ARRAY_LEN(suffixes) && file[0]; i++) {
        char path[80];
        snprintf(path, sizeof(path), "%s%s", file, suffixes[i]);
        (void)unlink(path);
    }
}

static struct store *fresh_file(void)
{
    remove_file();
    snprintf(file, sizeof(file), "/tmp/store-contract-%d.db", (int)getpid());
    return open_at(file);
}

const struct backend backend_memory = { .name = "memory", .fresh = fresh_memory };
const struct backend backend_file = { .name = "file", .fresh = fresh_file, .cleanup = remove_file };
