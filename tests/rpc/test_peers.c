/* What happens when the other process dies, stops, is somebody else, or talks nonsense. Run per
 * kind: test_peers tcp|ipc. The other process is this program again: test_peers serve <url>
 * <member> <cluster>. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/rpc/rpc_frame.h"
#include "tests/rpc/harness.h"

enum { MANY = 1000, CLUSTER = 9, CALLEE = 2 };

static const char *kind;
static struct world w;
static struct test_call one, many[MANY];
static const struct duration long_time = { 60000000000 };
static struct rpc_config config;

/* ---- the other process ---- */

static struct callee callee;

static void start_serving(struct lane *lane, void *arg)
{
    callee_serve(&callee, arg, lane);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int serve(char **argv)
{
    struct rpc_config c = { .role = STR("callee"),
        .member_id = uuid_of((uint8_t)atoi(argv[3])),
        .cluster_id = uuid_of((uint8_t)atoi(argv[4])) };
    struct fail f = { 0 };
    uint16_t port = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct rpc *rpc = rpc_new(&c);
    struct lane *lane = lane_new(1, "callee");
    lane_run_thread(lane, start_serving, rpc);
    lane_run(lane, nothing, NULL);
    int64_t until = now_ms() + 10000; /* a predecessor's port may still be in use for a moment */
    while (rpc_listen(rpc, str_from_cstr(argv[2]), &port, &f) != ERR_NONE) {
        check(now_ms() < until);
        pause_ms(20);
    }
    printf("%u\n", port);
    fflush(stdout);
    for (;;) {
        pause();
    }
}

struct process {
    pid_t pid;
    char url[200];
};

/* On a given url again after a death, else on a fresh one. */
static void process_start(struct process *p, int member, int cluster)
{
    static int count;
    int fds[2];
    char url[200], text[20] = "";
    if (p->url[0]) {
        snprintf(url, sizeof(url), "%s", p->url);
    } else if (strcmp(kind, "tcp") == 0) {
        snprintf(url, sizeof(url), "tcp://127.0.0.1:0");
    } else {
        snprintf(url, sizeof(url), "ipc:///tmp/perdure-rpc-test.%d.p%d", (int)getpid(), count++);
    }
    char member_text[12], cluster_text[12];
    snprintf(member_text, sizeof(member_text), "%d", member);
    snprintf(cluster_text, sizeof(cluster_text), "%d", cluster);
    check(pipe2(fds, O_CLOEXEC) == 0);
    p->pid = fork();
    check(p->pid >= 0);
    if (p->pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_peers", "serve", url, member_text, cluster_text,
                (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    check(read(fds[0], text, sizeof(text) - 1) > 0);
    close(fds[0]);
    if (!p->url[0]) {
        if (strcmp(kind, "tcp") == 0) {
            snprintf(p->url, sizeof(p->url), "tcp://127.0.0.1:%d", atoi(text));
        } else {
            snprintf(p->url, sizeof(p->url), "%s", url);
        }
    }
}

static void process_kill(struct process *p)
{
    kill(p->pid, SIGKILL);
    check(waitpid(p->pid, NULL, 0) == p->pid);
    p->pid = 0;
}

static void process_end(struct process *p)
{
    if (p->pid) {
        process_kill(p);
    }
    if (strncmp(p->url, "ipc://", 6) == 0) {
        unlink(p->url + 6);
    }
}

/* ---- who watches ---- */

struct watcher {
    struct rpc_watch watch;
    atomic_int ups, downs;
};

static void on_changed(struct rpc_watch *watch, struct uuid member, bool up)
{
    struct watcher *x = container_of(watch, struct watcher, watch);
    check(uuid_eq(member, uuid_of(CALLEE)));
    atomic_fetch_add(up ? &x->ups : &x->downs, 1);
}

static struct watcher watcher;

static void start_watching(void *arg)
{
    (void)arg;
    watcher.watch.changed = on_changed;
    rpc_watch_links(w.rl, &watcher.watch);
}

static void expect_echo(void)
{
    int64_t until = now_ms() + 30000;
    do {
        call_start(&w, &one, M_ECHO, 0, STR("there?"), long_time);
        call_wait(&one);
        check(one.result == RPC_OK || one.result == RPC_NOT_SENT);
        check(now_ms() < until);
        pause_ms(one.result == RPC_OK ? 0 : 5);
    } while (one.result != RPC_OK);
}

/* ---- the tests ---- */

static void test_kill(void)
{
    struct process p = { 0 };
    world_open_caller(&w, &config);
    memset(&watcher, 0, sizeof(watcher));
    lane_run(w.lane, start_watching, NULL);
    process_start(&p, CALLEE, CLUSTER);
    world_peer(&w, p.url, uuid_of(CALLEE));
    expect_echo();
    check(atomic_load(&watcher.ups) == 1 && atomic_load(&watcher.downs) == 0);
    calls_start(&w, many, MANY, M_PARK, STR("parked at the dead"), long_time);
    expect_echo(); /* so they have all been sent */
    int64_t began = now_ms();
    process_kill(&p);
    calls_wait(many, MANY);
    printf("%d calls failed %d ms after the kill\n", MANY, (int)(now_ms() - began));
    for (int i = 0; i < MANY; i++) {
        check(many[i].result == RPC_UNKNOWN);
    }
    wait_for(atomic_load(&watcher.downs) == 1);
    /* Nobody there: surely not sent. */
    call_start(&w, &one, M_ECHO, 0, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_NOT_SENT);
    /* Back again under the same address: redialled without being asked. */
    process_start(&p, CALLEE, CLUSTER);
    wait_for(atomic_load(&watcher.ups) == 2);
    expect_echo();
    world_close(&w);
    process_end(&p);
}

static void test_never_sent(void)
{
    world_open_caller(&w, &config);
    world_peer(&w,
            strcmp(kind, "tcp") == 0 ? "tcp://127.0.0.1:1" : "ipc:///tmp/perdure-no-such-socket",
            uuid_of(CALLEE));
    calls_start(&w, many, MANY, M_ECHO, STR(""), long_time);
    calls_wait(many, MANY);
    for (int i = 0; i < MANY; i++) {
        check(many[i].result == RPC_NOT_SENT);
    }
    world_close(&w);
    world_open_caller(&w, &config);
    world_peer(&w, "nonsense", uuid_of(CALLEE));
    call_start(&w, &one, M_ECHO, 0, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_NOT_SENT);
    world_close(&w);
}

static void expect_refused(int member, int cluster)
{
    struct process p = { 0 };
    process_start(&p, member, cluster);
    world_open_caller(&w, &config);
    world_peer(&w, p.url, uuid_of(CALLEE));
    for (int i = 0; i < 3; i++) {
        call_start(&w, &one, M_ECHO, 0, STR("secret"), long_time);
        call_wait(&one);
        check(one.result == RPC_NOT_SENT);
        pause_ms(100); /* beyond the first back-off, to see a second and third dial */
    }
    world_close(&w);
    process_end(&p);
}

static void test_stopped(void)
{
    struct process p = { 0 };
    process_start(&p, CALLEE, CLUSTER);
    world_open_caller(&w, &config);
    world_peer(&w, p.url, uuid_of(CALLEE));
    expect_echo();
    calls_start(&w, many, 10, M_PARK, STR(""), long_time);
    expect_echo();
    pause_ms(1500); /* longer than ping_after: the pings of a quiet link are answered */
    check(atomic_load(&many[0].ended) == 0);
    kill(p.pid, SIGSTOP);
    int64_t began = now_ms();
    calls_wait(many, 10);
    int64_t took = now_ms() - began;
    printf("stopped peer noticed after %d ms\n", (int)took);
    check(many[0].result == RPC_UNKNOWN && took >= 1500 && took < 15000);
    kill(p.pid, SIGCONT);
    expect_echo();
    world_close(&w);
    process_end(&p);
}

/* A peer that does not read: what was given to the transport may have been executed, what waited behind it was surely
 * not, and beyond the soft bound calls are refused at once. */
static void test_blocked(void)
{
    enum { FIRST = 300, LATER = 20, BODY = 100000 };
    struct process p = { 0 };
    struct rpc_config wide = config;
    char *body = calloc(1, BODY);
    check(body);
    wide.transmit_soft = (FIRST + LATER + 1) * (BODY + 100);
    process_start(&p, CALLEE, CLUSTER);
    world_open_caller(&w, &wide);
    world_peer(&w, p.url, uuid_of(CALLEE));
    expect_echo();
    kill(p.pid, SIGSTOP);
    calls_start(&w, many, FIRST, M_ECHO, str_of(body, BODY), long_time);
    turn_end(&w); /* so these have left in a write of their own */
    calls_start(&w, many + FIRST, LATER, M_ECHO, str_of(body, BODY), long_time);
    struct test_call *excess = many + FIRST + LATER;
    calls_start(&w, excess, FIRST, M_ECHO, str_of(body, BODY), long_time);
    call_wait(&excess[FIRST - 1]);
    check(excess[FIRST - 1].result == RPC_BUSY);
    process_kill(&p);
    calls_wait(many, FIRST + LATER + FIRST);
    for (int i = 0; i < FIRST + LATER; i++) {
        check(many[i].result == (i < FIRST ? RPC_UNKNOWN : RPC_NOT_SENT));
    }
    world_close(&w);
    process_end(&p);
    free(body);
}

static void do_notify(void *arg)
{
    (void)arg;
    for (uint64_t i = 1; i <= 100; i++) {
        rpc_notify(w.rl, w.peer, M_NOTE, i, STR("note"));
    }
}

/* Where calls are refused, notices still get through: nobody would hear of their loss. */
static void test_notices_while_busy(void)
{
    enum { CALLS = 300, BODY = 100000 };
    struct process p = { 0 };
    struct rpc_config narrow = config;
    char *body = calloc(1, BODY);
    check(body);
    narrow.transmit_soft = 1 << 20;
    narrow.dead_after = DURATION_SECONDS(60);
    process_start(&p, CALLEE, CLUSTER);
    world_open_caller(&w, &narrow);
    world_peer(&w, p.url, uuid_of(CALLEE));
    expect_echo();
    kill(p.pid, SIGSTOP);
    for (int i = 0; i < CALLS; i += 10) { /* until the socket takes no more either */
        calls_start(&w, many + i, 10, M_ECHO, str_of(body, BODY), long_time);
        turn_end(&w);
    }
    call_wait(&many[CALLS - 1]);
    check(many[CALLS - 1].result == RPC_BUSY);
    lane_run(w.lane, do_notify, NULL);
    kill(p.pid, SIGCONT);
    calls_wait(many, CALLS);
    call_start(&w, &one, M_NOTED, 0, STR(""), long_time);
    call_wait(&one);
    check(one.result == RPC_OK && str_eq(str_of(one.answer, one.answer_len), STR("5050")));
    world_close(&w);
    process_end(&p);
    free(body);
}

/* ---- strangers on the port ---- */

static int raw_connect(const char *url)
{
    if (strncmp(url, "tcp://", 6) == 0) {
        struct sockaddr_in in = { .sin_family = AF_INET,
            .sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1)),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
        return fd;
    }
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", url + 6);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
    return fd;
}

/* Sends, then waits until the other side has closed. What it says before is its HELLO. */
static void expect_hang_up(const char *url, const void *bytes, size_t n)
{
    int fd = raw_connect(url);
    char in[512];
    (void)!send(fd, bytes, n, MSG_NOSIGNAL);
    ssize_t got;
    while ((got = read(fd, in, sizeof(in))) > 0) {
    }
    check(got == 0 || errno == ECONNRESET);
    close(fd);
}

static void put_hello(struct buf *buf, int cluster, uint32_t version)
{
    struct rpc_frame hello = { .type = RPC_FRAME_HELLO,
        .hello = { .version = version,
                .cluster_id = uuid_of((uint8_t)cluster),
                .member_id = uuid_of(77),
                .role = STR("stranger"),
                .max_frame = 1 << 20,
                .inbound_max = 100 } };
    check(rpc_frame_put(buf, &hello));
}

static void strangers_after_hello(void)
{
    struct rpc_frame bad[] = {
        { .type = RPC_FRAME_RESPONSE, .id = 5, .body = STR("not asked for") },
        { .type = RPC_FRAME_HELLO, .hello = { .version = RPC_PROTOCOL_VERSION } },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf buf;
        buf_init(&buf, 4096);
        put_hello(&buf, CLUSTER, RPC_PROTOCOL_VERSION);
        rpc_frame_put(&buf, &bad[i]);
        expect_hang_up(w.url, buf.ptr, buf.len);
        buf_deinit(&buf);
    }
    /* A good HELLO, then half a frame, then silence that we end ourselves. */
    struct buf buf;
    buf_init(&buf, 4096);
    put_hello(&buf, CLUSTER, RPC_PROTOCOL_VERSION);
    buf_append(&buf, "\xff\x00\x00\x00half", 8);
    int fd = raw_connect(w.url);
    check(send(fd, buf.ptr, buf.len, MSG_NOSIGNAL) == (ssize_t)buf.len);
    close(fd);
    buf_deinit(&buf);
}

static void test_strangers(void)
{
    world_open(&w, kind, &config);
    calls_start(&w, many, 100, M_PARK, STR("do not disturb"), long_time);
    wait_for(atomic_load(&w.callee.parked_count) == 100);
    static const struct str nonsense[] = {
        STR_INIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        STR_INIT("\0\0\0\0"),
        STR_INIT("\xff\xff\xff\xff"),
        STR_INIT("\x05\0\0\0\xdd\xff\xff\xff\xff"),
        STR_INIT("\x01\0\0\0\x90"),
        STR_INIT("\x02\0\0\0\x91\x08"),
        STR_INIT("\x06\0\0\0\x92\x01\x81\x81\x81\x81"),
    };
    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
        expect_hang_up(w.url, nonsense[i].ptr, nonsense[i].len);
    }
    struct buf buf;
    buf_init(&buf, 4096);
    put_hello(&buf, CLUSTER + 1, RPC_PROTOCOL_VERSION);
    expect_hang_up(w.url, buf.ptr, buf.len);
    buf_reset(&buf);
    put_hello(&buf, CLUSTER, RPC_PROTOCOL_VERSION + 1);
    expect_hang_up(w.url, buf.ptr, buf.len);
    buf_deinit(&buf);
    strangers_after_hello();
    expect_hang_up(w.url, "", 0); /* says nothing: no HELLO in time */
    struct rand r = { 42 };
    for (int i = 0; i < 50; i++) {
        char bytes[300];
        for (size_t j = 0; j < sizeof(bytes); j++) {
            bytes[j] = (char)rand_u64(&r);
        }
        bytes[1] = bytes[2] = bytes[3] = 0; /* a plausible length */
        int fd = raw_connect(w.url);
        (void)!send(fd, bytes, 1 + rand_below(&r, sizeof(bytes) - 1), MSG_NOSIGNAL);
        close(fd);
    }
    for (int i = 0; i < 100; i++) {
        check(atomic_load(&many[i].ended) == 0);
    }
    expect_echo();
    call_start(&w, &one, M_RELEASE, 0, STR(""), long_time);
    calls_wait(many, 100);
    world_close(&w);
}

static void test_drain(void)
{
    world_open(&w, kind, &config);
    calls_start(&w, many, 10, M_PARK, STR(""), long_time);
    wait_for(atomic_load(&w.callee.parked_count) == 10);
    rpc_drain(w.callee_rpc);
    /* New calls are refused unsent; those that are there may finish. */
    int64_t until = now_ms() + 30000;
    do {
        call_start(&w, &one, M_ECHO, 0, STR(""), long_time);
        call_wait(&one);
        check(one.result == RPC_OK || one.result == RPC_NOT_SENT);
        check(now_ms() < until);
    } while (one.result == RPC_OK);
    check(atomic_load(&many[0].ended) == 0);
    world_close(&w);
    calls_wait(many, 10);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "serve") == 0) {
        return serve(argv);
    }
    check(argc == 2);
    kind = argv[1];
    config = (struct rpc_config){ .cluster_id = uuid_of(CLUSTER) };
    test_kill();
    test_never_sent();
    expect_refused(CALLEE + 1, CLUSTER); /* another member at the address */
    expect_refused(CALLEE, CLUSTER + 1); /* another cluster */
    test_stopped();
    test_blocked();
    test_notices_while_busy();
    test_strangers();
    test_drain();
    call_free(&one);
    for (int i = 0; i < MANY; i++) {
        call_free(&many[i]);
    }
    printf("%s: ok\n", kind);
    return 0;
}
