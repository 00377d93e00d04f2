/* The migrations, embedded in the executable: schema/<database>/NNN_name.sql in order, ended by version 0. */
#pragma once

struct schema_migration {
    int version; /* 1, 2, ... without gaps */
    const char *name;
    const char *sql; /* one script, run in one transaction */
};

extern const struct schema_migration schema_postgres[];
extern const struct schema_migration schema_sqlite[];
