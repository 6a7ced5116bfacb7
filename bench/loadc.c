// An HTTP/1.1 load client in one thread: it costs so little that what is measured is the server.
//
//   loadc HOST PORT CONNECTIONS SECONDS FILE FIRST [RATE]
//
// FILE holds requests ready to send, each as its length in decimal digits, a line feed, and its bytes. Beginning with
// the FIRST (from 0), every request is sent exactly once: one that gets no answer counts as unanswered and is not
// repeated. Each connection sends its next request when it has the answer to the last one, until SECONDS are over;
// then the calls under way are finished. With a RATE, so many requests a second are sent instead, whether answers come or
// not: each on a connection that has no call under way; when there is none, it counts as unsent. Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 16 << 20, STATUSES = 600, GRACE_S = 60 };

typedef struct {
    int fd;
    int length;      // bytes of the answer so far
    int busy;        // a request is under way
    int will_close;  // the server said so
    double sent_at;
    char *buffer;
} Connection;

typedef struct {
    char *bytes;
    int length;
} Request;

static struct sockaddr_in server;
static int poller;
static Request *requests;
static size_t request_count, next_request;
static double *latencies, *refusals;
static size_t answered, refused;
static long ok, unanswered, unsent, reconnections, statuses[STATUSES];
static char first_bad[400];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void give_up(const char *why) {
    perror(why);
    exit(3);
}

static void dial(Connection *c) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&server, sizeof server) < 0) give_up("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void hang_up(Connection *c) {
    close(c->fd);
    c->fd = -1;
}

static int send_all(int fd, const char *bytes, int length) {
    while (length > 0) {
        int sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return -1;
        bytes += sent;
        length -= sent;
    }
    return 0;
}

// Sends the next request on this connection. 0 when there is none, or no time.
static int start_next(Connection *c, double end) {
    for (;;) {
        double at = now();
        c->busy = 0;
        if (at >= end || next_request >= request_count) return 0;
        if (c->fd < 0) {
            reconnections++;
            dial(c);
        }
        Request *request = &requests[next_request++];
        c->sent_at = at;
        c->length = 0;
        c->busy = 1;
        if (send_all(c->fd, request->bytes, request->length) == 0) return 1;
        unanswered++;
        hang_up(c);
    }
}

static char *find_header(char *head, char *end, const char *name) {
    size_t length = strlen(name);
    for (char *line = head; line < end;) {
        if (!strncasecmp(line, name, length)) return line + length;
        line = memchr(line, '\n', end - line);
        if (!line) return 0;
        line++;
    }
    return 0;
}

// The status of a whole answer; 0 while it is not whole yet.
static int whole(Connection *c) {
    c->buffer[c->length] = 0;
    char *body = memmem(c->buffer, c->length, "\r\n\r\n", 4);
    if (!body) return 0;
    body += 4;
    int status = atoi(c->buffer + 9), have = c->buffer + c->length - body;
    char *value = find_header(c->buffer, body, "connection:");
    if (value) value += strspn(value, " ");
    c->will_close = value && !strncasecmp(value, "close", 5);
    if ((value = find_header(c->buffer, body, "content-length:"))) return have >= atoi(value) ? status : 0;
    if (find_header(c->buffer, body, "transfer-encoding:"))
        return have >= 5 && !memcmp(c->buffer + c->length - 5, "0\r\n\r\n", 5) ? status : 0;
    return status;
}

static void note(Connection *c, int status) {
    latencies[answered++] = now() - c->sent_at;
    if (status < STATUSES) statuses[status]++;
    if (status >= 200 && status < 300) {
        ok++;
        return;
    }
    refusals[refused++] = latencies[answered - 1];
    if (!*first_bad) {
        snprintf(first_bad, sizeof first_bad, "%.390s", c->buffer);
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double percentile_ms(const double *sorted, size_t count, double share) {
    return count ? sorted[(size_t)((count - 1) * share + 0.5)] * 1e3 : 0;
}

static void read_requests(const char *path) {
    struct stat about;
    size_t room = 1 << 16;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &about) < 0) give_up(path);
    char *all = mmap(0, about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    requests = malloc(room * sizeof *requests);
    for (char *at = all; at < all + about.st_size;) {
        int length = 0;
        while (*at != '\n') length = length * 10 + (*at++ - '0');
        if (request_count == room) requests = realloc(requests, (room *= 2) * sizeof *requests);
        requests[request_count++] = (Request){++at, length};
        at += length;
    }
}

static double cpu_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

int main(int argc, char **argv) {
    if (argc != 7 && argc != 8) {
        fprintf(stderr, "loadc HOST PORT CONNECTIONS SECONDS FILE FIRST [RATE]\n");
        return 2;
    }
    int count = atoi(argv[3]), active = 0;
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    read_requests(argv[5]);
    next_request = atol(argv[6]);
    latencies = malloc(sizeof *latencies * (request_count + 1));
    refusals = malloc(sizeof *refusals * (request_count + 1));
    poller = epoll_create1(0);
    Connection *connections = calloc(count, sizeof *connections);
    for (int i = 0; i < count; i++) {
        connections[i].buffer = malloc(BUFFER + 1);
        dial(&connections[i]);
    }
    double rate = argc == 8 ? atof(argv[7]) : 0;
    Connection **idle = malloc(count * sizeof *idle);
    int idles = 0;
    long slots = 0;
    double cpu = cpu_s(), start = now(), end = start + atof(argv[4]), last = start;
    for (int i = 0; i < count; i++) {
        if (rate > 0)
            idle[idles++] = &connections[i];
        else
            active += start_next(&connections[i], end);
    }
    while ((active > 0 || (rate > 0 && now() < end)) && now() < end + GRACE_S) {
        struct epoll_event events[64];
        for (double at = now(); rate > 0 && at < end && slots < (at - start) * rate; slots++) {
            if (!idles || !start_next(idle[--idles], end))
                unsent++;
            else
                active++;
        }
        int ready = epoll_wait(poller, events, 64, rate > 0 && now() < end ? 1 : 1000);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            int got = recv(c->fd, c->buffer + c->length, BUFFER - c->length, 0);
            if (got <= 0) {
                hang_up(c);
                if (!c->busy) continue;
                unanswered++;
                if (rate > 0) {
                    c->busy = 0;
                    idle[idles++] = c;
                    active--;
                } else {
                    active -= !start_next(c, end);
                }
                continue;
            }
            c->length += got;
            int status = c->busy ? whole(c) : 0;
            if (!status) continue;
            note(c, status);
            last = now();
            if (c->will_close) hang_up(c);
            if (rate > 0) {
                c->busy = 0;
                idle[idles++] = c;
                active--;
            } else {
                active -= !start_next(c, end);
            }
        }
    }
    unanswered += active;
    double elapsed = last - start;
    qsort(latencies, answered, sizeof *latencies, by_size);
    qsort(refusals, refused, sizeof *refusals, by_size);
    printf("{\"elapsed_s\": %.4f, \"answered\": %zu, \"ok\": %ld, \"unanswered\": %ld, \"next\": %zu,", elapsed, answered,
           ok, unanswered, next_request);
    printf(" \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.4f,", percentile_ms(latencies, answered, .5),
           percentile_ms(latencies, answered, .99), percentile_ms(latencies, answered, 1));
    printf(" \"refused_p50_ms\": %.4f, \"refused_p99_ms\": %.4f, \"unsent\": %ld,", percentile_ms(refusals, refused, .5),
           percentile_ms(refusals, refused, .99), unsent);
    printf(" \"reconnections\": %ld, \"client_cpu\": %.3f, \"statuses\": {", reconnections,
           elapsed > 0 ? (cpu_s() - cpu) / elapsed : 0);
    for (int i = 0, first = 1; i < STATUSES; i++)
        if (statuses[i]) first = printf("%s\"%d\": %ld", first ? "" : ", ", i, statuses[i]) < 0;
    printf("}}\n");
    if (*first_bad) fprintf(stderr, "%s\n", first_bad);
    return 0;
}
