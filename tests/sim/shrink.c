/* See shrink.h. Greedy: each thing is tried to be taken away, again and again until nothing can go any more. What
 * goes changes the schedule, so a few others are tried as well. */
#include "tests/sim/shrink.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"

enum { SALTS = 4, KEY_MAX = 200, WORLD_SECONDS = 120 };

/* ---- cuts -------------------------------------------------------------------------------------- */

static unsigned at_most(unsigned value, unsigned max)
{
    return max && value > max ? max : value;
}

void cut_apply(const struct cut *c, struct swarm *s)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (c->faults >> i & 1) {
            s->every[i].ns = 0;
        }
    }
    s->features &= ~c->features;
    s->workflows = at_most(s->workflows, c->workflows);
    s->workers = at_most(s->workers, c->workers);
    s->history_hosts = at_most(s->history_hosts, c->hosts);
    s->matching_hosts = at_most(s->matching_hosts, c->hosts);
    s->frontend_hosts = at_most(s->frontend_hosts, c->hosts);
    s->whole_hosts = at_most(s->whole_hosts, c->hosts);
    s->max_faults = c->max_faults;
    if (c->turmoil_ms && c->turmoil_ms < duration_ms(s->turmoil)) {
        s->turmoil = DURATION_MS(c->turmoil_ms);
    }
    if (c->smooth) {
        s->store_delay.ns = s->net_delay.ns = s->skew.ns = 0;
        s->store_lost = 0;
    }
    if (c->tame) {
        s->worker_dies = s->worker_stalls = s->worker_twice = s->worker_old = s->worker_fails =
                s->worker_forgets = 0;
    }
}

void cut_print(const struct cut *c, char *ret, size_t size)
{
    snprintf(ret, size,
            "faults=%x,features=%x,workflows=%u,workers=%u,hosts=%u,max=%u,ms=%lld,%s%ssalt=%llu",
            c->faults, c->features, c->workflows, c->workers, c->hosts, c->max_faults,
            (long long)c->turmoil_ms, c->smooth ? "smooth," : "", c->tame ? "tame," : "",
            (unsigned long long)c->salt);
}

static bool parse_word(const char *word, struct cut *c)
{
    unsigned long long salt;
    long long ms;
    if (sscanf(word, "salt=%llu", &salt) == 1) {
        c->salt = salt;
    } else if (sscanf(word, "ms=%lld", &ms) == 1) {
        c->turmoil_ms = ms;
    } else if (!strcmp(word, "smooth")) {
        c->smooth = true;
    } else if (!strcmp(word, "tame")) {
        c->tame = true;
    } else {
        return sscanf(word, "faults=%x", &c->faults) == 1 ||
               sscanf(word, "features=%x", &c->features) == 1 ||
               sscanf(word, "workflows=%u", &c->workflows) == 1 ||
               sscanf(word, "workers=%u", &c->workers) == 1 ||
               sscanf(word, "hosts=%u", &c->hosts) == 1 ||
               sscanf(word, "max=%u", &c->max_faults) == 1;
    }
    return true;
}

bool cut_parse(const char *text, struct cut *ret)
{
    char copy[400], *save = NULL;
    *ret = (struct cut){ 0 };
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        if (!parse_word(w, ret)) {
            return false;
        }
    }
    return true;
}

/* ---- how a world fails ------------------------------------------------------------------------- */

/* The words of a message, without what differs from world to world: numbers, ids. */
static void key_of(const char *line, char *ret)
{
    size_t n = 0;
    while (*line && n + 1 < KEY_MAX) {
        size_t len = strcspn(line, " \n");
        bool plain = true;
        for (size_t i = 0; i < len; i++) {
            plain &= !isdigit((unsigned char)line[i]);
        }
        for (size_t i = 0; plain && i < len && n + 2 < KEY_MAX; i++) {
            ret[n++] = line[i];
        }
        line += len;
        line += *line == ' ';
        if (*line == '\n') {
            break;
        }
    }
    ret[n] = 0;
}

static bool run_quietly(uint64_t seed, const struct cut *cut,
        void (*run)(uint64_t seed, const struct cut *cut, bool follow), char *key)
{
    FILE *out = tmpfile();
    char line[2000];
    int status;
    check(out);
    fflush(NULL);
    pid_t pid = fork();
    check(pid >= 0);
    if (pid == 0) {
        check(dup2(fileno(out), 2) == 2);
        alarm(WORLD_SECONDS);
        run(seed, cut, false);
        exit(EXIT_SUCCESS);
    }
    check(waitpid(pid, &status, 0) == pid);
    snprintf(key, KEY_MAX, status ? "a signal" : "");
    rewind(out);
    while (fgets(line, sizeof(line), out)) {
        if (strstr(line, "VIOLATION: ") || strstr(line, "check failed: ")) {
            key_of(line, key);
        }
    }
    fclose(out);
    return status == 0;
}

/* ---- taking away ------------------------------------------------------------------------------- */

struct shrinking {
    uint64_t seed;
    void (*run)(uint64_t seed, const struct cut *cut, bool follow);
    struct cut best;
    char key[KEY_MAX];
    unsigned worlds;
};

/* True: it still fails like that. */
static bool try_cut(struct shrinking *s, struct cut cut)
{
    uint64_t salts[SALTS] = { s->best.salt, 0, 1, 2 };
    for (int i = 0; i < SALTS; i++) {
        char key[KEY_MAX];
        cut.salt = salts[i];
        s->worlds++;
        if (!run_quietly(s->seed, &cut, s->run, key) && !strcmp(key, s->key)) {
            char text[400];
            s->best = cut;
            cut_print(&cut, text, sizeof(text));
            printf("%u: %s\n", s->worlds, text);
            fflush(stdout);
            return true;
        }
    }
    return false;
}

/* The same field of another cut. */
static unsigned *same_field(struct shrinking *s, struct cut *cut, const unsigned *field)
{
    return (unsigned *)((char *)cut + ((const char *)field - (const char *)&s->best));
}

static bool try_number(struct shrinking *s, unsigned *field, unsigned now)
{
    for (unsigned less = 1; less < now; less = less + (now - less + 1) / 2) {
        struct cut cut = s->best;
        *same_field(s, &cut, field) = less;
        if (try_cut(s, cut)) {
            return true;
        }
    }
    return false;
}

/* Many bits at once, then fewer. */
static bool try_bits(struct shrinking *s, unsigned *field, unsigned all)
{
    bool progress = false;
    for (unsigned size = 16; size; size /= 2) {
        for (unsigned from = 0; from < 32; from += size) {
            unsigned bits = ((1u << size) - 1) << from & all & ~*field;
            struct cut cut = s->best;
            *same_field(s, &cut, field) |= bits;
            progress |= bits && try_cut(s, cut);
        }
    }
    return progress;
}

static bool round_of_cuts(struct shrinking *s, const struct swarm *full)
{
    struct swarm now = *full;
    bool progress = false;
    struct cut smooth = s->best, tame = s->best;
    smooth.smooth = true;
    progress |= !s->best.smooth && try_cut(s, smooth);
    tame = s->best;
    tame.tame = true;
    progress |= !s->best.tame && try_cut(s, tame);
    cut_apply(&s->best, &now);
    struct cut shorter = s->best;
    shorter.turmoil_ms = duration_ms(now.turmoil) / 2;
    progress |= shorter.turmoil_ms >= 100 && try_cut(s, shorter);
    progress |= try_number(s, &s->best.workflows, now.workflows);
    progress |= try_number(s, &s->best.workers, now.workers);
    progress |= !s->best.hosts && try_number(s, &s->best.hosts, 3);
    progress |= try_number(s, &s->best.max_faults, now.max_faults ? now.max_faults : 64);
    unsigned faults = 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        faults |= full->every[i].ns ? 1u << i : 0;
    }
    progress |= try_bits(s, &s->best.faults, faults);
    progress |= try_bits(s, &s->best.features, full->features);
    return progress;
}

bool shrink(uint64_t seed, void (*run)(uint64_t seed, const struct cut *cut, bool follow))
{
    struct shrinking s = { .seed = seed, .run = run };
    struct rand r = { hash_u64(seed) };
    struct swarm full = swarm_make(&r);
    if (run_quietly(seed, &s.best, run, s.key)) {
        return false;
    }
    printf("fails: %s\n", s.key);
    while (round_of_cuts(&s, &full)) {
    }
    char text[400];
    cut_print(&s.best, text, sizeof(text));
    cut_apply(&s.best, &full);
    printf("smallest after %u worlds; repeat: tests/sim/run --seed %llu --cut %s\n", s.worlds,
            (unsigned long long)seed, text);
    fflush(NULL);
    swarm_print(&full);
    pid_t pid = fork();
    check(pid >= 0);
    if (pid == 0) {
        alarm(WORLD_SECONDS);
        run(seed, &s.best, true);
        exit(EXIT_SUCCESS);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid);
    return true;
}
