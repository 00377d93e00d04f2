/* Changing a namespace's row: read, edit, put on condition of its version, begin again when somebody else was quicker.
 * Also the namespaces that a process makes at its start. */
#pragma once

#include "common/api/view.h"
#include "common/store/store_namespaces.h"
#include "frontend/api.h"

/* What edit() sees and changes. */
struct namespace_draft {
    const struct namespace_entry *old; /* NULL: there is none; what edit leaves is then inserted */
    struct str name;
    enum namespace_state state;
    Api__DescribeNamespaceResponse
            *row;           /* what is stored; info, config and replication_config are set */
    struct str task_queues; /* what is set for its task queues */
    bool changed;           /* false after edit(): nothing is written */
};

struct namespace_change {
    struct frontend *fe;
    struct arena *arena; /* lives until done() */
    struct request *rq;  /* NULL: for the process itself */
    struct str name;     /* which; empty: by id */
    struct uuid id;
    void *ctx;
    /* May run several times, each time on fresh data. An error (in c->fail) ends the change. */
    enum err (*edit)(struct namespace_change *c, struct namespace_draft *draft);
    /* The row as it is now, known on this lane; NULL with the error in c->fail. */
    void (*done)(struct namespace_change *c, const struct namespace_entry *now);
    struct fail fail;
    /* private */
    struct namespace_wait wait;
    struct store_put_namespace op;
    unsigned attempts;
    struct telling *telling;
    size_t untold;
};

/* The other fields are set. */
void namespace_change_run(struct namespace_change *c);
/* For a call: the change lives in its arena; edit() may use c->rq. An error answers it. */
void namespace_change_for(struct request *rq, struct str name,
        enum err (*edit)(struct namespace_change *c, struct namespace_draft *draft),
        void (*done)(struct namespace_change *c, const struct namespace_entry *now));

/* Fills a new row with what a namespace has that nobody has configured. */
void namespace_draft_init(struct namespace_draft *draft, struct arena *arena);
/* The stored row, decoded; NULL: it cannot be read. */
Api__DescribeNamespaceResponse *namespace_row(
        const struct namespace_entry *ns, struct arena *arena, struct fail *f);
/* The row with what the server adds: name, id, state, capabilities, limits. */
Api__DescribeNamespaceResponse *namespace_described(
        const struct namespace_entry *ns, struct arena *arena, struct fail *f);

/* namespace_api.c: what every change has in common. */
enum err namespace_check_retention(
        struct request *rq, const Api__Duration *retention, const struct config *config);
/* There is one cluster, and it is called "active". */
enum err namespace_check_clusters(struct request *rq, const char *active,
        Api__ClusterReplicationConfig *const *clusters, size_t count);
Api__NamespaceInfo__DataEntry *namespace_data_entry(
        struct arena *arena, const char *key, const char *value);
/* done(): the call has an empty answer. */
void namespace_on_changed(struct namespace_change *c, const struct namespace_entry *now);

/* namespace_binaries.c: adds to the list of broken workers' checksums; takes one off it. */
enum err namespace_add_binaries(
        struct namespace_change *c, struct namespace_draft *draft, const Api__BadBinaries *update);
enum err namespace_drop_binary(
        struct namespace_change *c, struct namespace_draft *draft, const char *checksum);

/* operator_api.c: puts an attribute into the first free slot of its type. An existing name stays as it is. */
enum err namespace_add_attribute(struct namespace_change *c, struct namespace_draft *draft,
        const struct search_attribute *attribute);
