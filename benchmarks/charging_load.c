/* Load on online charging: sessions of an initial request, updates and a termination, in one of some protocols.

   What a message looks like stands in charging_load_*.h. Each slot plays one session after the other and has one
   request outstanding. "closed" sends the next request when an answer comes. "open" sends at a given rate, whatever
   the shard does; a request is late from the moment at which it was to be sent, also when no slot was free, so that a
   shard that stalls is not spared (coordinated omission). "pong" needs no shard: it sends frames to and fro over
   loopback between two processes, one outstanding.

   Prints one line of name=value; times are nanoseconds. One thread; one core. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 4, PONG = 100, LONGEST = 16384, READ = 1 << 18 };
enum { SUCCESS = 2001, INITIAL = 1, UPDATE = 2, TERMINATION = 3 };
enum { SUB_BITS = 7, SUB = 1 << SUB_BITS, BUCKETS = 64 * SUB, SECONDS_MOST = 3600, CONNECTIONS_MOST = 256 };
static const int64_t NOTHING = -1, SECOND = 1000000000;

typedef struct { int64_t account, used, number, intended; uint64_t id; int updates; } Slot;
typedef struct { int fd; size_t out, in; uint8_t *send; uint8_t *got; } Connection;
typedef struct { int64_t index, result, granted; } Answer;
typedef struct {
    const char *name;
    size_t longest;                                                     /* octets of a request */
    void (*greet)(int fd);
    size_t (*request)(uint8_t *at, int index, const Slot *slot, int phase); /* octets written */
    size_t (*size)(const uint8_t *at);                                  /* of a message, told by its first HEAD octets */
    Answer (*answer)(const uint8_t *at, size_t size, int (*phase_of)(int64_t index));
} Protocol;

static struct { int port, connections, window, updates, open; double rate, seconds, warmup; int64_t accounts, quota; } want;
static Slot *slots;
static int slot_count, *spare, spare_from, spare_count;
static Connection lines[CONNECTIONS_MOST];
static uint64_t run, sessions, histogram[BUCKETS], by_second[SECONDS_MOST];
static int64_t started, counted_from, ends, longest, sent, answered, counted, wrong, first_wrong;

static void die(const char *what) {
    fprintf(stderr, "charging_load: %s: %s\n", what, errno ? strerror(errno) : "the other end did not do as it should");
    exit(2);
}

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * SECOND + at.tv_nsec;
}

/* ---- figures: 128 buckets for each power of two, so a figure is right to 1 % */

static int bucket_of(uint64_t value) {
    if (value < SUB) return (int)value;
    int shift = 63 - __builtin_clzll(value) - SUB_BITS;
    return (shift + 1) * SUB + (int)((value >> shift) & (SUB - 1));
}

static uint64_t top_of(int bucket) {
    if (bucket < SUB) return bucket;
    int shift = bucket / SUB - 1;
    return (((uint64_t)(bucket % SUB + SUB) + 1) << shift) - 1;
}

/* A closed loop counts answers by the second in which they came, an open one by that in which they were asked for. */
static void count(int64_t asked, int64_t now) {
    int64_t took = now - asked;
    answered++;
    if (want.open) now = asked;
    if (now < counted_from || now >= ends) return;
    counted++;
    histogram[bucket_of(took > 0 ? took : 0)]++;
    if (took > longest) longest = took;
    int64_t second = (now - counted_from) / SECOND;
    if (second < SECONDS_MOST) by_second[second]++;
}

static int64_t percentile(double part) {
    uint64_t seen = 0, need = (uint64_t)(part * counted + 0.999999);
    for (int bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += histogram[bucket]) >= need && need) {
            int64_t top = top_of(bucket);
            return top < longest ? top : longest;
        }
    return 0;
}

static void print_figures(int64_t unanswered) {
    double seconds = (double)(ends - counted_from) / SECOND;
    int whole = (int)seconds < SECONDS_MOST ? (int)seconds : SECONDS_MOST;
    uint64_t slowest = whole ? by_second[0] : (uint64_t)counted;
    for (int second = 1; second < whole; second++)
        if (by_second[second] < slowest) slowest = by_second[second];
    printf("per_s=%.1f slowest_second=%llu answered=%lld counted=%lld unanswered=%lld wrong=%lld first_wrong=%lld "
           "p50=%lld p90=%lld p99=%lld p999=%lld max=%lld\n",
           counted / seconds, (unsigned long long)slowest, (long long)answered, (long long)counted,
           (long long)unanswered, (long long)wrong, (long long)first_wrong, (long long)percentile(0.5),
           (long long)percentile(0.9), (long long)percentile(0.99), (long long)percentile(0.999), (long long)longest);
}

/* ---- sessions */

static void begin_session(Slot *slot, int updates) {
    slot->id = ++sessions;
    slot->account = (int64_t)((sessions - 1) % (uint64_t)want.accounts) + 1;
    slot->number = slot->used = 0;
    slot->updates = updates;
}

static int phase_of(const Slot *slot) {
    return slot->number == 0 ? INITIAL : slot->number <= slot->updates ? UPDATE : TERMINATION;
}

static int phase_of_index(int64_t index) {
    if (index < 0 || index >= slot_count) die("an answer to nothing");
    return phase_of(&slots[index]);
}

#include "charging_load_frames.h"
#include "charging_load_diameter.h"

static const Protocol *const protocols[] = {&frames, &diameter};
static const Protocol *protocol = &frames;

static void issue(int index, int64_t intended) {
    Slot *slot = &slots[index];
    Connection *line = &lines[index % want.connections];
    slot->intended = intended;
    line->out += protocol->request(line->send + line->out, index, slot, phase_of(slot));
    sent++;
}

static void note_wrong(int64_t result) {
    if (!wrong++) first_wrong = result;
}

static int on_answer(const uint8_t *message, size_t size, int64_t now) {
    Answer answer = protocol->answer(message, size, phase_of_index);
    Slot *slot = &slots[answer.index];
    count(slot->intended, now);
    int phase = phase_of(slot);
    if (answer.result != SUCCESS || (phase != TERMINATION && answer.granted <= 0)) note_wrong(answer.result);
    if (answer.result != SUCCESS || phase == TERMINATION) {
        begin_session(slot, want.updates);
    } else {
        slot->number++;
        slot->used = answer.granted;
    }
    return (int)answer.index;
}

/* ---- sockets */

static int connected(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void flush(Connection *line) {
    size_t done = 0;
    while (done < line->out) {
        ssize_t part = send(line->fd, line->send + done, line->out - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (part < 0 && errno == EINTR) continue;
        if (part < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (part <= 0) die("send");
        done += part;
    }
    memmove(line->send, line->send + done, line->out - done);
    line->out -= done;
}

static void take(Connection *line) {
    ssize_t part = recv(line->fd, line->got + line->in, READ - line->in, MSG_DONTWAIT);
    if (part < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (part <= 0) die("the other end hung up");
    line->in += part;
    size_t at = 0;
    int64_t now = now_ns();
    while (line->in - at >= HEAD) {
        size_t size = protocol->size(line->got + at);
        if (size > LONGEST) die("a message that is too long");
        if (line->in - at < size) break;
        int index = on_answer(line->got + at, size, now);
        at += size;
        if (want.open)
            spare[(spare_from + spare_count++) % slot_count] = index;
        else if (now < ends)
            issue(index, now);
    }
    memmove(line->got, line->got + at, line->in - at);
    line->in -= at;
}

/* Send what is due; return when the next one is. */
static int64_t issue_due(int64_t next, int64_t now) {
    for (;;) {
        int64_t due = started + (int64_t)(next * (SECOND / want.rate));
        if (due > now || due >= ends || !spare_count) return next;
        int index = spare[spare_from];
        spare_from = (spare_from + 1) % slot_count;
        spare_count--;
        issue(index, due);
        next++;
    }
}

static void wait_for(int64_t until, int64_t now) {
    struct pollfd polled[CONNECTIONS_MOST];
    int64_t wait = until > now ? until - now : 0;
    struct timespec most = {wait / SECOND, wait % SECOND};
    for (int at = 0; at < want.connections; at++)
        polled[at] = (struct pollfd){lines[at].fd, (short)(POLLIN | (lines[at].out ? POLLOUT : 0)), 0};
    if (ppoll(polled, want.connections, &most, NULL) < 0 && errno != EINTR) die("ppoll");
    for (int at = 0; at < want.connections; at++)
        if (polled[at].revents & (POLLIN | POLLHUP | POLLERR)) take(&lines[at]);
}

static void play(void) {
    int64_t next = 0, now = now_ns();
    started = now;
    counted_from = started + (int64_t)(want.warmup * SECOND);
    ends = counted_from + (int64_t)(want.seconds * SECOND);
    for (int index = 0; index < slot_count; index++) {
        begin_session(&slots[index], index % (want.updates + 1)); /* not all end at the same moment */
        if (want.open) spare[spare_count++] = index;
        else issue(index, now);
    }
    while ((now = now_ns()) < ends + 10 * SECOND && (now < ends || sent > answered)) {
        if (want.open) next = issue_due(next, now);
        for (int at = 0; at < want.connections; at++)
            if (lines[at].out) flush(&lines[at]);
        int64_t until = now < ends ? ends : ends + 10 * SECOND;
        int64_t due = started + (int64_t)(next * (SECOND / want.rate));
        wait_for(want.open && spare_count && due < until && now < ends ? due : until, now);
    }
    if (want.open) { /* what was to be sent and never was, is unanswered too */
        int64_t all = (int64_t)((ends - started) / (SECOND / want.rate));
        if (all > sent) sent = all;
    }
    print_figures(sent - answered);
}

/* ---- loopback alone */

static void echo_all(int fd) {
    uint8_t buffer[PONG];
    for (ssize_t part; (part = recv(fd, buffer, sizeof buffer, 0)) > 0;)
        if (send(fd, buffer, part, MSG_NOSIGNAL) != part) break;
    _exit(0);
}

static void pong(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listening, (struct sockaddr *)&at, size) || listen(listening, 1)) die("listen");
    getsockname(listening, (struct sockaddr *)&at, &size);
    pid_t child = fork();
    if (child == 0) {
        int fd = accept(listening, NULL, NULL);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        echo_all(fd);
    }
    int fd = connected(ntohs(at.sin_port));
    uint8_t frame[PONG] = {0};
    counted_from = now_ns();
    ends = counted_from + (int64_t)(want.seconds * SECOND);
    for (int64_t before; (before = now_ns()) < ends;) {
        if (send(fd, frame, PONG, MSG_NOSIGNAL) != PONG) die("send");
        for (size_t in = 0; in < PONG;) {
            ssize_t part = recv(fd, frame + in, PONG - in, 0);
            if (part <= 0) die("recv");
            in += part;
        }
        int64_t now = now_ns();
        count(before, now);
    }
    close(fd);
    waitpid(child, NULL, 0);
    print_figures(0);
}

static const char *word(int argc, char **argv, const char *name, const char *otherwise) {
    for (int at = 2; at + 1 < argc; at += 2)
        if (!strcmp(argv[at], name)) return argv[at + 1];
    return otherwise;
}

static double number(int argc, char **argv, const char *name, double otherwise) {
    const char *found = word(argc, argv, name, NULL);
    return found ? atof(found) : otherwise;
}

static void open_lines(void) {
    for (int at = 0; at < want.connections; at++) {
        size_t room = want.window * protocol->longest * 2;
        lines[at] = (Connection){connected(want.port), 0, 0, malloc(room), malloc(READ)};
        if (protocol->greet) protocol->greet(lines[at].fd);
    }
}

int main(int argc, char **argv) {
    if (argc < 2 || (strcmp(argv[1], "closed") && strcmp(argv[1], "open") && strcmp(argv[1], "pong"))) {
        fprintf(stderr, "usage: charging_load closed|open|pong [port N] [connections N] [window N] [rate N] "
                        "[seconds S] [warmup S] [accounts N] [updates N] [quota OCTETS] [protocol frames|diameter]\n");
        return 1;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    want.open = !strcmp(argv[1], "open");
    want.port = (int)number(argc, argv, "port", 0);
    want.connections = (int)number(argc, argv, "connections", 4);
    want.window = (int)number(argc, argv, "window", 64);
    want.rate = number(argc, argv, "rate", 1000);
    want.seconds = number(argc, argv, "seconds", 10);
    want.warmup = number(argc, argv, "warmup", 0);
    want.accounts = (int64_t)number(argc, argv, "accounts", 1);
    want.updates = (int)number(argc, argv, "updates", 8);
    want.quota = (int64_t)number(argc, argv, "quota", 1000000);
    if (!strcmp(argv[1], "pong")) return pong(), 0;
    if (want.connections < 1 || want.connections > CONNECTIONS_MOST || want.window < 1) die("connections and window");
    slot_count = want.connections * want.window;
    slots = calloc(slot_count, sizeof *slots);
    spare = calloc(slot_count, sizeof *spare);
    run = (uint64_t)now_ns() >> 1;
    const char *spoken = word(argc, argv, "protocol", frames.name);
    for (size_t at = 0; at < sizeof protocols / sizeof *protocols; at++)
        if (!strcmp(protocols[at]->name, spoken)) protocol = protocols[at];
    if (strcmp(protocol->name, spoken)) die("no such protocol");
    open_lines();
    play();
    return 0;
}
